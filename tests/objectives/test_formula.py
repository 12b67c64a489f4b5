"""Value and gradients of every term equal its formula, for every schedule and mesh."""

import cases
import pytest
from term_harness import MESHES, SCHEDULES
from tiers import long_but

RUNS = [(name, plan) for name, case in cases.CASES.items() for plan in case.plans]
FIRST = {name for name, _ in cases.first(None).values()}


# Of every term its first case; the others are its options.
@pytest.mark.parametrize(
    ("name", "plan"),
    long_but(lambda run: run[0] in FIRST, RUNS),
    ids=lambda v: str(v).replace("'", ""),
)
def test_equals_the_formula(name, plan):
    cases.CASES[name].check(plan)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.CASES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_equals_the_formula_on_every_mesh(name, schedule):
    for shape in MESHES:
        cases.CASES[name].check((schedule, *shape))
