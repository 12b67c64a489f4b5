"""A run at a gs:// address is the run that a folder would hold, whatever stops it."""

import json
import os
import signal

import gcs_stand_in
import numpy as np
import pytest
from interrupting import before_step
from third_party import needs

import mmjax
from mmjax import evaluate, places
from mmjax.errors import ConfigError
from mmjax.extras import MissingExtra
from mmjax.files import WriteError
from mmjax.report import __main__ as report
from mmjax.report.results import SPEED
from mmjax.train import trainer
from mmjax.train.runs import open_run
from mmjax.train.signals import Interrupted

TEST = {"source": {"like": "data.source", "split": "test", "examples": 64}, "pair": ("a", "b")}
SETTINGS = (
    "steps=8",
    "log_every=2",
    "evaluate_every=4",
    "checkpoints.every=3",
    "checkpoints.keep_last=1",
    f"evaluators={ {'geometry': {'test': TEST}}!r}",
)
FILES = ("config.json", "metrics.jsonl", "summary.json", "sha256.json", "log.txt")


@pytest.fixture(scope="module")
def bucket():
    with gcs_stand_in.store("bucket"):
        yield "gs://bucket"


@pytest.fixture(scope="module")
def objects(bucket):
    """`objects(folder)`: name -> content of what the store holds below a folder."""
    system = needs("gcsfs").GCSFileSystem(use_listings_cache=False)

    def read(folder):
        root = folder.removeprefix("gs://")
        return {name.removeprefix(f"{root}/"): system.cat(name) for name in system.find(root)}

    return read


@pytest.fixture(scope="module")
def config(tiny):
    return tiny(*SETTINGS)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """The folder of the same run on a disk."""
    folder = tmp_path_factory.mktemp("whole")
    trainer.train(config, folder, quiet=True)
    return folder


def rows(text):
    """What a log says, times aside."""
    names = {f"train/{name}" for name in SPEED}
    return [
        {name: value for name, value in json.loads(line).items() if name not in names}
        for line in text.splitlines()
    ]


def crash():
    raise MemoryError("crash")


@pytest.mark.parametrize("stop", ["never", "a signal", "a crash"])
def test_it_ends_as_on_a_disk(stop, config, bucket, objects, whole, saved, identical, monkeypatch):
    address = f"{bucket}/runs/{stop.replace(' ', '-')}"
    if stop != "never":
        with monkeypatch.context() as patch:
            if stop == "a signal":
                before_step(patch, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
            else:
                before_step(patch, 6, crash)
            with pytest.raises((Interrupted, MemoryError)):
                trainer.train(config, address, quiet=True)
        steps = {name.split("/")[1] for name in objects(address) if "checkpoints/" in name}
        assert steps >= {"5" if stop == "a signal" else "3"}
        assert "summary.json" not in objects(address)
    trainer.train(config, address, quiet=True)
    there = objects(address)
    assert {name for name in there if "/" not in name} >= {*FILES, ".owner"} - {"log.txt"}
    assert {name.split("/")[1] for name in there if "checkpoints/" in name} == {"8"}  # keep_last
    assert rows(there["metrics.jsonl"].decode()) == rows((whole / "metrics.jsonl").read_text())
    assert there["config.json"] == (whole / "config.json").read_bytes()
    assert identical(saved(config, address), saved(config, whole)) == []


@pytest.fixture(scope="module")
def run(config, bucket):
    address = f"{bucket}/runs/used"
    trainer.train(config, address)
    return address


def test_it_is_used_as_one_on_a_disk(run, whole, objects, tmp_path):
    a, b = (mmjax.load(each) for each in (run, whole))
    x = np.random.default_rng(0).normal(size=(5, *b.bundle.views["a"].shape)).astype(np.float32)
    np.testing.assert_array_equal(a.encode(a=x), b.encode(a=x))
    assert {"log.txt", "report.html", "summary.json"} <= set(objects(run))


def test_commands_add_their_files(run, objects, set_flags, capsys):
    set_flags(workdir=run)
    evaluate.main(None, [])
    measured = json.loads(objects(run)["evaluation-8.json"])
    said = json.loads(objects(run)["summary.json"])
    name = "geometry/test/alignment"
    assert measured[name] == said[name]
    report.main(None, [])
    assert f"{run}/report.html" in capsys.readouterr().out


def test_another_config_is_refused_and_changes_nothing(run, tiny, objects):
    before = objects(run)
    with pytest.raises(ConfigError, match=rf"{run} holds a run of another config \(seed"):
        trainer.train(tiny(*SETTINGS, "seed=5"), run, quiet=True)
    assert objects(run) == before


def test_what_is_refused_leaves_nothing(bucket, tiny, objects):
    with pytest.raises(ConfigError):
        trainer.train(tiny(*SETTINGS, "data.batch_size=100000"), f"{bucket}/runs/none", quiet=True)
    assert objects(f"{bucket}/runs/none") == {}


def test_an_earlier_process_stops_when_another_goes_on(config, bucket, objects, monkeypatch):
    address = f"{bucket}/runs/taken"

    def another():
        copy = places.here(address)
        places.own(copy)

    with monkeypatch.context() as patch:
        before_step(patch, 2, another)
        with pytest.raises(WriteError, match=rf"{address} is written to by another process \(pro"):
            trainer.train(config, address, quiet=True)
    assert not [name for name in objects(address) if "checkpoints/3" in name]


def test_what_cannot_be_reached_is_a_sentence(bucket, monkeypatch):
    with pytest.raises(ConfigError, match=r"gs://bucket/empty holds no run"):
        open_run("gs://bucket/empty")
    with pytest.raises(ConfigError, match=r"s3://b/run: .* mount"):
        mmjax.load("s3://b/run")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"gs://bucket/run needs .*'mmjax\[gcs\]'"):
        places.here("gs://bucket/run")
