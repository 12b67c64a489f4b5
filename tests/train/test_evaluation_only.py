"""Recipes of no steps: nothing trains, and what is there is evaluated, kept and exported."""

import json

import numpy as np
import pytest

import mmjax
from mmjax import evaluate
from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.preflight import dry_run
from mmjax.preflight.report import lines
from mmjax.train import trainer
from mmjax.train.runs import open_run

RECALL = "retrieval/test/a_to_b/R@1"


def keys(**changes):
    """One tower with parameters, and one that hands a vector on, which is a rotation of neither."""
    source = {"type": "gaussian_latent", "dim": 8, "split": "train", "examples": 64}
    held_out = {"like": "data.source", "split": "test", "noise": 0.1}
    view = {"type": "vector", "dim": 8}
    tower = {"encoder": {"type": "identity", "inputs": 8}}
    return {
        "recipe": "measured",
        "variant": "small",
        "paper": "nobody",
        "steps": 0,
        "data": {"source": source, "views": {"a": view, "b": view}, "batch_size": 16},
        "model": {
            "towers": {
                "a": tower,
                "b": {"encoder": {"type": "mlp", "inputs": 8, "hidden": (), "width": 8}},
            }
        },
        "evaluators": {"retrieval": {"test": {"source": held_out, "pairs": (("a", "b"),)}}},
        **changes,
    }


def recipe(**changes):
    return recipe_lib.complete(keys(**changes), "measured.py")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of no steps, and its summary."""
    folder = tmp_path_factory.mktemp("run")
    return folder, trainer.train(recipe(), folder, quiet=True)


def test_what_is_there_is_evaluated_and_kept(run, set_flags):
    folder, summary = run
    assert summary["step"] == 0
    assert 0 < summary[RECALL] < 1
    assert not [name for name in summary if name.startswith("train/")]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0]
    again = trainer.train(recipe(), folder, quiet=True)
    assert again[RECALL] == summary[RECALL]

    model = mmjax.load(folder)
    x = np.ones((3, 8), np.float32)
    assert model.encode(b=x).shape == (3, 8)
    set_flags(workdir=folder)
    evaluate.main(None, [])
    found = json.loads((folder / "evaluation-0.json").read_text())
    assert found[RECALL] == summary[RECALL]
    assert (folder / "report.html").stat().st_size > 10_000


def test_the_evaluators_of_another_recipe_run_on_a_saved_run(run, set_flags, tmp_path):
    folder, summary = run
    other = keys(recipe="other")
    spec = other["evaluators"]["retrieval"].pop("test")
    other["evaluators"]["retrieval"]["others"] = spec
    file = tmp_path / "other.py"
    file.write_text(f"def get_config(variant='small'):\n    return {other!r}\n")
    set_flags(workdir=folder)
    evaluate.main(str(file), [])
    found = json.loads((folder / "evaluation-0-other.json").read_text())
    assert found["retrieval/others/a_to_b/R@1"] == summary[RECALL]
    spec["pairs"] = (("a", "c"),)
    other["model"]["towers"]["c"], other["data"]["views"]["c"] = (
        other[part][whole]["a"] for part, whole in (("model", "towers"), ("data", "views"))
    )
    file.write_text(f"def get_config(variant='small'):\n    return {other!r}\n")
    with pytest.raises(ConfigError, match=r"unknown modality 'c' of 'evaluators.retrieval"):
        evaluate.main(str(file), [])


def test_a_folder_of_weights_is_evaluated_by_a_recipe_of_no_steps(run, tmp_path):
    folder, summary = run
    own = keys(weights=str(folder))
    del own["model"], own["data"]["views"]
    found = trainer.train(recipe_lib.complete(own, "measured.py"), tmp_path, quiet=True)
    assert found[RECALL] == summary[RECALL]


def test_its_dry_run_is_of_embedding_a_batch():
    report = dry_run.preflight(recipe())
    assert report.flops == 2 * 16 * 8 * 8
    assert report.loss_flops == 0
    assert report.state_bytes["params"] == report.state_bytes["optimizer"] == 0
    text = "\n".join(lines(report))
    assert "forward" in text
    assert "backward" not in text
    towers = {"a": keys()["model"]["towers"]["a"]}
    one = keys(model={"towers": towers}, evaluators={})
    one["data"]["views"] = {"a": one["data"]["views"]["a"]}
    bare = dry_run.preflight(recipe_lib.complete(one, "measured.py"))
    assert "0.00 GFLOP" in "\n".join(lines(bare))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 1}, r"'objectives' is empty: .*steps=0 only evaluates"),
        ({"steps": -1}, r"'steps' should be at least 0, but is -1"),
        (
            {"steps": 1, "objectives": {"clip": {"type": "info_nce", "pairs": (("a", "b"),)}}},
            r"the key 'optimizer' is missing",
        ),
        ({"stages": ({"name": "first"},)}, r"stage 'first': 'steps' is 0"),
    ],
)
def test_what_trains_needs_a_loss_and_an_optimizer(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


def test_a_recipe_that_would_train_can_be_evaluated_as_it_starts(tmp_path):
    trained = {
        "objectives": {"clip": {"type": "info_nce", "pairs": (("a", "b"),)}},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 5},
    }
    found = trainer.train(recipe(**trained), tmp_path, quiet=True)
    assert RECALL in found
    assert open_run(tmp_path).bundle().log_scale == pytest.approx(-np.log(0.07), rel=1e-5)
