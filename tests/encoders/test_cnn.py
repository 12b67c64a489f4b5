"""The small convolutional network: shapes, what reaches what, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import ConvNet, EncoderError


def make(**options):
    return ConvNet(
        image_size=(8, 16),
        channels=2,
        widths=(4, 6),
        width=5,
        dtype=jnp.float32,
        rngs=nnx.Rngs(0),
        **options,
    )


def test_pooled_knows_places_and_tokens_are_local():
    x = np.random.default_rng(0).normal(size=(3, 8, 16, 2)).astype(np.float32)
    net = make(tokens=True)
    found = net(x)
    assert found.pooled.shape == (3, 5)
    assert found.tokens.shape == (3, 2 * 4, 5)
    assert make()(x).tokens is None
    moved = net(np.roll(x, 4, axis=2))
    # A shift by one position of the last map moves the tokens ...
    before, after = (t.tokens.reshape(3, 2, 4, 5) for t in (found, moved))
    np.testing.assert_allclose(after[:, 0, 1:3], before[:, 0, :2], atol=1e-6)
    # ... and changes the pooled vector.
    assert np.abs(found.pooled - moved.pooled).max() > 1e-2

    def total(x, token):
        return net(x).tokens[0, token].sum()

    seen = np.abs(jax.grad(total)(x, 0)[0]).sum(-1) > 0
    assert seen.any()
    assert not seen[:, 8:].any()


def test_kernels_have_their_sides_and_a_linear_vector_has_both_signs():
    x = np.random.default_rng(0).normal(size=(4, 8, 16, 2)).astype(np.float32)
    net = make(kernels=(5, 3), linear=True)
    assert [c.kernel.shape[:2] for c in net.convolutions] == [(5, 5), (3, 3)]
    assert (np.asarray(net(x).pooled) < 0).any()
    assert (np.asarray(make()(x).pooled) >= 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(EncoderError, match="a side for each of 2"):
        make(kernels=(5,))
    with pytest.raises(EncoderError, match="not divisible by 4"):
        ConvNet(image_size=(10, 8), dtype=jnp.float32, rngs=nnx.Rngs(0))
    with pytest.raises(EncoderError, match="at least one convolution"):
        ConvNet(widths=(), dtype=jnp.float32, rngs=nnx.Rngs(0))
    with pytest.raises(EncoderError, match=r"where \[B, 8, 16, 2\] is expected"):
        make()(jnp.zeros((1, 8, 8, 2)))
