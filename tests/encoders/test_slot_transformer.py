"""What the encoder of slots reads, and what it does not."""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jitted import jitted, made

from mmjax.encoders import SlotTransformer

SLOTS = {"image": (4, 5), "text": (3, 7)}


def encoder(**options):
    sizes = {"width": 8, "depth": 2, "heads": 2, **options}
    return jitted(
        made(lambda: SlotTransformer(slots=SLOTS, dtype=jnp.float32, rngs=nnx.Rngs(0), **sizes))
    )


def test_tokens_that_are_seen_come_first_and_the_rest_is_not_there():
    x = np.array([[-1, 2, -1, 4, -1, -1, 6], [-1] * 7, [0, 1, 2, 3, 4, 5, 6]], np.int32)
    whole, short = encoder()(x), encoder(length=3)(x)
    np.testing.assert_array_equal(whole.mask.sum(1), [3, 0, 7])
    np.testing.assert_array_equal(short.mask, [[True] * 3, [False] * 3, [True] * 3])
    np.testing.assert_allclose(short.tokens[0], whole.tokens[0, :3], atol=1e-5)
    np.testing.assert_allclose(short.pooled[:2], whole.pooled[:2], atol=1e-5)
    assert np.isfinite(whole.tokens).all()
    # Of the third only three are read.
    other = x.copy()
    other[2, 3:] = [0, 0, 0, 0]
    np.testing.assert_array_equal(encoder(length=3)(other).tokens[2], short.tokens[2])


def test_a_number_means_another_thing_at_another_place_and_in_another_modality():
    x = np.full((3, 7), -1, np.int32)
    x[[0, 1, 2], [0, 1, 4]] = 3
    pooled = encoder()(x).pooled
    assert min(np.abs(pooled[i] - pooled[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-2
