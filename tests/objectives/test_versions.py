"""A term whose numbers change gets another version, by which records of claims become stale."""

import json
from pathlib import Path

import cases
import pytest

from mmjax.objectives import TERMS

FILE = Path(__file__).parent / "values.json"
# Case -> the version of its word, and its formula's value.
VALUES = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_value_is_of_a_case():
    assert set(VALUES) <= set(cases.CASES)


@pytest.mark.parametrize("name", cases.CASES)
def test_the_numbers_of_a_version_stay(name):
    case = cases.CASES[name]
    version, value = TERMS.version(case.word), case.value()
    line = f'"{name}": [{version}, {value:.8g}]'
    assert name in VALUES, f"a new case: put {line} into {FILE.name}"
    before, known = VALUES[name]
    if before == version:
        assert value == pytest.approx(known, rel=1e-5, abs=1e-7), (
            f"{case.word} means something else than it did: give its class `version = "
            f"{version + 1}` (or, where the case is another one, keep it), and put {line} into "
            f"{FILE.name}"
        )
    else:
        assert version > before
        pytest.fail(f"version {version} of {case.word} is not stored: put {line} into {FILE.name}")
