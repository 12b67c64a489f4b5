"""Value and gradients of every term equal its formula, for every schedule and mesh."""

import cases
import pytest
from term_harness import MESHES, SCHEDULES
from tiers import long_but

RUNS = [(name, plan) for name, case in cases.CASES.items() for plan in case.plans]
FIRST = {name for name, _ in cases.first(None).values()}


def quick(run):
    """Of every term's first case all plans, of the others, which are its options, the first."""
    name, plan = run
    return name in FIRST or plan == cases.CASES[name].plans[0]


@pytest.mark.parametrize(
    ("name", "plan"), long_but(quick, RUNS), ids=lambda v: str(v).replace("'", "")
)
def test_equals_the_formula(name, plan):
    cases.CASES[name].check(plan)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.CASES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_equals_the_formula_on_every_mesh(name, schedule):
    for shape in MESHES:
        cases.CASES[name].check((schedule, *shape))
