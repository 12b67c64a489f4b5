"""Captions within a trunk's own sequence, in steps: slices change nothing."""

import jax
import numpy as np

from mmjax import recipe as recipe_lib
from mmjax.data.synthetic.fact_scenes import WORDS
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib

# Plain gradients: of one that is 0 but for rounding, Adam makes a whole step.
SGD = ("optimizer.type=sgd", "optimizer.learning_rate=1.0")
SMALL = ("data.batch_size=16", "model.trunks.decoder.depth=1", *SGD)


def first_stage(*overrides):
    whole = recipe_lib.load("configs/lco_emb.py:small", (*SMALL, *overrides))
    return recipe_lib.each(whole)[0][1]


def batch_of(size=16):
    rng = np.random.default_rng(0)
    texts = rng.integers(4, len(WORDS) + 4, size=(2, size, 10)).astype(np.int32)
    texts[0, ::3, 7:] = 0
    images = rng.normal(size=(size, 128)).astype(np.float32)
    return {"image": images, "text": texts[0], "text@paraphrase": texts[1],
            "id": np.arange(size, dtype=np.int32)}  # fmt: skip


def one_step(config, mesh):
    plan = state_lib.plan(config, mesh)
    state, step = state_lib.initial(config, plan), step_lib.make(config, plan, mesh)
    state, metrics = step(state, mesh_lib.to_device(batch_of(), mesh))
    return jax.device_get((state.params, metrics))


def test_slices_change_nothing():
    mesh = mesh_lib.make_mesh(1, 1, 1, jax.devices()[:1])
    want, wanted = one_step(first_stage(), mesh)
    params, metrics = one_step(first_stage("microbatches=4"), mesh)
    for name in ("loss", "captions/accuracy", "gradient_norm", "gradient_norm/image",
                 "gradient_norm/decoder"):  # fmt: skip
        assert 0 < wanted[name] < np.inf or name.endswith("accuracy")
        np.testing.assert_allclose(metrics[name], wanted[name], rtol=1e-4, err_msg=name)
    for path, value in want.items():
        np.testing.assert_allclose(params[path], value, atol=2e-5, err_msg=path)
