"""Score functions for the pairwise engine, and the same written plainly in float64 NumPy.

Each has the features it needs, of unequal numbers of rows and columns, a tile function as a caller
of the engine would write it, and the whole matrix as a formula, with the pairs that count. The
derivative of a formula is the complex step f(x + ih) = f(x) + ih f'(x), exact for h = 1e-30; so the
formulas avoid abs, max and conj.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

ROWS, COLS, DIM = 40, 24, 6
QUICK = {"xla_backend_optimization_level": 0}  # run once: compiling fast matters more than speed


class Case(NamedTuple):
    """A score function on its data.

    Attributes:
      data: (rows, cols, shared), pytrees of arrays.
      tile: (row tile, column tile, shared, blank) -> f32[r, c] or a pytree of such, where pairs
        that do not count are `blank`.
      formula: (rows, cols, shared) -> {name: (scores, counted)}, both [R, C].
    """

    data: tuple[Any, Any, Any]
    tile: Callable
    formula: Callable


def _dot(x, y):
    return jnp.einsum("rd,cd->rc", x, y, preferred_element_type=jnp.float32)


def _every(scores):
    return {"": (scores, np.ones(scores.shape, bool))}


def _vectors(rng, count, dim=DIM):
    # Not around zero: sums that cancel would have no relative accuracy.
    return rng.normal(0.5, 1.0, (count, dim)).astype(np.float32)


def scaled(rng):
    """Scale times inner product plus bias, both shared."""
    data = (_vectors(rng, ROWS), _vectors(rng, COLS), (np.float32(0.7), np.float32(-1.5)))
    return Case(
        data,
        lambda x, y, s, blank: s[0] * _dot(x, y) + s[1],
        lambda x, y, s: _every(s[0] * x @ y.T + s[1]),
    )


def masked(rng):
    """Without missing rows and columns, the diagonal, and pairs of one id."""

    def side(count):
        return {
            "x": _vectors(rng, count),
            "id": rng.integers(0, 9, count).astype(np.int32),
            "index": np.arange(count, dtype=np.int32),
            "valid": rng.random(count) > 0.2,
        }

    def counted(a, b):
        return (
            (a["valid"][:, None] & b["valid"][None])
            & (a["index"][:, None] != b["index"][None])
            & (a["id"][:, None] != b["id"][None])
        )

    return Case(
        (side(ROWS), side(COLS), np.float32(2.0)),
        lambda a, b, s, blank: jnp.where(counted(a, b), s * _dot(a["x"], b["x"]), blank),
        lambda a, b, s: {"": (s * a["x"] @ b["x"].T, counted(a, b))},
    )


def weighted(rng):
    """Temperatures of rows; weights of rows and columns, and of pairs by what teachers say."""

    def side(count, **others):
        teacher = _vectors(rng, count, 3)
        weight = rng.uniform(0.2, 3, count).astype(np.float32)
        return {"x": _vectors(rng, count), "teacher": teacher, "weight": weight, **others}

    rows = side(ROWS, temperature=rng.uniform(0.3, 2, ROWS).astype(np.float32))

    def tile(a, b, shared, blank):
        apart = jnp.sum((a["teacher"][:, None] - b["teacher"]) ** 2, -1)
        weights = a["weight"][:, None] * b["weight"] / (1 + apart)
        return jnp.log(weights) + _dot(a["x"], b["x"]) / a["temperature"][:, None]

    def formula(a, b, shared):
        u, v = a["teacher"], b["teacher"]
        apart = (u**2).sum(1)[:, None] + (v**2).sum(1)[None] - 2 * u @ v.T
        logits = a["x"] @ b["x"].T / a["temperature"][:, None]
        weights = np.log(a["weight"])[:, None] + np.log(b["weight"])[None]
        return _every(logits + weights - np.log(1 + apart))

    return Case((rows, side(COLS), ()), tile, formula)


def distance(rng):
    """Squared distances, a width that is shared, and a bias of every column."""
    cols = {"y": _vectors(rng, COLS), "bias": rng.normal(size=COLS).astype(np.float32)}
    return Case(
        (_vectors(rng, ROWS), cols, {"t": np.float32(0.4)}),
        lambda x, b, s, blank: (
            b["bias"] - s["t"] * jnp.sum((x[:, None] - b["y"][None]) ** 2, axis=-1)
        ),
        lambda x, b, s: _every(
            b["bias"]
            - s["t"] * ((x**2).sum(1)[:, None] - 2 * x @ b["y"].T + (b["y"] ** 2).sum(1)[None])
        ),
    )


def multilinear(rng):
    """Tuples of three modalities: a row against pairs of the two others."""
    cols = (_vectors(rng, COLS), _vectors(rng, COLS))
    return Case(
        (_vectors(rng, ROWS), cols, np.float32(1.2)),
        lambda x, yz, s, blank: s * _dot(x, yz[0] * yz[1]),
        lambda x, yz, s: _every(s * np.einsum("id,jd,jd->ij", x, *yz)),
    )


def volume(rng):
    """Tuples of three modalities: the volume that a row spans with a pair of the two others."""

    def unit(count):
        x = rng.normal(size=(count, 3))
        return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)

    def of(one, xy, xz, yz, root):
        return -2 * root(0.1 + one + 2 * xy * xz * yz - xy**2 - xz**2 - yz**2)

    return Case(
        (unit(ROWS), (unit(COLS), unit(COLS)), ()),
        lambda x, b, s, blank: of(
            1, _dot(x, b[0]), _dot(x, b[1]), jnp.sum(b[0] * b[1], -1), jnp.sqrt
        ),
        lambda x, b, s: _every(of(1, x @ b[0].T, x @ b[1].T, (b[0] * b[1]).sum(-1), np.sqrt)),
    )


def several(rng):
    """Two matrices of one tile function."""
    return Case(
        (_vectors(rng, ROWS), _vectors(rng, COLS), np.float32(0.5)),
        lambda x, y, s, blank: {"near": s * _dot(x, y), "far": jnp.tanh(_dot(x, y) - s)},
        lambda x, y, s: {
            name: (scores, np.ones(scores.shape, bool))
            for name, scores in {"far": np.tanh(x @ y.T - s), "near": s * x @ y.T}.items()
        },
    )


CASES = {f.__name__: f for f in (scaled, masked, weighted, distance, multilinear, volume, several)}


def logsumexp(scores, counted, axis):
    """log Σ exp over the pairs that count, -inf without any."""
    top = np.where(counted, scores.real, -np.inf).max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.where(counted, np.exp(np.where(counted, scores - top, 0)), 0).sum(axis)
    empty = ~counted.any(axis)
    return np.where(empty, -np.inf, np.squeeze(top, axis) + np.log(np.where(empty, 1, total)))


def sums(scores, counted, axis):
    return np.where(counted, scores, 0).sum(axis)


REDUCTIONS = {"logsumexp": logsumexp, "sums": sums}
BLANK = {"logsumexp": -jnp.inf, "sums": 0.0}


def results(reduction, matrices):
    """[name][side] -> the reduced scores; `matrices` as a case's formula returns them."""
    return {
        name: [REDUCTIONS[reduction](scores, counted, axis) for axis in (1, 0)]
        for name, (scores, counted) in matrices.items()
    }


