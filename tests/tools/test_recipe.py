"""The README's table of recipes."""

import json
from pathlib import Path

import pytest
from tool_files import load_tool

ROOT = Path(__file__).parents[2]
recipe_table = load_tool("recipe_table")

RECIPE = '''
"""A recipe."""
from configs import base

def small():
    terms = {"clip": {"type": "info_nce"}, "u": {"type": "uniformity"}}
    return {"paper": "A | B 2024", **base.emoji(terms)}

def claim():
    check = {"metric": "retrieval/new_style/R@1", "arm": "new", "compare": ">=",
             "baseline": "old", "offset": 0.1}
    source = {"type": "emoji", "split": "new_style"}
    latent = {"data": {**small()["data"], "source": {"a": source, "b": {**source, "weight": 2.0}}}}
    return {**small(), **latent, "claim": {
        "statement": "new beats old", "arms": {"old": (), "new": ()}, "paper_numbers": ".3",
        "metrics": ("retrieval/new_style/R@1",), "checks": ({**check, "baseline": None}, check)}}

get_config = base.variants("toy", {"small": small, "claim": claim})
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "toy.py").write_text(RECIPE)
    (tmp_path / "base.py").write_text("")
    return tmp_path


def verdict(out, shown):
    arms = {
        "old": [
            {"retrieval/new_style/R@1": 0.2, "other": 1},
            {"retrieval/new_style/R@1": 0.4, "other": 1},
        ]
    }
    arms["new"] = [{"retrieval/new_style/R@1": 0.5}, {"retrieval/new_style/R@1": 0.5}]
    check = {"metric": "retrieval/new_style/R@1", "arm": "new", "compare": ">=", "baseline": "old"}
    data = {
        "recipe": "toy",
        "statement": "new beats old",
        "shown": shown,
        "seeds": [0, 1],
        "seconds": 3.5,
        "jobs": 2,
        "paper_numbers": ".3",
        "arms": arms,
        "checks": [{**check, "baseline": None}, check],
    }
    out.mkdir(exist_ok=True)
    (out / "toy.json").write_text(json.dumps(data))


def test_a_claim_that_ran_is_shown_with_both_arms(folder):
    results = folder / "docs" / "claims.json"
    verdict(folder / "out", shown=False)
    assert recipe_table.collect(folder / "out", results, folder) == ["toy"]
    kept = json.loads(results.read_text())
    assert kept["toy"]["arms"]["old"] == {"retrieval/new_style/R@1": [0.2, 0.4]}
    (row,) = recipe_table.rows(folder, kept)
    numbers = "retrieval/new_style/R@1: 0.300 ± 0.141 -> 0.500 ± 0.000"
    terms = "info_nce, uniformity"
    said = ("A | B 2024", terms, "emoji, emoji", "new beats old", "no", numbers, ".3")
    assert row == ("[toy](configs/toy.py)", *said)
    # Without a new verdict what is known stays.
    assert recipe_table.collect(folder / "nothing", results, folder) == []
    assert json.loads(results.read_text()) == kept


def test_further_claims_have_rows_of_their_own(folder):
    results = folder / "docs" / "claims.json"
    verdict(folder / "out", shown=False)
    (folder / "out" / "toy.json").rename(folder / "out" / "toy-claim_more.json")
    recipe = (folder / "toy.py").read_text().replace('"claim": claim}', '"claim_more": claim}')
    (folder / "toy.py").write_text(recipe)
    assert recipe_table.collect(folder / "out", results, folder) == ["toy:claim_more"]
    kept = json.loads(results.read_text())
    own, more = recipe_table.rows(folder, kept)
    assert own[5] == "no claim"
    assert more[0] == "[toy](configs/toy.py), `claim_more`"
    assert own[3] == "emoji"
    assert more[3:6] == ("emoji, emoji", "new beats old", "no")
    assert recipe_table.fastest({**kept, "toy:claim_more": {"shown": True, "seconds": 1}}, 3) == []


def test_a_claim_that_did_not_run_says_so(folder):
    (row,) = recipe_table.rows(folder, {})
    assert row[4:] == ("new beats old", "not run", "", ".3")


def test_the_fastest_claims_are_shown_ones():
    def result(shown, **more):
        return {"shown": shown, **more}

    results = {
        "slow": result(True, seconds=50.0),
        "no": result(False, seconds=1.0),
        "quick": result(True, seconds=9.5),
        "untimed": result(True),
        "between": result(True, seconds=10.0),
    }
    assert recipe_table.fastest(results, 2) == ["quick", "between"]
    assert recipe_table.fastest(results, 9) == ["quick", "between", "slow"]


def test_only_what_is_between_the_markers_changes():
    old = "# Title\n<!-- recipes -->\nold\n<!-- /recipes -->\nrest\n"
    table = recipe_table.markdown([("a|b",) * len(recipe_table.HEAD)])
    new = recipe_table.replaced(old, table)
    assert new.startswith("# Title\n<!-- recipes -->\n| recipe |")
    assert new.endswith("\n<!-- /recipes -->\nrest\n")
    assert r"a\|b" in new
    assert recipe_table.replaced(new, table) == new


@pytest.mark.parametrize("text", ["", "<!-- recipes -->", "<!-- /recipes --><!-- recipes -->"])
def test_a_readme_without_markers_is_refused(text):
    with pytest.raises(ValueError, match=r"needs the line <!-- recipes -->"):
        recipe_table.replaced(text, "")
