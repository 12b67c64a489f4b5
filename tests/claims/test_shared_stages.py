"""First stages in common are trained once, and what goes on from them is what it would be."""

import json

import pytest

from mmjax.claims import stages
from mmjax.train import trainer

TEST = {"like": "data.source", "split": "test", "examples": 64}
MEASURED = {"geometry": {"test": {"source": TEST, "pair": ("a", "b")}}}


@pytest.fixture
def arm(tiny):
    def make(rate, seed=0):
        second = {"name": "second", "steps": 4, "optimizer": {"learning_rate": rate}}
        return tiny(
            f"stages={({'name': 'first', 'steps': 6}, second)!r}", f"evaluators={MEASURED!r}",
            f"seed={seed}", "checkpoints.every=3",
        )  # fmt: skip

    return make


def test_arms_go_on_from_one_first_stage(arm, saved, identical, tmp_path):
    recipes = {"a": arm(1e-3), "b": arm(1e-2), "alone": arm(1e-3, seed=1)}
    shared = stages.shared(recipes, tmp_path)
    assert set(shared) == {"a", "b"}
    (first, folder), other = shared["a"], shared["b"]
    assert other == (first, folder)
    trainer.train(first, folder, quiet=True)

    found = {}
    for name, part in (("whole", None), ("rest", folder)):
        path = tmp_path / name
        if part is not None:
            stages.go_on(recipes["b"], path, part)
        summary = trainer.train(recipes["b"], path, quiet=True)
        found[name] = {key: value for key, value in summary.items() if key != "seconds"}
    assert found["rest"] == found["whole"]
    assert any(key.startswith("first/geometry/") for key in found["rest"])
    of_both = [
        saved(trainer.stages_lib.of(recipes["b"])[1].recipe, tmp_path / name) for name in found
    ]
    assert identical(*of_both) == []
    rows = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()] for name in found
    ]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]


def test_a_run_that_has_begun_is_left_alone_and_so_is_one_whose_first_stage_diverged(arm, tmp_path):
    recipe, first = arm(1e-3), tmp_path / "first"
    first.mkdir()
    stages.go_on(recipe, tmp_path / "new", first)
    assert not (tmp_path / "new").exists()
    (tmp_path / "begun" / "checkpoints").mkdir(parents=True)
    (first / "summary.json").write_text("{}")
    stages.go_on(recipe, tmp_path / "begun", first)
    assert not (tmp_path / "begun" / "config.json").exists()
