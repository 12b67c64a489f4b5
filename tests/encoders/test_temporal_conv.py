"""Convolutions of frames against loops over them: what a frame sees, and what padding changes."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import erf

from mmjax.encoders import TemporalConv

CAUSAL, CENTRED = {"causal": True, "dilation": 2}, {"causal": False}


def made(**options):
    spec = {"channels": 4, "widths": (6, 6, 5), "kernel": 3, **options}
    return TemporalConv(**spec, dtype=jnp.float32, rngs=nnx.Rngs(0))


def frames():
    x = np.random.default_rng(0).normal(size=(3, 9, 4)).astype(np.float32)
    x[1, 6:], x[2, 2:] = 0, 0
    return x


@pytest.mark.parametrize("options", [CAUSAL, CENTRED])
def test_layers_are_sums_over_the_frames_that_they_see(options):
    of, x = made(**options), frames()
    found = of(jnp.asarray(x))
    for row, length in enumerate((9, 6, 2)):
        y = x[row, :length].astype(np.float64)
        for k, layer in enumerate(of.layers):
            kernel, bias = (np.asarray(p[...], np.float64) for p in (layer.kernel, layer.bias))
            step = options.get("dilation", 1) ** k
            first = -2 * step if options["causal"] else -step
            new = np.tile(bias, (length, 1))
            for t in range(length):
                for tap in range(3):
                    at = t + first + tap * step
                    if 0 <= at < length:
                        new[t] += y[at] @ kernel[tap]
            new = new * (1 + erf(new / 2**0.5)) / 2 if k < 2 else new
            y = y + new if y.shape == new.shape else new
        np.testing.assert_allclose(found.tokens[row, :length], y, atol=1e-5)
        np.testing.assert_allclose(found.pooled[row], y.mean(0), atol=1e-5)
        assert not np.asarray(found.tokens[row, length:]).any()


@pytest.mark.parametrize("options", [CAUSAL, CENTRED])
def test_only_a_causal_one_sees_no_frame_behind_its_own(options):
    of, x = made(**options), frames()[:1]
    changed = x.copy()
    changed[:, 5:] += 1
    first, second = (np.asarray(of(jnp.asarray(each)).tokens) for each in (x, changed))
    same = np.isclose(first, second, atol=1e-6).all((0, 2))
    assert same[:5].all() == options["causal"]
    assert not same[5:].any()
