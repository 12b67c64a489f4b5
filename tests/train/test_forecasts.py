"""A forecast from a series and a text: what trains, and what the term says afterwards."""

import jax
import numpy as np
import pytest

from mmjax import recipe as recipe_lib
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

ROWS, PAST, FUTURE, WORDS = 8, 32, 4, 20
TEXT = {
    "type": "text_transformer", "vocab_size": WORDS, "length": 6, "width": 8, "depth": 1,
    "heads": 2, "pool": "mean", "keep_last": 3,
}  # fmt: skip
SERIES = {"type": "patch_tokens", "patch": (8,), "stride": (4,), "channels": 1, "width": 8}
BOTH = {
    "type": "concat_tokens", "inputs": ("series", "text"), "tokens": (8, 3), "features": 4,
    "balance": True,
}  # fmt: skip


def config():
    tree = {
        "recipe": "tiny",
        "variant": "small",
        "paper": "none",
        "steps": 3,
        "data": {
            "source": {"type": "statistic_series", "past": PAST, "future": FUTURE},
            "tokenizer": {"type": "words", "words": tuple("abcdefghijklmnop")},
            "views": {
                "series": {"type": "signal", "channels": 1, "length": PAST},
                "text": {"type": "text", "length": 6, "bos": False, "eos": False},
                "future": {"type": "array", "shape": (FUTURE,), "tower": False},
            },
            "batch_size": ROWS,
        },
        "model": {
            "towers": {"series": {"encoder": SERIES}, "text": {"encoder": TEXT}},
            "fusions": {"both": BOTH},
            "adapters": {"prompt": {"type": "prompts", "towers": ("text",), "length": 2}},
        },
        "objectives": {
            "forecast": {
                "type": "regression", "view": "both", "inputs": 44, "size": FUTURE,
                "target": "future", "loss": "l2",
            },
            "align": {
                "type": "info_nce", "pairs": (("series", "text"),), "direction_weights": (1.0, 0.0)
            },
        },
        "optimizer": {
            "learning_rate": 1e-2, "schedule": "constant", "freeze": ("towers/text/.*",)
        },
    }  # fmt: skip
    return recipe_lib.complete(tree, "test")


def batch():
    rng = np.random.default_rng(0)
    return {
        "series": rng.normal(size=(ROWS, PAST, 1)).astype(np.float32),
        "text": rng.integers(4, WORDS, (ROWS, 6), dtype=np.int32),
        "future": rng.normal(size=(ROWS, FUTURE)).astype(np.float32),
        "id": np.arange(ROWS, dtype=np.int32),
    }


def test_prompts_patches_temperature_and_forecast_alone_train():
    """Unit check 3 of card 18; and the forecast is that of the term's own layer."""
    own, mesh = config(), mesh_lib.make_mesh(devices=jax.devices()[:1])
    plan = state_lib.plan(own, mesh)
    state = state_lib.initial(own, plan)
    before = jax.device_get(state)
    after, _ = step_lib.make(own, plan, mesh)(state, mesh_lib.to_device(batch(), mesh))
    after = jax.device_get(after)
    for path, array in after.constants.items():
        np.testing.assert_array_equal(array, before.constants[path])
    assert {path.rpartition("/")[0] for path in after.params} == {
        "adapters/prompt/vectors",
        "towers/series/encoder/stem/project",
        "objectives/terms/align/temperature",
        "objectives/terms/forecast/layers/0",
    }
    for path in after.params:
        assert np.any(after.params[path] != before.params[path]), path

    model = Embedder(plan.definition, {**after.constants, **after.params}, mesh)
    raw = model.embed("both", (batch()["series"], batch()["text"]), "raw")
    kernel, bias = (
        after.params[f"objectives/terms/forecast/layers/0/{name}"] for name in ("kernel", "bias")
    )
    found = model.predictor("forecast", "both")(raw)
    np.testing.assert_allclose(found, raw @ kernel + bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="predicts from 'both', not from 'series'"):
        model.predictor("forecast", "series")
    with pytest.raises(ValueError, match=r"no term 'align' that predicts .* \['forecast'\]"):
        model.predictor("align", "both")
