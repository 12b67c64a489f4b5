"""A run on sources of which each has what it has: two pairs of modalities that never meet."""

import json

import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.data import inputs
from mmjax.data.sources import MemorySource
from mmjax.train import trainer

pytestmark = pytest.mark.slow


def config(objectives):
    mlp = {"type": "mlp", "inputs": 6, "hidden": (8,), "width": 8}
    tower = {"encoder": mlp, "head": {"type": "mlp", "dim": 4, "hidden": 8, "norm": "batch"}}
    spec = {"type": "memory", "data": {"a": ()}}
    tree = {
        "recipe": "tiny",
        "variant": "small",
        "paper": "none",
        "steps": 6,
        "log_every": 2,
        "data": {
            "source": {"one": {**spec, "weight": 3.0}, "two": spec},
            "views": {m: {"type": "vector", "dim": 6} for m in ("a", "x", "y")},
            "batch_size": 32,
            "on_error": "fail",
        },
        "model": {"towers": dict.fromkeys(("a", "x", "y"), tower)},
        "objectives": objectives,
        "optimizer": {"learning_rate": 1e-2},
        "evaluators": {
            "retrieval": {"one": {"source": {"like": "data.source.one"}, "pairs": (("a", "x"),)}}
        },
    }
    return recipe_lib.complete(tree, "test")


@pytest.fixture
def sources(monkeypatch):
    """Two sources in memory, in place of what the config says of them."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(120, 6))
    noisy = lambda: list(latent + 0.3 * rng.normal(size=latent.shape))  # noqa: E731
    made = {
        "one": MemorySource(data={"a": noisy(), "x": noisy()}),
        "two": MemorySource(data={"a": noisy(), "y": noisy()}),
    }
    order = iter([*made.values(), made["one"]])
    monkeypatch.setattr(inputs, "source", lambda spec: next(order))
    return made


def test_pairs_that_never_meet_and_pairs_that_do(sources, tmp_path):
    term = {"type": "info_nce", "learn_temperature": False}
    objectives = {
        "ax": {**term, "pairs": (("a", "x"),)},
        "ay": {**term, "pairs": (("a", "y"),)},
        "xy": {**term, "pairs": (("x", "y"),)},
    }
    summary = trainer.train(config(objectives), tmp_path / "run", quiet=True)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    trained = [row for row in rows if "train/loss" in row]
    # Three of four rows are pairs of a and x, the others of a and y; no row has x and y.
    for row in trained:
        assert np.log(20) < row["train/ax/chance"] < np.log(29)  # of 32
        assert np.log(3) < row["train/ay/chance"] < np.log(12)
        assert row["train/xy/loss"] == 0
        assert np.isfinite(row["train/loss"])
    assert summary["retrieval/one/a_to_x/queries"] == 120
    assert summary["retrieval/one/a_to_x/R@10"] > 10 / 120
