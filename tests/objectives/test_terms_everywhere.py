"""Every term has a formula it is held against, and equals it under every schedule and mesh."""

import pytest
import test_classification
import test_labelled_terms
import test_late_interaction
import test_local_global
import test_matching
import test_mixtures_and_others
import test_momentum
import test_multi_view
import test_predictive
import test_sinkhorn
import test_teacher_terms
import test_terms
import test_tuples

from mmjax.objectives import TERMS

MODULES = (
    test_classification,
    test_labelled_terms,
    test_late_interaction,
    test_local_global,
    test_mixtures_and_others,
    test_momentum,
    test_multi_view,
    test_predictive,
    test_sinkhorn,
    test_teacher_terms,
    test_tuples,
)
CASES = {name: case for module in MODULES for name, case in module.CASES.items()}


@pytest.mark.smoke
def test_no_term_is_without_a_formula():
    proven = {case.spec["type"] for case in CASES.values()}
    proven |= {spec["type"] for _, spec in test_terms.CASES.values()}
    proven |= {test_matching.ONE["type"]}
    assert proven == set(TERMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("schedule", ["dense", "gather", "ring"])
def test_equals_the_formula_on_every_mesh(name, schedule):
    for shape in test_terms.MESHES:
        CASES[name].check((schedule, *shape))
