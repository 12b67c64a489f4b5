"""Heads against NumPy: what is linear, what a last norm does, and which parameters it has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jitted import drawn, jitted

from mmjax.encoders import MLP, TokenMLP
from mmjax.encoders.base import EncoderError
from mmjax.model.heads import LinearHead, MLPHead, SliceHead
from mmjax.model.towers import Tower

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)


def made(kind, **options):
    head = drawn(lambda: kind(width=6, dtype=jnp.float32, rngs=nnx.Rngs(0), **options), seed=1)
    state = nnx.to_flat_state(nnx.state(head, nnx.Param))
    return head, {"/".join(map(str, path)): np.asarray(v[...], float) for path, v in state}


def standard(x, axis, eps):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def test_linear_head_with_a_tanh():
    head, p = made(LinearHead, dim=5, bias=True, activation="tanh")
    want = np.tanh(X @ p["project/kernel"] + p["project/bias"])
    np.testing.assert_allclose(jitted(head)(X), want, atol=1e-5)


def test_linear_head_with_a_layer_norm():
    head, p = made(LinearHead, dim=5, bias=True, norm="layer")
    z = X @ p["project/kernel"] + p["project/bias"]
    want = standard(z, 1, 1e-6) * p["norm/scale"] + p["norm/bias"]
    np.testing.assert_allclose(jitted(head)(X), want, atol=1e-5)
    _, plain = made(LinearHead, dim=5)
    assert list(plain) == ["project/kernel"]


@pytest.mark.parametrize(
    ("final_norm", "own"),
    [(True, {"bias", "scale"}), ("no_bias", {"scale"}), ("no_affine", set()), (False, None)],
)
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_last_norm_of_an_mlp_head(norm, final_norm, own):
    head, p = made(MLPHead, dim=5, hidden=7, norm=norm, final_norm=final_norm)
    axis, eps = (0, 1e-5) if norm == "batch" else (1, 1e-6)
    z = standard(X @ p["layers/0/kernel"] + p["layers/0/bias"], axis, eps)
    z = np.maximum(z * p["norms/0/scale"] + p["norms/0/bias"], 0)
    z = z @ p["layers/1/kernel"] + p["layers/1/bias"]
    if own is not None:
        z = standard(z, axis, eps) * p.get("norms/1/scale", 1.0) + p.get("norms/1/bias", 0.0)
    assert {path[8:] for path in p if path.startswith("norms/1/")} == (own or set())
    np.testing.assert_allclose(jitted(head)(X, train=True), z, rtol=1e-4, atol=1e-4)


def test_a_norm_may_follow_the_activation():
    head, p = made(MLPHead, dim=5, hidden=7, norm="layer", norm_last=True)
    z = np.maximum(X @ p["layers/0/kernel"] + p["layers/0/bias"], 0)
    z = standard(z, 1, 1e-6) * p["norms/0/scale"] + p["norms/0/bias"]
    np.testing.assert_allclose(
        jitted(head)(X), z @ p["layers/1/kernel"] + p["layers/1/bias"], rtol=1e-4, atol=1e-4
    )
    with pytest.raises(EncoderError, match="norm_last=True needs norm="):
        made(MLPHead, dim=5, hidden=7, norm_last=True)


def test_of_tokens_the_mean_is_taken_after_the_head():
    """Batch norm counts the tokens of the rows that are there, and the mean the row's own."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 3, 6)).astype(np.float32)
    x[1, 2], x[3, 1:] = 0, 0  # padding
    sizes = dict(inputs=6, hidden=(), width=6, dtype=jnp.float32)
    encoder = drawn(lambda: TokenMLP(**sizes, rngs=nnx.Rngs(0)))
    head, p = made(MLPHead, dim=5, hidden=7, norm="batch", tokens=True)
    present = np.array([True, True, False, True])
    found = jitted(Tower(encoder, head))(x, train=True, present=present)
    found = jax.tree.map(np.asarray, found)
    z = np.asarray(found.encoding.tokens) @ p["layers/0/kernel"] + p["layers/0/bias"]
    counted = (x != 0).any(-1) & present[:, None]
    z = (z - z[counted].mean(0)) / np.sqrt(z[counted].var(0) + 1e-5)
    z = np.maximum(z * p["norms/0/scale"] + p["norms/0/bias"], 0)
    z = z @ p["layers/1/kernel"] + p["layers/1/bias"]
    for row in np.flatnonzero(present):
        own = z[row][counted[row]]
        np.testing.assert_allclose(found.raw[row], own.mean(0), rtol=1e-3, atol=1e-4)
        units = own / np.linalg.norm(own, axis=1, keepdims=True)
        np.testing.assert_allclose(found.tokens[row][counted[row]], units, rtol=1e-3, atol=1e-4)


def test_tokens_need_an_encoder_that_has_some():
    head, _ = made(MLPHead, dim=5, hidden=7, tokens=True)
    sizes = dict(inputs=6, hidden=(), width=6, dtype=jnp.float32)
    encoder = drawn(lambda: MLP(**sizes, rngs=nnx.Rngs(0)))
    with pytest.raises(EncoderError, match="tokens=True, for an encoder that has no tokens"):
        Tower(encoder, head)(X)


def test_a_last_norm_needs_a_kind():
    with pytest.raises(EncoderError, match="final_norm='no_bias' needs norm="):
        made(MLPHead, dim=5, hidden=7, final_norm="no_bias")


def test_a_slice_takes_some_numbers_of_vectors_and_tokens():
    head, p = made(SliceHead, start=2, stop=5, tokens=True)
    assert (head.dim, head.takes_tokens, p) == (3, True, {})
    np.testing.assert_array_equal(head(X), X[:, 2:5])
    np.testing.assert_array_equal(head(X[:, None]), X[:, None, 2:5])
    assert made(SliceHead, start=4)[0].dim == 2
    for wrong in ({"start": 6}, {"stop": 7}, {"start": 3, "stop": 3}):
        with pytest.raises(EncoderError, match="no part of the encoder's 6 numbers"):
            made(SliceHead, **wrong)
