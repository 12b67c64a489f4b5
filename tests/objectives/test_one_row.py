"""A batch of one row has nothing to be compared with: a known loss, and finite gradients."""

import cases
import pytest


@pytest.mark.parametrize("name", cases.of("one_row"))
def test_one_row(name):
    cases.CASES[name].check_one_row()
