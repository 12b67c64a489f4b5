"""Statistics over a batch are of the rows that have the modality, and of no placeholder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import ResNet
from mmjax.model.heads import MLPHead
from mmjax.model.towers import Tower

PRESENT = np.array([True, False, True, True, False, True])


def tower(norm="batch"):
    options = {"dtype": jnp.float32, "rngs": nnx.Rngs(0)}
    encoder = ResNet(
        image_size=(8, 8),
        block="basic",
        blocks=(1, 1),
        widths=(4, 8),
        stem="conv3",
        norm=norm,
        **options,
    )
    # Blocks start as their shortcuts alone: here their last norms have something to do.
    for block in encoder.blocks:
        block.norms[-1].norm.scale[...] = jnp.full_like(block.norms[-1].norm.scale[...], 0.7)
    return Tower(encoder, MLPHead(dim=5, hidden=6, norm="batch", width=encoder.width, **options))


@jax.jit
def trained(x, present):
    module = tower()
    out = module(x, train=True, present=present)
    statistics = nnx.to_flat_state(nnx.split(module, nnx.BatchStat, ...)[1])
    return out.unit, {"/".join(map(str, path)): v[...] for path, v in statistics}


@pytest.mark.smoke
def test_rows_without_a_picture_leave_no_trace():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 8, 8, 3)).astype(np.float32)
    want, statistics = trained(x[PRESENT], np.ones(4, bool))
    for stand_in in (0.0, 100.0):
        filled = np.where(PRESENT[:, None, None, None], x, stand_in).astype(np.float32)
        unit, own = trained(filled, PRESENT)
        np.testing.assert_allclose(unit[PRESENT], want, atol=2e-5)
        assert len(own) == len(statistics) >= 8
        for path, array in own.items():
            np.testing.assert_allclose(array, statistics[path], rtol=1e-4, atol=1e-5, err_msg=path)
    unit, own = trained(x, np.zeros(6, bool))  # none is there: finite all the same
    assert np.isfinite(unit).all()
    assert all(np.isfinite(array).all() for array in own.values())
