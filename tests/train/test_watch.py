"""A run in which nothing can be learned ends in a sentence."""

import numpy as np
import pytest

from mmjax.errors import exit_code
from mmjax.train import trainer


def train_on(config_of, folder, **arrays):
    """Trains on arrays f32[64, 32], whose rows may be absent."""
    np.savez(folder / "rows.npz", **arrays)
    source = {"type": "arrays", "path": str(folder / "rows.npz")}
    views = [f"data.views.{view}.noise=0.0" for view in "ab"]
    config = config_of(
        f"data.source={source}", *views, "evaluators={}", "steps=3", "log_every=1",
        "checkpoints.every=0", "optimizer.warmup_steps=0",
    )  # fmt: skip
    return trainer.train(config, folder / "run", quiet=True)


def test_a_tower_that_gives_only_zeros_ends_the_run(tiny, tmp_path):
    rows = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    with pytest.raises(
        trainer.ZeroEmbeddings, match=r"^step 1: all embeddings of 'a' are"
    ) as ended:
        train_on(tiny, tmp_path, a=np.zeros_like(rows), b=rows)
    assert "(data.views.a)" in str(ended.value)
    assert exit_code(ended.value) == 1


def test_some_zeros_are_no_reason_and_are_not_logged(tiny, tmp_path):
    rows = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    metrics = train_on(tiny, tmp_path, a=rows * (np.arange(64) % 2)[:, None], b=rows)
    assert np.isfinite(metrics["train/loss"])
    assert not [name for name in metrics if "zero" in name]
