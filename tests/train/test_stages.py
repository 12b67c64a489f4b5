"""Stages of a run: what continues from one to the next; no interruption changes anything."""

import dataclasses
import json
import os
import signal
import subprocess
import time

import jax
import numpy as np
import pytest

from mmjax import main
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import borders, loop, trainer
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.runs import open_run
from mmjax.train.signals import Interrupted

TEST = {"like": "data.source", "split": "test", "examples": 100}
STAGES = (
    {"name": "first", "steps": 20},
    {
        "name": "second",
        "steps": 25,
        "data": {"source": {"examples": 640}},
        "objectives": {"uniformity": None, "other": {"type": "sigmoid", "pairs": (("a", "b"),)}},
        "optimizer": {"learning_rate": 0.002, "warmup_steps": 5},
        "evaluators": {"geometry": {"test": {"source": TEST, "pair": ("a", "b")}}},
    },
    {
        "name": "third",
        "steps": 10,
        "keep_optimizer": True,
        "objectives": {"uniformity": None, "other": {"type": "sigmoid", "pairs": (("a", "b"),)}},
        "evaluators": {"geometry": {"test": {"source": TEST, "pair": ("a", "b")}}},
    },
)
OVERRIDES = (
    f"stages={STAGES!r}",
    "model.ema=0.9",
    "optimizer.schedule=cosine",
    "log_every=10",
    "checkpoints.every=10",
    "checkpoints.keep_last=99",
    f"evaluators={ {'geometry': {'test': {'source': TEST, 'pair': ('a', 'b')}}}!r}",
)


@pytest.fixture(scope="module")
def staged(tiny):
    return lambda *overrides: tiny(*OVERRIDES, *overrides)


@pytest.fixture(scope="module")
def arrays(saved):
    """`arrays(config, folder, step)`: the arrays of a checkpoint, in the structure of its stage."""

    def read(config, folder, step):
        return saved(stages_lib.at(stages_lib.of(config), step).recipe, folder, step)

    return read


@pytest.fixture(scope="module")
def whole(staged, tmp_path_factory):
    """(folder, summary, states by step before it was made) of an uninterrupted run."""
    folder, states = tmp_path_factory.mktemp("staged"), {}
    make = step_lib.make

    def wrapped(config, plan, mesh):
        step = make(config, plan, mesh)

        def call(state, batch):
            if int(state.step) == 0:
                states[len(states)] = jax.device_get(state), jax.device_get(batch["id"])
            return step(state, batch)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_lib, "make", wrapped)
        summary = trainer.train(staged(), folder, quiet=True)
    return folder, summary, states


@pytest.mark.smoke
def test_a_stage_goes_on_from_the_last_and_the_optimizer_starts_anew(staged, arrays, whole):
    folder, _, states = whole
    end, (begun, ids) = arrays(staged(), folder, 20), states[1]
    for path, value in begun.params.items():
        if path.startswith("objectives/terms/other/"):
            continue
        np.testing.assert_array_equal(value, end[f".params['{path}']"], err_msg=path)
        np.testing.assert_array_equal(begun.average[path], end[f".average['{path}']"], err_msg=path)
    # A new term starts as it would by itself, and nothing of the old optimizer is left.
    assert begun.params["objectives/terms/other/bias"] == -10.0
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(begun.optimizer))
    # Its data is another draw, in an order of its own.
    assert ids.max() < 640
    assert not np.array_equal(np.sort(states[0][1]), np.sort(ids))
    assert not np.array_equal(states[0][0].key, begun.key)


