"""`--profile` and the columns of speed in the log."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import jax
import pytest
from absl.testing import flagsaver

from mmjax import cli, main
from mmjax.errors import ConfigError
from mmjax.preflight import topology, utilization
from mmjax.train import loggers, profile, trainer

PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
QUIET = ("evaluators={}", "checkpoints.every=0", "log_every=1", "steps=3")


class Device(NamedTuple):
    device_kind: str


def test_a_trace_is_written(tiny, tmp_path):
    trainer.train(tiny(*QUIET), tmp_path / "run", quiet=True, traced=profile.Steps(2, 3))
    assert (
        len(list((tmp_path / "run").glob("profile/plugins/profile/*/perfetto_trace.json.gz"))) == 1
    )


def test_a_trace_ends_with_a_run_that_fails(tmp_path):
    def fails():
        with profile.Profile(profile.Steps(1, 9), tmp_path, 0, 9) as tracer:
            tracer.before(1)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    profile.Profile(profile.Steps(1, 1), tmp_path, 0, 1).before(1)  # another can begin
    jax.profiler.stop_trace()


@pytest.mark.parametrize("text", ["10", "10:", "0:3", "5:4", "a:b", "1:2:3"])
def test_other_words_are_refused(text):
    with pytest.raises(ConfigError, match="such as 10:20"):
        profile.Steps.of(text)


def test_steps_that_are_not_made_are_refused(tmp_path):
    for steps, start in ((profile.Steps(4, 6), 0), (profile.Steps(1, 2), 2)):
        with pytest.raises(ConfigError, match=f"the steps that are left are {start + 1} to 3"):
            profile.Profile(steps, tmp_path, start, 3)


def test_rows_say_how_much_of_the_peak_is_used(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(utilization, "peak_flops", lambda _: 1e9)
    trainer.train(tiny(*QUIET), tmp_path / "run", quiet=True, work=utilization.work)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "train/loss" in row]
    assert len(rows) == 3
    for row in rows:
        rate = 1e12 * row["train/model_tflops_per_second"]
        flops = rate * row["train/seconds_per_step"]
        assert flops == pytest.approx(utilization.work(tiny(*QUIET), mesh()).flops)
        assert row["train/mfu"] == pytest.approx(rate / (1e9 * jax.device_count()))


def mesh():
    from mmjax.parallel import mesh as mesh_lib

    return mesh_lib.make_mesh()


def test_peak_rates_by_the_names_of_devices():
    assert utilization.peak_flops(Device("NVIDIA H100 80GB HBM3")) == 989e12
    assert utilization.peak_flops(Device("NVIDIA H100 PCIe")) == 756e12
    assert utilization.peak_flops(Device("NVIDIA A10G")) == 70e12
    assert utilization.peak_flops(Device("TPU v5 lite")) == topology.CHIPS["v5e"].flops
    assert utilization.peak_flops(Device("cpu")) is None


def test_the_commands_of_the_page(monkeypatch):
    given = []
    monkeypatch.setattr(trainer, "train", lambda recipe, path, **options: given.append(options))
    monkeypatch.setattr(loggers.extras, "find", lambda *_: None)
    commands = re.findall(r"^    mmjax train (\S+) (--.*)$", PAGE, re.MULTILINE)
    for recipe, options in commands:
        argv, path, overrides = cli.split_config(
            ["train", f"--config={recipe}", *shlex.split(options)]
        )
        with flagsaver.flagsaver():
            main.flags.FLAGS(argv)
            main.main(path, overrides)
    assert [each["loggers"] for each in given] == [["wandb", "mlflow"], []]
    assert [each["traced"] for each in given] == [None, profile.Steps(10, 20)]
    table = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert set(table) >= set(loggers.LOGGERS)