def wide(data):
    """Floating leaves in float64."""
    return jax.tree.map(
        lambda x: x.astype(np.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, data
    )


def gradients(f, data):
    """Derivatives of `f(*data)` by every floating leaf, float64, in the leaves' order."""
    leaves, structure = jax.tree.flatten(wide(data))
    grads = []
    for k, leaf in enumerate(leaves):
        if leaf.dtype != np.float64:
            continue
        grad = np.empty(leaf.shape)
        for index in np.ndindex(leaf.shape):
            step = np.array(leaf, complex)
            step[index] += 1e-30j
            moved = structure.unflatten([*leaves[:k], step, *leaves[k + 1 :]])
            grad[index] = f(*moved).imag / 1e-30
        grads.append(grad)
    return grads


def by_matrix(both_sides):
    """The engine's (row results, column results), arrays or dicts of them, as [name][side]."""
    if isinstance(both_sides[0], dict):
        return {name: [side[name] for side in both_sides] for name in both_sides[0]}
    return {"": list(both_sides)}


def weighted_sum(values, weights):
    """Σ of all results that are not -inf, each by its weight; both [name][side]."""
    total = 0.0
    for name in weights:
        for value, weight in zip(values[name], weights[name], strict=True):
            xp = np if isinstance(value, np.ndarray) else jnp
            total += (xp.where(value == -np.inf, 0, value) * weight).sum()
    return total


def error(actual, expected):
    """Norm of the difference relative to the norm expected; inf if one is infinite elsewhere."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    finite = np.isfinite(expected)
    if not np.array_equal(actual[~finite], expected[~finite]):
        return np.inf
    scale = np.linalg.norm(expected[finite])
    return float(np.linalg.norm(actual[finite] - expected[finite]) / (scale or 1.0))


def mesh_of(data, fsdp=1):
    return jax.make_mesh(
        (data, fsdp),
        ("data", "fsdp"),
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[: data * fsdp],
    )
