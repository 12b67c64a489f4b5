"""Whatever the sizes, masks and temperatures: results and gradients are those of float64 NumPy.

Features and scales are such that all scores are exact in f32. What is tested is then the reduction
alone, and its error does not grow with the scores.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pairwise_formulas as formulas
from hypothesis import example, given
from hypothesis import strategies as st

from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan

DIM = 3


def score(blank):
    def tile(a, b, scale):
        counted = a["valid"][:, None] & b["valid"][None]
        return jnp.where(counted, scale * a["x"] @ b["x"].T, blank)

    return tile


@functools.cache
def program(reduction, schedule, devices, tile):
    plan = Plan(formulas.mesh_of(devices), schedule=schedule, tile=tile)

    def loss(data, weights):
        tile = score(formulas.BLANK[reduction])
        values = {"": list(getattr(pairwise, reduction)(tile, *data, plan=plan))}
        return formulas.weighted_sum(values, {"": weights}), values[""]

    return jax.jit(jax.grad(loss, has_aux=True, allow_int=True), compiler_options=formulas.QUICK)


@given(
    reduction=st.sampled_from(list(formulas.REDUCTIONS)),
    schedule=st.sampled_from(["dense", "gather", "ring"]),
    devices=st.sampled_from([1, 2, 4]),
    rows=st.integers(1, 5),
    cols=st.integers(1, 5),
    tile=st.integers(1, 4),
    exponent=st.integers(-20, 20),
    present=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
# One row and one column; and hot and cold ones of several tiles of which the last overlaps.
@example("logsumexp", "gather", 1, 1, 1, 1, 0, 1.0, 0)
@example("logsumexp", "ring", 4, 1, 1, 2, 20, 1.0, 1)
@example("logsumexp", "gather", 1, 5, 3, 2, 20, 0.5, 2)
@example("logsumexp", "ring", 2, 5, 3, 2, -20, 0.5, 3)
@example("logsumexp", "ring", 2, 3, 2, 2, 3, 0.0, 4)
def test_equals_numpy(reduction, schedule, devices, rows, cols, tile, exponent, present, seed):
    rng = np.random.default_rng(seed)
    sizes = (rows * devices, cols * devices)
    # Of 125 points: duplicates are common.
    a, b = (
        {
            "x": rng.integers(-2, 3, (size, DIM)).astype(np.float32) / 2,
            "valid": rng.random(size) < present,
        }
        for size in sizes
    )
    weights = [rng.uniform(0.5, 1.5, size).astype(np.float32) for size in sizes]
    data = (a, b, np.float32(2.0**exponent))
    grads, values = program(reduction, schedule, devices, tile)(data, weights)

    counted = a["valid"][:, None] & b["valid"][None]

    def reference(a, b, scale):
        return formulas.results(reduction, {"": (scale * a["x"] @ b["x"].T, counted)})[""]

    want = reference(*formulas.wide(data))
    for value, w in zip(values, want, strict=True):
        assert formulas.error(value, w) < 1e-6
    # Against the largest that a gradient can be: the terms of one may cancel, even to zero.
    pairs = 1 if reduction == "logsumexp" else max(sizes)
    most = sum(w.sum() for w in weights) * pairs * DIM
    wanted = formulas.gradients(
        lambda *data: formulas.weighted_sum({"": reference(*data)}, {"": weights}), data
    )
    found = [g for g in jax.tree.leaves(grads) if g.dtype != jax.dtypes.float0]
    for grad, w, bound in zip(found, wanted, (data[2] * most, data[2] * most, most), strict=True):
        assert np.linalg.norm(grad - w) < 1e-6 * bound
