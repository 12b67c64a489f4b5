"""Sets of items against the formula in float64 NumPy, and what is missing of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_settings.item_set import sets
from flax import nnx
from jitted import jitted
from jitted import made as module

from mmjax.encoders import ItemSet

WIDTH = 8
SIZES = {"image": 3, "text": 4, "feedback": 2}


def made(**options):
    told = {"parts": SIZES, "media": ("image", "text"), "items": 9, "width": WIDTH, "hidden": (6,)}
    encoder = module(lambda: ItemSet(**{**told, **options}, dtype=jnp.float32, rngs=nnx.Rngs(3)))
    rng = np.random.default_rng(4)
    # Biases are zero at the start, which would hide how they are used.
    for _, value in nnx.to_flat_state(nnx.state(encoder, nnx.Param)):
        value[...] = np.asarray(value[...]) + np.float32(0.1 * rng.normal(size=value.shape))
    return encoder


def unit(x):
    length = np.linalg.norm(x)
    return x / length if length else x


def attended(query, key, value):
    scores = query @ key.T / WIDTH**0.5
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ value


def formula(encoder, rows):
    """(pooled, [items of each set]) of a set of items, one after the other."""

    def array(module):
        return np.asarray(module.kernel[...], float)

    def through(name, part):
        for number, layer in enumerate(encoder.layers[name]):
            part = (np.maximum(part, 0) if number else part) @ array(layer)
            part = part + np.asarray(layer.bias[...], float)
        return unit(part)

    items = []
    for row in rows[rows.any(1)]:
        image, text, feedback = row[:3], row[3:7], row[7:9]
        media = unit(sum(through(n, p) for n, p in (("image", image), ("text", text)) if p.any()))
        own = through("feedback", feedback) if feedback.any() else media
        number = unit(np.asarray(encoder.number[...], float)[int(row[9]) - 1])
        x = np.stack([media, own, number])
        items.append(attended(x @ array(encoder.query), x @ array(encoder.key), x).mean(0))
    g = np.stack(items)
    if encoder.set_query is None:
        return g.mean(0), g
    h = (g - g.mean(1, keepdims=True)) / np.sqrt(g.var(1, keepdims=True) + 1e-5)
    return attended(h @ array(encoder.set_query), h @ array(encoder.set_key), h).mean(0), g


@pytest.mark.parametrize("attend", [True, False])
def test_equals_the_formula(attend):
    encoder, x = made(attend=attend), sets(6, np.random.default_rng(0))
    x[1, 0, :3] = 0  # an image is missing, too
    found = jitted(encoder)(np.float32(x))
    for row, mask, pooled, tokens in zip(x, found.mask, found.pooled, found.tokens, strict=True):
        np.testing.assert_array_equal(mask, row.any(1))
        want, items = formula(encoder, row)
        np.testing.assert_allclose(pooled, want, atol=2e-6)
        np.testing.assert_allclose(tokens[np.asarray(mask)], items, atol=2e-6)
        assert not np.asarray(tokens)[~np.asarray(mask)].any()


def test_padding_and_order_do_not_matter():
    encoder, x = jitted(made()), np.float32(sets(5, np.random.default_rng(1)))
    want = encoder(x).pooled
    np.testing.assert_allclose(encoder(np.pad(x, ((0, 0), (0, 3), (0, 0)))).pooled, want, atol=1e-6)
    np.testing.assert_allclose(encoder(x[:, ::-1]).pooled, want, atol=1e-6)


def test_dropped_parts_are_zeros_that_stay_in_the_mean():
    """With every part dropped but by chance, gradients are finite and an item may be zero."""
    encoder, x = made(drop_parts=0.9), np.float32(sets(8, np.random.default_rng(2)))

    @nnx.jit
    @nnx.grad
    def slope(encoder):
        found = encoder(x, train=True, rngs=nnx.Rngs(dropout=4))
        return (found.pooled**2).sum()

    found = jitted(encoder)(x, train=True, rngs=nnx.Rngs(dropout=4))
    there = np.asarray(found.tokens)[np.asarray(found.mask)]
    assert (~there.any(1)).any()
    assert there.any()
    # One of three that is left is at most a third of a unit vector.
    assert np.linalg.norm(there, axis=1).max() <= 1
    for leaf in jax.tree.leaves(slope(encoder)):
        assert np.isfinite(leaf).all()
