"""The folder of a run: whose it is, which one the same command finds again, and its files."""

import json
import multiprocessing

import ml_collections
import pytest

from mmjax import config as config_lib
from mmjax.config import ConfigError
from mmjax.train.metrics import MetricWriter
from mmjax.train.workdir import Workdir, default


def config(**values):
    tree = {
        "recipe": "clip",
        "seed": 0,
        "data": {"batch_size": 8, "workers": 0},
        "mesh": {"data": 1},
    }
    return ml_collections.ConfigDict(tree | values)


def test_another_config_is_refused_with_the_keys_that_differ(tmp_path):
    other = config(seed=1, data={"batch_size": 16, "workers": 0})
    with Workdir(tmp_path / "run", config()):
        pass
    with Workdir(tmp_path / "run", other):  # nothing has been saved that it could spoil
        pass
    (tmp_path / "run" / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(ConfigError) as error:
        Workdir(tmp_path / "run", config())
    assert "seed: 1 -> 0" in str(error.value)
    assert "data.batch_size: 16 -> 8" in str(error.value)


def test_operational_keys_may_change_on_resume(tmp_path):
    with Workdir(tmp_path, config()):
        pass
    with Workdir(tmp_path, config(mesh={"data": 8}, data={"batch_size": 8, "workers": 2})):
        pass


def test_checkpoints_of_nobody_are_refused(tmp_path):
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no config\.json"):
        Workdir(tmp_path, config())


def _hold(path, started, release):
    with Workdir(path, config()):
        started.set()
        release.wait(20)


def test_a_folder_in_use_is_refused_and_the_default_passes_it_over(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, release = context.Event(), context.Event()
    folder = tmp_path / "clip-20200101-000000"
    process = context.Process(target=_hold, args=(folder, started, release))
    process.start()
    try:
        assert started.wait(20)
        with pytest.raises(ConfigError, match="another process is writing"):
            Workdir(folder, config())
        assert default(config(), tmp_path) != folder
    finally:
        release.set()
        process.join()
    assert default(config(), tmp_path) == folder


def test_default_finds_the_unfinished_run_of_the_same_config_only(tmp_path):
    first = default(config(), tmp_path)
    assert first.name.startswith("clip-2")
    with Workdir(first, config()):
        pass
    assert default(config(), tmp_path) == first
    assert default(config(seed=1), tmp_path) != first
    (first / "summary.json").write_text("{}")
    assert default(config(), tmp_path) != first


def test_damaged_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="is damaged"):
        Workdir(tmp_path, config())


def test_metrics_after_the_checkpoint_are_written_anew(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    for step in (10, 20, 30):
        writer.write(step, {"train/loss": 1.0})
    writer.close()
    with open(tmp_path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 40, "tra')
    writer = MetricWriter(tmp_path, 20)
    writer.write(30, {"train/loss": 2.0})
    writer.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["train/loss"]) for row in rows] == [(10, 1.0), (20, 1.0), (30, 2.0)]


def test_dump_is_stable():
    assert config_lib.dump(config()) == config_lib.dump(config())
