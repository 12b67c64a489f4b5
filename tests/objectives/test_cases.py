"""Every term has a case, every file of cases can be read, and a term keeps nothing of a step."""

import cases
import jax
import pytest
from flax import nnx
from term_harness import KEY, split

from mmjax.objectives import TERMS, Context
from mmjax.parallel.pairwise import Plan


@pytest.mark.parametrize("family", cases.FAMILIES)
def test_a_file_of_cases_can_be_read(family):
    if family in cases.BROKEN:
        raise cases.BROKEN[family]


@pytest.mark.smoke
@pytest.mark.parametrize("term", TERMS)
def test_a_term_has_a_case(term):
    """Without one nothing is known of it: add a file to `cases/`, see `term_harness`."""
    assert term in {case.word for case in cases.CASES.values()}


@pytest.mark.parametrize("name", cases.of("stateless"))
def test_a_term_keeps_nothing_between_steps(name):
    """It has parameters and no other state, which a call leaves as it is: a run can go on."""
    case = cases.CASES[name]
    graph, state = split(case.spec)
    assert all(isinstance(v, nnx.Param) for _, v in nnx.to_flat_state(state))
    raws, batch = case.inputs(case.size)

    def step(state, raws, key):
        term = nnx.merge(graph, state)
        context = Context(Plan(), progress=0.5, rng=key, **case.known(batch))
        loss, _ = term(case.outputs(raws, batch), batch, context)
        after_graph, after = nnx.split(term)
        assert after_graph == graph
        before, after = (dict(nnx.to_flat_state(each)) for each in (state, after))
        assert before.keys() == after.keys()
        assert all(before[path][...] is after[path][...] for path in before)
        return loss

    shape = jax.eval_shape(step, state, raws, jax.random.key(KEY))
    assert shape.shape == ()
