"""Results and gradients of the pairwise engine equal float64 NumPy, however they are computed."""

import functools

import jax
import numpy as np
import pairwise_formulas as formulas
import pytest

from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan

# Tile sizes that divide neither the rows nor the columns of a device; on the last they do not
# divide the three columns.
TILES = {(1, 1): 7, (2, 1): 7, (4, 1): 4, (8, 1): 2, (2, 4): 2, (4, 2): 2}


@functools.cache
def case_of(name):
    return formulas.CASES[name](np.random.default_rng(0))


@functools.cache
def weights_of(name):
    """The cotangents of all results: [matrix][side]."""
    rng = np.random.default_rng(1)
    matrices = case_of(name).formula(*case_of(name).data)
    return {
        key: [rng.uniform(0.5, 1.5, size).astype(np.float32) for size in scores.shape]
        for key, (scores, _) in matrices.items()
    }


@functools.cache
def expected(name, reduction):
    """Results, and gradients of their weighted sum."""
    case, weights = case_of(name), weights_of(name)

    def values(*data):
        return formulas.results(reduction, case.formula(*data))

    return values(*formulas.wide(case.data)), formulas.gradients(
        lambda *data: formulas.weighted_sum(values(*data), weights), case.data
    )


def computed(names, reduction, plan):
    """name -> (results, gradients of the floating leaves), all in one program."""

    def one(name, data):
        case, weights = case_of(name), weights_of(name)

        def loss(data):
            def score(rows, cols, shared):
                return case.tile(rows, cols, shared, formulas.BLANK[reduction])

            values = formulas.by_matrix(getattr(pairwise, reduction)(score, *data, plan=plan))
            return formulas.weighted_sum(values, weights), values

        return jax.grad(loss, has_aux=True, allow_int=True)(data)

    program = jax.jit(
        lambda data: {name: one(name, data[name]) for name in names},
        compiler_options=formulas.QUICK,
    )
    return {
        name: (values, [g for g in jax.tree.leaves(grads) if g.dtype != jax.dtypes.float0])
        for name, (grads, values) in program({n: case_of(n).data for n in names}).items()
    }


# What every mesh has to prove; all score functions are tried on one device and on all.
EVERYWHERE = ("masked", "weighted")


@pytest.mark.parametrize("shape", TILES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("schedule", ["dense", "gather", "ring"])
@pytest.mark.parametrize("reduction", formulas.REDUCTIONS)
def test_equals_the_formula(reduction, schedule, shape):
    plan = Plan(formulas.mesh_of(*shape), schedule=schedule, tile=TILES[shape])
    names = formulas.CASES if shape in ((1, 1), (4, 2)) else EVERYWHERE
    wrong = {}
    for name, (values, grads) in computed(names, reduction, plan).items():
        want, want_grads = expected(name, reduction)
        errors = {
            f"{key} {side}": formulas.error(value, w)
            for key in want
            for side, value, w in zip(("rows", "columns"), values[key], want[key], strict=True)
        }
        errors |= {
            f"gradient of leaf {k}": formulas.error(grad, w)
            for k, (grad, w) in enumerate(zip(grads, want_grads, strict=True))
        }
        wrong |= {f"{name}: {what}": e for what, e in errors.items() if not e < 1e-6}
    assert not wrong
