"""Sides, totals and types of the pairwise engine, and which schedule `auto` takes."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pairwise_formulas as formulas
import pytest

from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan, plan

SIZE, DIM = 24, 6
SCHEDULES = ("dense", "gather", "ring")


def dot(x, y, scale):
    return scale * jnp.einsum("rd,cd->rc", x, y, preferred_element_type=jnp.float32)


def sides_of(dtype=np.float32):
    rng = np.random.default_rng(0)
    return tuple(rng.normal(0.3, 1.0, (SIZE, DIM)).astype(dtype) for _ in range(2))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_side_is_that_of_both(schedule):
    x, y = sides_of()
    p = Plan(formulas.mesh_of(2), schedule=schedule, tile=5)
    weights = np.linspace(1, 2, SIZE, dtype=np.float32)

    def run(sides, of):
        def loss(x, y, scale):
            results = pairwise.logsumexp(dot, x, y, scale, plan=p, sides=sides)
            return (weights * results[of]).sum(), results

        return jax.jit(
            jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True),
            compiler_options=formulas.QUICK,
        )(x, y, jnp.float32(1.5))

    for of, sides in enumerate(("rows", "cols")):
        (_, results), grads = run(sides, of)
        assert results[1 - of] is None
        (_, both), expected = run("both", of)
        np.testing.assert_allclose(results[of], both[of], rtol=1e-6)
        for grad, want in zip(grads, expected, strict=True):
            assert formulas.error(grad, want) < 1e-6


@pytest.mark.smoke
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_total_is_the_sum_of_every_matrix(schedule):
    x, y = sides_of()
    p = Plan(formulas.mesh_of(2), schedule=schedule, tile=5)

    def score(x, y, scale):
        return {"sum": dot(x, y, scale), "square": dot(x, y, scale) ** 2}

    found = jax.jit(lambda x, y: pairwise.total(score, x, y, jnp.float32(0.5), plan=p))(x, y)
    s = 0.5 * x.astype(np.float64) @ y.T
    assert formulas.error(found["sum"], s.sum()) < 1e-6
    assert formulas.error(found["square"], (s**2).sum()) < 1e-6


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_bf16_features_have_f32_statistics(schedule):
    x, y = sides_of(ml_dtypes.bfloat16)
    p = Plan(formulas.mesh_of(4), schedule=schedule, tile=2)
    weights = np.linspace(1, 2, SIZE, dtype=np.float32)

    def loss(x, y, scale):
        results = pairwise.logsumexp(dot, x, y, scale, plan=p)
        return formulas.weighted_sum({"": results}, {"": [weights] * 2}), results

    grads, results = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))(
        x, y, jnp.float32(1.5)
    )

    def reference(x, y, scale):
        s = scale * x @ y.T
        return formulas.results("logsumexp", {"": (s, np.ones(s.shape, bool))})

    data = (x, y, np.float32(1.5))
    for result, want in zip(results, reference(*formulas.wide(data))[""], strict=True):
        assert result.dtype == jnp.float32
        assert formulas.error(result, want) < 1e-6
    wanted = formulas.gradients(
        lambda *data: formulas.weighted_sum(reference(*data), {"": [weights] * 2}), data
    )
    for grad, want in zip(grads[:2], wanted[:2], strict=True):
        # Each tile's part and the sum are rounded to 8 bits, and nothing in between.
        assert grad.dtype == jnp.bfloat16
        assert formulas.error(grad, want) < 2**-8
    assert formulas.error(grads[2], wanted[2]) < 1e-6


def test_auto_goes_from_dense_to_gather_to_ring():
    alone, eight = Plan(), Plan(formulas.mesh_of(8))
    size = 1024
    assert size**2 == plan.DENSE_PAIRS
    assert alone.choose(size, size, 0) == "dense"
    assert alone.choose(size, size + 1, plan.GATHER_BYTES + 1) == "gather"
    # On eight devices each has an eighth of the pairs.
    assert eight.choose(8 * size, size, 0) == "dense"
    assert eight.choose(8 * size, size + 8, plan.GATHER_BYTES) == "gather"
    assert eight.choose(8 * size, size + 8, plan.GATHER_BYTES + 1) == "ring"
    assert Plan(schedule="ring").choose(1, 1, 0) == "ring"
    assert eight.tile_or_default == plan.DEFAULT_TILE
    assert hash(Plan(formulas.mesh_of(8))) == hash(eight)


def test_auto_equals_what_it_takes(monkeypatch):
    x, y = sides_of()
    mesh = formulas.mesh_of(2)

    def text(p):
        f = jax.jit(lambda x, y: pairwise.logsumexp(dot, x, y, jnp.float32(1), plan=p))
        return f.lower(x, y).as_text()

    programs = {s: text(Plan(mesh, schedule=s, tile=4)) for s in SCHEDULES}
    assert len(set(programs.values())) == 3
    auto = Plan(mesh, tile=4)
    assert text(auto) == programs["dense"]
    monkeypatch.setattr(plan, "DENSE_PAIRS", 100)
    assert text(auto) == programs["gather"]
    monkeypatch.setattr(plan, "GATHER_BYTES", 100)
    assert text(auto) == programs["ring"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_axes_that_rows_do_not_lie_on_repeat_the_work(schedule):
    x, y = sides_of()
    mesh = mesh_lib.make_mesh(2, 1, 2, jax.devices()[:4])

    def run(p):
        def loss(x, y, scale):
            by_x, by_y = pairwise.logsumexp(dot, x, y, scale, plan=p)
            return (by_x**2 + by_y).sum()

        program = jax.jit(
            jax.value_and_grad(loss, argnums=(0, 1, 2)), compiler_options=formulas.QUICK
        )
        return program(x, y, jnp.float32(1.5))

    value, grads = run(Plan(mesh, schedule=schedule, tile=5))
    want, want_grads = run(Plan(schedule="dense"))
    assert formulas.error(value, want) < 1e-6
    for grad, want_grad in zip(grads, want_grads, strict=True):
        assert formulas.error(grad, want_grad) < 1e-6
