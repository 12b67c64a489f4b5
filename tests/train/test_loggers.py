"""Trackers beside the run's own files: what they get, and what follows when they fail."""

import json

import pytest
from third_party import needs

from mmjax.errors import ConfigError
from mmjax.extras import MissingExtra
from mmjax.train import loggers
from mmjax.train.loggers import FILE, LOGGERS, Logger, Loggers
from mmjax.train.metrics import MetricWriter

METRICS = {"train/loss": 1.5, "retrieval/test/image_to_text/R@1": 0.25}


class Listed(Logger):
    """Keeps what it gets, and fails where it is told to."""

    package = "json"
    made: list = []  # noqa: RUF012 (of the tests)

    def __init__(self, project, name, config, folder, key):
        self.about, self.rows, self.key = (project, name, config), [], key or "new"
        self.fails = False
        Listed.made.append(self)

    def write(self, step, metrics):
        if self.fails:
            raise OSError("the server\nis gone")
        self.rows.append((step, metrics))

    def close(self, finished):
        self.rows.append(finished)


@pytest.fixture
def listed(monkeypatch):
    Listed.made = []
    monkeypatch.setitem(LOGGERS, "listed", Listed)
    return Listed.made


def opened(folder, resumed=False, names=("listed",)):
    return Loggers(names, "clip", {"steps": 3}, folder, resumed=resumed)


def test_every_row_goes_to_the_trackers_as_well(tmp_path, listed):
    with opened(tmp_path) as trackers:
        writer = MetricWriter(tmp_path, 0, loggers=trackers)
        writer.write(3, METRICS)
        writer.close()
    assert listed[0].about == ("clip", tmp_path.name, {"steps": 3})
    assert listed[0].rows == [(3, METRICS), True]


def test_a_resumed_run_goes_on_in_the_same_one(tmp_path, listed):
    (tmp_path / FILE).write_text('{"listed": "old"}')
    assert opened(tmp_path).close(False) is None
    assert listed[-1].key == "new"  # it was the start of a run
    (tmp_path / FILE).write_text('{"listed": "old"}')
    opened(tmp_path, resumed=True)
    assert listed[-1].key == "old"
    assert json.loads((tmp_path / FILE).read_text()) == {"listed": "old"}


def test_a_tracker_that_fails_on_the_way_is_left_out(tmp_path, listed, logged):
    trackers = opened(tmp_path)
    listed[0].fails = True
    trackers.write(1, METRICS)
    trackers.write(2, METRICS)
    trackers.close(True)
    assert listed[0].rows == []
    said = "listed gets nothing more of this run (the server is gone); metrics.jsonl has all"
    assert logged == [said]


def test_one_that_cannot_be_opened_is_refused(tmp_path, listed, monkeypatch):
    def fail(*_):
        raise RuntimeError("no API key")

    monkeypatch.setitem(LOGGERS, "broken", fail)
    fail.package = "broken"
    with pytest.raises(ConfigError, match=r"--loggers=broken: .*no API key"):
        opened(tmp_path, names=("listed", "broken"))
    assert listed[0].rows == [False]  # closed
    assert not (tmp_path / FILE).exists()


def test_names_and_packages_are_checked_first(monkeypatch):
    with pytest.raises(ConfigError, match="did you mean 'wandb'"):
        loggers.check(["wandb2"])
    monkeypatch.setattr(LOGGERS["wandb"], "package", "not_installed")
    with pytest.raises(MissingExtra, match=r"mmjax\[wandb\]"):
        loggers.check(["wandb"])


def test_wandb(tmp_path, monkeypatch):
    needs("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with opened(tmp_path, names=("wandb",)) as trackers:
        trackers.write(1, METRICS)
    assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert json.loads((tmp_path / FILE).read_text())["wandb"]


def test_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "db"))  # which is read at its import
    needs("trackio")
    with opened(tmp_path, names=("trackio",)) as trackers:
        trackers.write(1, METRICS)
    assert list((tmp_path / "db").glob("clip*.db"))


def test_mlflow(tmp_path, monkeypatch):
    needs("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "ml").as_uri())
    for resumed in (False, True):
        with opened(tmp_path, resumed, names=("mlflow",)) as trackers:
            trackers.write(1 + resumed, METRICS)
    client = MlflowClient()
    run = client.get_run(json.loads((tmp_path / FILE).read_text())["mlflow"])
    assert run.data.params == {"steps": "3"}
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "retrieval/test/image_to_text/R_at_1")
    assert [(each.step, each.value) for each in history] == [(1, 0.25), (2, 0.25)]
