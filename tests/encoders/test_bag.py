"""A bag of runs of tokens against its formula, row by row in float64."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import erf

from mmjax.encoders import BagOfTokens

TEXTS = np.array([[5, 7, 7, 4, 0, 0], [6, 0, 0, 0, 0, 0], [4, 5, 6, 7, 8, 9], [0] * 6], np.int32)


@pytest.mark.parametrize("pool", ["mean", "sum", "max", "concat"])
def test_runs_of_tokens_are_pooled(pool):
    options = {"vocab_size": 12, "length": 7, "embedding": 3, "width": 5, "window": 2}
    module = BagOfTokens(**options, hidden=(4,), pool=pool, dtype=jnp.float32, rngs=nnx.Rngs(1))
    found = module(TEXTS)
    table = np.asarray(module.token[...], np.float64)
    first, second = (
        (np.asarray(part.kernel[...], np.float64), np.asarray(part.bias[...], np.float64))
        for part in module.layers
    )
    pooled, positions = np.asarray(found.pooled), np.asarray(found.tokens)
    assert pooled.shape == (4, module.width)
    for row, text in enumerate(TEXTS):
        vectors = [table[i] for i in text if i]
        outputs = []
        for left, right in pairwise([*vectors, np.zeros(3)]):
            h = np.concatenate([left, right]) @ first[0] + first[1]
            outputs.append(h * (1 + erf(h / np.sqrt(2))) / 2 @ second[0] + second[1])
        np.testing.assert_allclose(positions[row, : len(outputs)], outputs or np.zeros((0, 5)),
                                   atol=1e-5)  # fmt: skip
        assert not positions[row, len(outputs) :].any()
        if pool == "concat":
            want = np.concatenate([*outputs, np.zeros(5 * (7 - len(outputs)))])
        else:
            want = {"mean": np.mean, "sum": np.sum, "max": np.max}[pool](
                outputs or np.zeros((1, 5)), axis=0
            )
        np.testing.assert_allclose(pooled[row], want, atol=1e-5)
