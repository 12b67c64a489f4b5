"""A row without one of the modalities that a term needs contributes nothing to any term."""

import functools

import cases
import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from term_harness import embeddings, split
from tiers import long_but

from mmjax.objectives import Context, configs
from mmjax.parallel.pairwise import Plan

SIZE = 9
RUNS = [(name, plan) for name, case in cases.of("absent").items() for plan in case.absent_plans]
OF_TERMS = {name for name, _ in cases.first("absent").values()}
FIRST = cases.first("partners")
SEVERAL = [term for term, (_, case) in FIRST.items() if len(case.names) > 1]


@pytest.mark.parametrize(
    ("name", "plan"),
    long_but(lambda run: run[0] in OF_TERMS, RUNS),
    ids=lambda v: str(v).replace("'", ""),
)
def test_the_formula_of_the_rows_that_are_there(name, plan):
    cases.CASES[name].check_absent(plan)


FIELDS = [
    (name, option)
    for name, case in cases.of("absent").items()
    for option, value in configs({"term": case.spec})["term"].term.options.items()
    if isinstance(value, str) and value in case.extra(1) and value not in case.names
]


@pytest.mark.parametrize(("name", "option"), FIELDS)
def test_a_row_without_a_field_that_is_named_as_a_second_view(name, option):
    cases.CASES[name].check_absent_field(option)


@functools.cache
def computed(term):
    """`(raws, batch) -> value, gradients` of a term, compiled once."""
    _, case = FIRST[term]
    graph, state = split(case.spec)
    plan = Plan(schedule="dense")

    @jax.jit
    @jax.value_and_grad
    def loss(raws, batch):
        context = Context(plan=plan, progress=0.5, rng=jax.random.key(0), **case.known(batch))
        return nnx.merge(graph, state, copy=True)(case.outputs(raws, batch), batch, context)[0]

    return loss, case


def presence_of(names):
    return [f"{modality}_present" for modality in sorted({n.partition("@")[0] for n in names})]


@pytest.mark.parametrize("term", FIRST)
@settings(max_examples=6, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32 - 1), part=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_a_row_without_a_partner_contributes_to_nothing(term, seed, part):
    loss, case = computed(term)
    rng = np.random.default_rng(seed)
    raws = {
        name: rng.normal(size=raw.shape).astype(np.float32)
        for name, raw in embeddings(case.names, SIZE, case.dim).items()
    }
    order = rng.permutation(SIZE)
    batch = {"id": np.arange(SIZE)}
    batch |= {name: value[order] for name, value in case.extra(SIZE).items()}
    valid = np.ones(SIZE, bool)
    for present in presence_of(case.names):
        batch[present] = rng.random(SIZE) >= part
        valid &= batch[present]
    value, grads = loss(raws, batch)
    assert np.isfinite(value)
    for name in case.names:
        assert np.isfinite(grads[name]).all(), name
        np.testing.assert_array_equal(grads[name][~valid], 0, err_msg=name)

    # Neither what stands in for the missing one, nor the partners that are there, count.
    def other(given, stand_in):
        """Arrays of floats with something else in the rows that do not count."""
        return {
            name: array
            if not np.issubdtype(array.dtype, np.floating)
            else np.where(
                valid.reshape(-1, *[1] * (array.ndim - 1)), array, stand_in(array.shape)
            ).astype(array.dtype)
            for name, array in given.items()
        }

    def others(stand_in):
        taught = {name: array for name, array in batch.items() if name.startswith("teacher")}
        return loss(other(raws, stand_in), {**batch, **other(taught, stand_in)})

    again, changed = others(lambda shape: 30 * rng.normal(size=shape))
    np.testing.assert_array_equal(again, value)
    for name in case.names:
        np.testing.assert_array_equal(changed[name], grads[name])

    # Not even if a tower made no number of it.
    again, changed = others(lambda shape: np.full(shape, np.nan))
    np.testing.assert_array_equal(again, value)
    for name in case.names:
        np.testing.assert_array_equal(changed[name][valid], grads[name][valid])


@pytest.mark.parametrize("term", SEVERAL)
def test_a_lack_of_everything_is_no_loss(term):
    """A batch in which no row is whole teaches nothing, and breaks nothing."""
    loss, case = computed(term)
    raws = {name: np.ones_like(r) for name, r in embeddings(case.names, SIZE, case.dim).items()}
    batch = {"id": np.arange(SIZE), **case.extra(SIZE)}
    one, *rest = presence_of(case.names)
    batch |= {one: batch["id"] < 4, **dict.fromkeys(rest, batch["id"] >= 4)}
    if not rest:  # views of one modality
        batch[one] = np.zeros(SIZE, bool)
    value, grads = loss(raws, batch)
    assert np.isfinite(value)
    assert not any(np.any(g) for g in grads.values())
