"""Recorded results are of the claims that recipes make, and docstrings quote what they gave."""

import ast
import json
import re
import statistics
from pathlib import Path

import pytest

from mmjax import recipe as config_lib

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "docs" / "claims.json").read_text(encoding="utf-8"))
# A mean and its deviation over seeds, as in `.850 ± .041`.
NUMBERS = re.compile(r"(?<![\d.])(-?\d*\.\d+)\s*±\s*(\d*\.\d+)")
# A paragraph that opens so is about runs of a variant, and not about the claim.
OF_RUNS = ("Measured", "`")


def rounds_to(value, text):
    """Whether `value`, which was rounded to 5 places and perhaps to 3, is `text`."""
    places = len(text.partition(".")[2])
    return abs(value - float(text)) <= 0.5 * 10**-places + 0.0006 * (places < 3) + 2e-5


def quoted(docstring):
    """(mean, deviation) as they stand in the paragraphs about the claim."""
    paragraphs = docstring.split("\n\n")
    return [pair for p in paragraphs if not p.startswith(OF_RUNS) for pair in NUMBERS.findall(p)]


def recorded(recipe):
    """(mean, deviation) of every metric of every arm of a recipe's claims."""
    results = [r for name, r in RESULTS.items() if name.partition(":")[0] == recipe]
    values = [v for r in results for arm in r["arms"].values() for v in arm.values()]
    return [(statistics.fmean(v), statistics.stdev(v) if len(v) > 1 else 0.0) for v in values]


@pytest.mark.parametrize("name", RESULTS)
def test_a_record_is_of_the_claim_as_it_is(name):
    recipe, _, variant = name.partition(":")
    config = config_lib.load(f"{ROOT / 'configs' / recipe}.py:{variant or 'claim'}")
    claim, record = config_lib.plain(config["claim"]), RESULTS[name]
    assert record["statement"] == claim["statement"]
    assert record["paper_numbers"] == claim["paper_numbers"]
    assert list(record["seeds"]) == list(claim["seeds"])
    assert set(record["arms"]) == set(claim["arms"])
    asked = [{key: check[key] for key in claim["checks"][0]} for check in record["checks"]]
    assert asked == list(claim["checks"])


@pytest.mark.parametrize("recipe", sorted({name.partition(":")[0] for name in RESULTS}))
def test_a_docstring_quotes_what_the_claim_gave(recipe):
    source = (ROOT / "configs" / f"{recipe}.py").read_text(encoding="utf-8")
    known = recorded(recipe)
    wrong = [
        " ± ".join(pair)
        for pair in quoted(ast.get_docstring(ast.parse(source)))
        if not any(all(map(rounds_to, numbers, pair)) for numbers in known)
    ]
    assert not wrong


def test_an_old_number_is_found():
    paragraph = "shown: .848 ± .039, and 15.70\n± .06.\n\nMeasured: .1 ± .2"
    assert quoted(paragraph) == [(".848", ".039"), ("15.70", ".06")]
    assert rounds_to(15.69489, "15.70")
    assert rounds_to(0.8475, ".848")
    assert not rounds_to(0.8499, ".848")
    assert not rounds_to(15.68, "15.70")
