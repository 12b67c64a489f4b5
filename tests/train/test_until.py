"""A stage that ends early by a metric, and no interruption that changes when."""

import json
import os
import signal

import numpy as np
import pytest

from mmjax.checkpoints.store import CheckpointError
from mmjax.claims import stages as claim_stages
from mmjax.errors import ConfigError
from mmjax.recipe import UntilConfig
from mmjax.train import loop, trainer
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train.runs import open_run
from mmjax.train.signals import Interrupted
from mmjax.train.until import Until

METRIC = "geometry/test/positive_cosine"
GEOMETRY = {"geometry": {"test": {"source": {"like": "data.source", "split": "test",
                                             "examples": 50}, "pair": ("a", "b")}}}  # fmt: skip
UNTIL = {"metric": METRIC, "change": 1e-6, "min_checks": 2}
STAGES = (
    {"name": "first", "steps": 40, "evaluate_every": 6, "until": UNTIL},
    {"name": "second", "steps": 10},
)
OVERRIDES = ("log_every=20", "checkpoints.every=5", "checkpoints.keep_last=99")


@pytest.fixture(scope="module")
def early(tiny):
    def make(*overrides, stages=STAGES):
        return tiny(f"stages={stages!r}", f"evaluators={GEOMETRY!r}", *OVERRIDES, *overrides)

    return make


@pytest.fixture(scope="module")
def whole(early, tmp_path_factory):
    folder = tmp_path_factory.mktemp("early")
    return folder, trainer.train(early(), folder, quiet=True)


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def steps(folder):
    return sorted(int(each.name) for each in (folder / "checkpoints").iterdir() if each.is_dir())


def test_a_stage_ends_at_the_check_that_moved_and_the_next_counts_from_its_last_step(whole):
    folder, summary = whole
    found = [(row["stage"], row["step"]) for row in rows(folder) if METRIC in row]
    assert found == [("first", 6), ("first", 12), ("second", 50)]
    trained = [row["step"] for row in rows(folder) if "train/loss" in row]
    assert trained == [6, 12, 50]  # a row at every check
    assert steps(folder) == [5, 10, 12, 45, 50]
    assert summary["step"] == 50
    assert summary[f"first/{METRIC}"] == next(r[METRIC] for r in rows(folder) if r["step"] == 12
                                              and METRIC in r)  # fmt: skip
    assert "first/train/loss" in summary
    run = open_run(folder, "12")
    assert (run.step, run.stages) == (12, ("first",))


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(11, id="inside"),
        pytest.param(12, id="its end", marks=pytest.mark.long),
        pytest.param(44, id="2nd", marks=pytest.mark.long),
    ],
)
def test_an_interruption_changes_neither_the_end_nor_a_bit(
    early, whole, saved, identical, at, tmp_path, monkeypatch
):
    """At 12, the checkpoint is saved without the evaluation that ends the stage."""
    with monkeypatch.context() as patch:
        on_device = loop._on_device

        def counted(*args):
            for k, *rest in on_device(*args):
                if k + 1 == at:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield k, *rest

        patch.setattr(loop, "_on_device", counted)
        with pytest.raises(Interrupted):
            trainer.train(early(), tmp_path, quiet=True)
    summary = trainer.train(early(), tmp_path, quiet=True)
    assert {**summary, "seconds": 0} == {**whole[1], "seconds": 0}
    recipe = stages_lib.of(early())[-1].recipe
    assert identical(saved(recipe, tmp_path, 50), saved(recipe, whole[0], 50)) == []


def test_a_run_that_has_ended_early_is_finished(early, tmp_path, monkeypatch):
    config = early(stages=(STAGES[0],))
    summary = trainer.train(config, tmp_path, quiet=True)
    assert summary["step"] == 12
    monkeypatch.setattr(loop, "_step", lambda *_: pytest.fail("a step was made"))
    (tmp_path / "summary.json").unlink()
    again = trainer.train(config, tmp_path, quiet=True)
    assert {**again, "seconds": 0} == {**summary, "seconds": 0}
    assert steps(tmp_path)[-1] == 12


def test_the_rule():
    def ends(values, **options):
        until = Until(UntilConfig(metric="m", **options), "s")
        until.begin({"m": values[0]})
        for step, value in enumerate(values[1:], 1):
            until.check(step, {"m": value})
            if until.ended:
                return step
        return None

    assert ends([2.0, 2.1, 1.75], change=0.1) == 2
    assert ends([-2.0, -2.1, -2.3], change=0.1) == 2
    assert ends([0.01, 0.02, 0.03], change=0.1) == 1
    assert ends([0.01, 0.02, 0.03], change=0.1, floor=0.15) == 2
    assert ends([2.0, 3.0, 3.0, 2.0], change=0.1, min_checks=2) == 2
    assert ends([2.0, 3.0, 2.0, 2.0], change=0.1, min_checks=2) is None
    assert ends([2.0, np.nan], change=0.1) is None


def test_a_checkpoint_knows_how_it_went():
    config = UntilConfig(metric="m", change=0.1, min_checks=2)
    until = Until(config, "s")
    until.begin({"m": 1.0})
    until.check(5, {"m": 2.0})
    again = Until(config, "s", json.loads(json.dumps(until.kept())))
    again.check(5, {"m": 2.0})  # measured again after an interruption
    assert not again.ended
    again.check(10, {"m": 2.0})
    assert again.ended
    assert Until(config, "s", again.kept()).ended
    with pytest.raises(CheckpointError, match="'until'"):
        Until(config, "s", {})
    assert Until(None, "s", {}).kept() == {}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.first.evaluate_every=0", r"stages.first.evaluate_every"),
        ("stages.first.until.metric=geometry/tset/gap", r"unknown metric.*geometry/test"),
        ("stages.first.until.change=0.0", r"change"),
        ("stages.first.until.chang=0.1", r"chang"),
    ],
)
def test_mistakes_are_known_at_once(early, override, said):
    with pytest.raises(ConfigError, match=said):
        early(override)


def test_a_metric_that_its_evaluator_lacks_ends_the_run_before_the_first_step(
    early, tmp_path, monkeypatch
):
    monkeypatch.setattr(state_lib, "restored", lambda *_: pytest.fail("nothing to restore"))
    config = early("stages.first.until.metric=geometry/test/positive_cosin")
    with pytest.raises(ConfigError, match="positive_cosine"):
        trainer.train(config, tmp_path, quiet=True)
    assert steps(tmp_path) == []


def test_a_first_stage_that_runs_share_ends_early_too(early, tmp_path):
    recipes = {n: early(f"stages.second.optimizer.learning_rate={n}") for n in (0.1, 0.2)}
    found = claim_stages.shared(recipes, tmp_path)
    assert [first.stages[0].until for first, _ in found.values()] == [UntilConfig(**UNTIL)] * 2
