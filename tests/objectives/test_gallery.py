"""Terms that read galleries: gradients of the entries, and what is missing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import objective_formulas as formulas
import pytest
from cases import gallery as cases
from term_harness import PLANS, embeddings, make, plan_of, vectors

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, Gallery, unit_norm
from mmjax.objectives import Context
from mmjax.objectives.errors import TermError
from mmjax.parallel.pairwise import Plan

SIZE = 16


def of_entries(spec, batch, plan, known):
    """Value and gradient by the entries' raw embeddings, `known(raw)` the context's fields."""
    raws = embeddings(("a",), SIZE)

    @jax.jit
    @jax.value_and_grad
    def loss(raw):
        context = Context(plan=plan, rng=jax.random.key(0), **known(raw))
        return make(spec)(vectors(raws, batch), {"id": np.arange(SIZE), **batch}, context)[0]

    return loss(cases.entries())


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("labels", [cases.labels, cases.several])
def test_entries_get_the_gradient_of_the_formula(labels, plan):
    raws = {"a": embeddings(("a",), SIZE)["a"].astype(float)}
    want, (grad,) = formulas.value_and_grad(
        lambda w: cases.cross_entropy(raws, labels(SIZE), {}, w), cases.entries()
    )
    spec = {**cases.GALLERY, "temperature": 0.1}
    value, found = of_entries(spec, labels(SIZE), plan_of(*plan), cases.galleries)
    assert formulas.error(value, want) < 2e-6
    assert formulas.error(found, grad) < 6e-6
    assert not found[cases.FILLED :].any()
    assert np.abs(found[: cases.FILLED]).any(1).all()


@pytest.mark.parametrize("layer", ["unit", "raw"])
def test_entries_are_aligned_with_the_teachers(layer):
    taught = embeddings(("t",), cases.ENTRIES, 4, seed=9)["t"]
    spec = {"type": "alignment", "to": "teacher", "pairs": (), "galleries": ("classes",)}

    def known(raw):
        teacher = {"classes": Embedding(jnp.asarray(taught), unit_norm(taught))}
        return {**cases.galleries(raw), "teacher": teacher}

    def formula(w):
        w, t = w[: cases.FILLED], taught[: cases.FILLED].astype(float)
        if layer == "unit":
            return 2 * (1 - (formulas.normalize(w) * formulas.normalize(t)).sum(1)).mean()
        return ((w - t) ** 2).sum(1).mean()

    want, (grad,) = formulas.value_and_grad(formula, cases.entries())
    plan = plan_of("dense", 1, 1)
    value, found = of_entries({**spec, "layer": layer}, {}, plan, known)
    assert formulas.error(value, want) < 2e-6
    assert formulas.error(found, grad) < 6e-6


@pytest.mark.slow
def test_memory_grows_with_rows_and_entries_and_not_with_their_product():
    def temporaries(size):
        """Bytes of temporary memory of value and gradients, of as many entries as rows."""

        @functools.partial(jax.value_and_grad, argnums=(0, 1))
        def loss(rows, entries, label):
            gallery = Gallery(
                Embedding(entries, unit_norm(entries)), jnp.arange(size), jnp.ones(size, bool)
            )
            batch = {"id": jnp.arange(size), "label": label}
            plan = Plan(schedule="gather", tile=64)
            context = Context(plan=plan, rng=jax.random.key(0), galleries={"classes": gallery})
            return make(cases.GALLERY)(vectors({"a": rows}, batch), batch, context)[0]

        unit = jax.ShapeDtypeStruct((size, 4), np.float32)
        label = jax.ShapeDtypeStruct((size,), np.int32)
        program = jax.jit(loss).lower(unit, unit, label).compile()
        return program.memory_analysis().temp_size_in_bytes

    small, large = temporaries(1024), temporaries(8192)
    assert large < 10 * small
    assert large < 8192**2  # a quarter of one matrix of f32


def test_what_is_missing_is_said():
    batch, plan = cases.labels(SIZE), plan_of("dense", 1, 1)
    with pytest.raises(TermError, match=r"needs the gallery 'classes' of 'data\.galleries'"):
        of_entries(cases.GALLERY, batch, plan, lambda raw: {})
    wide = embeddings(("w",), cases.ENTRIES, 6)["w"]
    with pytest.raises(TermError, match="of 4 numbers with the gallery 'classes' of 6"):
        of_entries(cases.GALLERY, batch, plan, lambda raw: cases.galleries(wide))
    spec = {"type": "alignment", "to": "teacher", "pairs": (), "galleries": ("classes",)}
    with pytest.raises(TermError, match=r"add it to 'teacher\.galleries'"):
        of_entries(spec, {}, plan, lambda raw: {**cases.galleries(raw), "teacher": {}})
    for wrong in ({"galleries": ("classes",)}, {"to": "teacher", "pairs": ()}):
        with pytest.raises(ConfigError, match="galleries"):
            make({"type": "alignment", **wrong})
