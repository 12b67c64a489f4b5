"""The spectrogram transformer: overlapping patches, shapes, and what it refuses.

Parity with `transformers` is in tests/checkpoints/test_weights_towers.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmjax.encoders import EncoderError, SpectrogramTransformer, parameter_count

SMALL = {"frames": 20, "mels": 12, "patch": 6, "stride": (4, 3), "width": 8, "depth": 1, "heads": 2}


def make(**options):
    return SpectrogramTransformer(**{**SMALL, **options}, dtype=jnp.float32, rngs=nnx.Rngs(0))


def test_published_size():
    whole = nnx.eval_shape(lambda: SpectrogramTransformer(dtype=jnp.float32, rngs=nnx.Rngs(0)))
    assert whole.position.shape == (2 + 12 * 101, 768)  # section 2.1: 12 x 100 patches, and some
    assert parameter_count(whole) == 86_187_264


def test_a_patch_sees_its_own_part_of_the_spectrogram():
    """Without attention's mixing (its values are zero), token n depends on patch n alone."""
    encoder = make()
    block = encoder.transformer.blocks
    block.attention.out.kernel[...] = jnp.zeros_like(block.attention.out.kernel[...])
    graph, state = nnx.split(encoder)
    run = jax.jit(lambda state, x: nnx.merge(graph, state)(x).tokens)
    x = np.random.default_rng(0).normal(size=(1, 20, 12)).astype(np.float32)
    before = run(state, x)
    y = x.copy()
    y[0, 9, 4] += 1.0  # times 4 to 9 and 8 to 13; bands 0 to 5 and 3 to 8
    changed = np.abs(run(state, y) - before).max(axis=(0, 2)) > 1e-6
    assert before.shape == (1, 2 + 3 * 4, 8)
    expected = np.zeros((3, 4), bool)
    expected[0:2, 1:3] = True
    np.testing.assert_array_equal(changed[2:].reshape(3, 4), expected)
    assert not changed[:2].any()


def test_what_it_refuses():
    with pytest.raises(EncoderError, match="both have to be at least patch=16"):
        make(patch=16)
    encoder = nnx.eval_shape(make)
    with pytest.raises(EncoderError, match=r"where \[B, 20, 12\] is expected"):
        encoder(jnp.zeros((2, 21, 12)))
