"""Which cases of a test are quick: the default suite has these, and CI the others, too."""

import pytest


def long_but(quick, cases):
    """The cases, of which those for which `quick(case)` is false are marked `long`."""
    return [case if quick(case) else _long(case) for case in cases]


def _long(case):
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.long)
