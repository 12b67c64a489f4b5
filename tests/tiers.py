"""Which cases of a test are quick: the default suite has these, and CI the others, too."""

import pytest


def long_but(quick, cases, *, several=True):
    """The cases, of which those for which `quick(case)` is false are marked `long`.

    Args:
      quick: of a case, whether the default suite has it.
      cases: values, or tuples of the values of several arguments.
      several: whether tuples are that; or each is the value of the one argument.
    """
    return [case if quick(case) else _long(case, several) for case in cases]


def _long(case, several):
    values = case if several and isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.long)