def test_kept_moments_go_on_and_schedules_begin_again(staged, arrays, whole):
    folder, _, states = whole
    end, (begun, _) = arrays(staged(), folder, 45), states[2]
    kept = {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(begun.optimizer)
    }
    differing = [n for n, leaf in kept.items() if not np.array_equal(leaf, end[f".optimizer{n}"])]
    assert len(differing) == 1  # the count of the learning rate's schedule
    assert differing[0].endswith(".count")
    assert end[f".optimizer{differing[0]}"] == 25
    assert kept[differing[0]] == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rates = {row["step"]: row["train/learning_rate"] for row in rows if "train/loss" in row}
    assert rates[20] < rates[10] < 1e-3  # a cosine to its end
    assert rates[50] > rates[45]  # and a new one


def test_one_axis_of_steps_rows_by_stage_and_every_stage_in_the_summary(whole):
    folder, summary, _ = whole
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    trained = [(row["stage"], row["step"]) for row in rows if "train/loss" in row]
    assert trained == [
        ("first", 10),
        ("first", 20),
        ("second", 30),
        ("second", 40),
        ("second", 45),
        ("third", 50),
        ("third", 55),
    ]
    evaluated = {row["stage"]: row for row in rows if "geometry/test/alignment" in row}
    assert {name: row["step"] for name, row in evaluated.items()} == {
        "first": 20,
        "second": 45,
        "third": 55,
    }
    assert summary["step"] == 55
    name = "geometry/test/alignment"
    assert summary[name] == evaluated["third"][name]
    assert summary[f"first/{name}"] == evaluated["first"][name]
    assert summary[f"second/{name}"] == evaluated["second"][name]
    last = {row["step"]: row for row in rows if "train/loss" in row}
    assert summary["train/loss"] == last[55]["train/loss"]
    assert summary["first/train/loss"] == last[20]["train/loss"]
    assert not any(name.endswith("examples_per_second") for name in summary)
    assert summary == json.loads((folder / "summary.json").read_text())


def test_the_metrics_of_the_best_step_are_in_the_summary(staged, whole):
    class Best:
        def best(self):
            return 20

    name = "geometry/test/alignment"
    stages = stages_lib.of(staged("checkpoints.keep_best=1", f"checkpoints.metric={name}"))
    found = borders.summary(stages, {"third": {}}, Best(), whole[0])
    assert found["best/step"] == 20
    assert found[f"best/{name}"] == found[f"first/{name}"] == whole[1][f"first/{name}"]
    assert "best/step" not in whole[1]


def interrupted(config, folder, step, monkeypatch):
    """Trains until SIGTERM comes while step `step` of the run is made."""
    with monkeypatch.context() as patch:
        on_device = loop._on_device

        def counted(*args):
            for k, *rest in on_device(*args):
                if k + 1 == step:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield k, *rest

        patch.setattr(loop, "_on_device", counted)
        with pytest.raises(Interrupted):
            trainer.train(config, folder, quiet=True)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((33,), id="inside"),
        pytest.param((20,), id="border", marks=pytest.mark.long),
        # Saved at the border, stopped, evaluated there by the next process, which is stopped, too.
        pytest.param((45, 46), id="borders", marks=pytest.mark.slow),
    ],
)
def test_an_interruption_anywhere_changes_no_bit(
    staged, arrays, identical, whole, steps, tmp_path, monkeypatch
):
    for step in steps:
        interrupted(staged(), tmp_path, step, monkeypatch)
    summary = trainer.train(staged(), tmp_path, quiet=True)
    assert identical(arrays(staged(), tmp_path, 55), arrays(staged(), whole[0], 55)) == []
    assert {**summary, "seconds": 0} == {**whole[1], "seconds": 0}
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train/loss" in row] == [10, 20, 30, 40, 45, 50, 55]


@pytest.mark.slow
def test_kill_9_in_the_second_stage_of_a_process(
    command, staged, arrays, identical, whole, tmp_path
):
    words = command(tmp_path, *OVERRIDES)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "checkpoints" / "30").is_dir():
        time.sleep(0.005)
    process.kill()
    process.wait()
    trainer.train(staged(), tmp_path, quiet=True)
    assert identical(arrays(staged(), tmp_path, 55), arrays(staged(), whole[0], 55)) == []


