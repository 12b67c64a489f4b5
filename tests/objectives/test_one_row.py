"""A batch of one row has nothing to be compared with: a known loss, and finite gradients."""

import cases
import pytest
from tiers import long_but

FIRST = {name for name, _ in cases.first("one_row").values()}


@pytest.mark.parametrize("name", long_but(FIRST.__contains__, cases.of("one_row")))
def test_one_row(name):
    cases.CASES[name].check_one_row()