def test_a_checkpoint_is_loaded_with_the_config_of_its_stage(staged, whole):
    run = open_run(whole[0], "20")
    assert (run.step, set(run.recipe.objectives)) == (20, set(staged().objectives))
    assert run.stages == ("first",)
    assert run.model.embed("a", np.ones((4, 32), np.float32)).shape[0] == 4
    run = open_run(whole[0])
    assert (run.step, "other" in run.recipe.objectives) == (55, True)


def test_the_page_and_the_table_show_the_stages(whole):
    from mmjax.report import files, page
    from mmjax.report.table import summary_table

    text = page.render(files.read(whole[0]))
    for name in ("first", "second", "third"):
        assert f"stage {name}" in text
    shown = summary_table(whole[1])
    assert "Over the run" in shown
    assert "55 steps" in shown


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.third.optimizer.type=sgd", r"stage 'third': keep_optimizer=True needs the optimi"),
        ("stages.third.optimizer.freeze=('towers/a/.*',)", r"stage 'third': keep_optimizer=True"),
        ("stages.third.fresh=('towers/c/.*',)", r"stage 'third': 'fresh' has 'towers/c/\.\*'"),
        (
            "stages.third.model.towers={'a': {'encoder': {'width': 8}}, 'b': {'encoder': {'width': "
            "8}}}",
            r"stage 'third': towers/a/encoder/.* has the shape .* in the stage before",
        ),
        ("stages.third.data.batch_size=8192", r"batch_size=8192 is larger than the 4096"),
    ],
)
def test_mistakes_of_the_last_stage_are_known_before_the_first(
    staged, override, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(state_lib, "initial", lambda *_: pytest.fail("something was computed"))
    with pytest.raises(ConfigError, match=said):
        trainer.train(staged(override), tmp_path, quiet=True)


def test_what_is_fresh_starts_as_in_a_run_of_its_own(staged, whole):
    config = staged(
        "stages.second.fresh=('towers/b/.*',)",
        "stages.second.model.ema=None",
        "stages.second.scale=(('towers/a/.*/bias', 0.5), ('.*/b/.*', 3.0))",
        "stages.second.optimizer.freeze=('towers/a/.*',)",
    )
    first, second, _ = stages_lib.of(config)
    mesh = mesh_lib.make_mesh()
    plans = borders.plans((first, second), mesh)
    last = state_lib.initial(first.recipe, plans[0])
    # A state that is nowhere the initial one.
    last = dataclasses.replace(last, params={p: v + 1 for p, v in last.params.items()})
    host = jax.device_get(last.params)
    weights = borders.pretrained((first, second), 1, plans[1])
    alone = jax.device_get(state_lib.initial(second.recipe, plans[1]))
    begun = jax.device_get(borders.begin(second, plans[1], weights, last))
    assert begun.average == {}
    found = {**begun.params, **begun.constants}
    for path, value in {**alone.params, **alone.constants}.items():
        carried = path.startswith("towers/a/") or (path in host and "other" not in path)
        want = host[path] if carried and not path.startswith("towers/b/") else value
        # What is reinitialized is not scaled.
        factor = 0.5 if path.startswith("towers/a/") and path.endswith("/bias") else 1.0
        np.testing.assert_array_equal(found[path], factor * want, err_msg=path)
    assert all(path.startswith("towers/a/") for path in begun.constants)


def test_dry_run_reports_every_stage(staged, capsys, set_flags):
    set_flags()
    again = {**STAGES[1], "name": "again", "data": {"source": {"examples": 700}}}
    main.dry_run(staged(f"stages={(STAGES[0], STAGES[1], again)!r}"))
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    assert [line[1] for line in lines if line[0] == "stage"] == ["first:", "second:", "again:"]
    assert said.count("GFLOP an example") == 2
    assert "same compiled step as stage second" in said
