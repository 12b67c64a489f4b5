"""What is generated of recipes: the README's table and the pages of their claims."""

import json
from pathlib import Path

import pytest
from tool_files import load_tool

from mmjax.claims import pages, records

ROOT = Path(__file__).parents[2]
tool = load_tool("recipe")

RECIPE = '''
"""A recipe."""
from mmjax.configs import common as c

def small():
    terms = {"clip": {"type": "info_nce"}, "u": {"type": "uniformity"}}
    return c.emoji("A | B 2024, A title, arXiv 2401.00001", terms)

get_config = c.variants("toy", small)
'''

EXPERIMENT = """
from mmjax.claims import Check, Claim, Replace

METRIC = "retrieval/new_style/R@1"

def NAME():
    source = {"type": "emoji", "split": "new_style"}
    return Claim(
        changes={"data": {"source": {"a": source, "b": {**source, "weight": 2.0}}}},
        statement="new beats old",
        arms={"old": {}, "new": {}},
        paper_numbers=".3",
        metrics=(METRIC,),
        checks=(Check(METRIC, "new", ">=", offset=0.1), Check(METRIC, "new", ">=", "old")),
        notes="Whatever.",
    )
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "toy.py").write_text(RECIPE)
    (tmp_path / "claims" / "toy.py").write_text(EXPERIMENT.replace("NAME", "claim"))
    return tmp_path


def verdict(out, shown, name="toy"):
    arms = {
        "new": [{"retrieval/new_style/R@1": 0.5}, {"retrieval/new_style/R@1": 0.5}],
        "old": [
            {"retrieval/new_style/R@1": 0.2, "other": 1},
            {"retrieval/new_style/R@1": 0.4, "other": 1},
        ],
    }
    check = {
        "metric": "retrieval/new_style/R@1",
        "arm": "new",
        "compare": ">=",
        "baseline": "old",
        "factor": 1.0,
        "offset": 0.0,
        "each_seed": False,
        "left": [0.5],
        "right": [0.3],
        "holds": True,
    }
    first = {**check, "baseline": None, "offset": 0.6, "right": [0.6], "holds": False}
    data = {
        "recipe": "toy",
        "statement": "new beats old",
        "shown": shown,
        "seeds": [0, 1],
        "seconds": 3.5,
        "jobs": 2,
        "paper_numbers": ".3",
        "arms": arms,
        "checks": [first, check],
    }
    out.mkdir(exist_ok=True)
    (out / f"{name}.json").write_text(json.dumps(data))


PAPER = "[A | B 2024](https://arxiv.org/abs/2401.00001)"
NUMBERS = "retrieval/new_style/R@1: 0.300 ± 0.141 -> 0.500 ± 0.000"


def test_a_claim_that_ran_is_shown_with_both_arms(folder):
    results = folder / "docs"
    verdict(folder / "out", shown=False)
    assert records.collect(folder / "out", results, folder) == ["toy"]
    kept = records.read(results)
    assert kept["toy"]["claim"]["arms"]["old"] == {"retrieval/new_style/R@1": [0.2, 0.4]}
    (row,) = pages.rows(folder, kept)
    link = "[not shown](docs/claims/toy.md)"
    assert row == ("[toy](configs/toy.py)", PAPER, "emoji", link, NUMBERS, ".3")
    # Without a new verdict what is known stays.
    assert records.collect(folder / "nothing", results, folder) == []
    assert records.read(results) == kept


def test_a_page_has_every_arm_and_check(folder):
    verdict(folder / "out", shown=False)
    records.collect(folder / "out", folder / "docs", folder)
    page = pages.pages(folder, records.read(folder / "docs"))["toy"]
    assert page.startswith("# Claims of `toy`\n\nA | B 2024, A title, arXiv 2401.00001.")
    assert "**New beats old.**" in page
    assert "\n    python -m mmjax.claims toy\n" in page
    assert "Not shown: 1 of 2 checks hold, over 2 seeds, in 4 s with 2 runs at once." in page
    old, new = page.index("| old | 0.300 ± 0.141 |"), page.index("| new | 0.500 ± 0.000 |")
    assert old < new  # as the experiment has them
    line = "`retrieval/new_style/R@1` | new >= 0.6 in the mean | 0.500 >= 0.600 |"
    assert f"| **fails** | {line}" in page
    assert "| new >= old in the mean | 0.500 >= 0.300 |" in page
    assert "\nThe paper's own: .3.\n\nWhatever.\n" in page


def test_further_claims_have_rows_of_their_own(folder):
    results = folder / "docs"
    verdict(folder / "out", shown=False, name="toy-claim_more")
    experiment = folder / "claims" / "toy.py"
    experiment.write_text(EXPERIMENT.replace("NAME", "claim_more"))
    assert records.collect(folder / "out", results, folder) == ["toy:claim_more"]
    kept = records.read(results)
    (more,) = pages.rows(folder, kept)
    assert more[0] == "[toy](configs/toy.py), `claim_more`"
    assert more[3:5] == ("[not shown](docs/claims/toy.md)", NUMBERS)
    assert "python -m mmjax.claims toy:claim_more\n" in pages.pages(folder, kept)["toy"]
    assert records.fastest({"toy": {"claim_more": {"shown": True, "seconds": 1}}}, 3) == []


def test_a_claim_that_did_not_run_says_so(folder):
    (row,) = pages.rows(folder, {})
    assert row[3:] == ("[not run](docs/claims/toy.md)", "", ".3")
    assert "Not run yet." in pages.pages(folder, {})["toy"]


def test_a_recipe_without_a_claim_has_a_row(folder):
    (folder / "claims" / "toy.py").unlink()
    assert pages.rows(folder, {}) == [("[toy](configs/toy.py)", PAPER, "emoji", "", "", "")]
    assert pages.pages(folder, {}) == {}


def test_the_fastest_claims_are_shown_ones():
    def result(shown, **more):
        return {"claim": {"shown": shown, **more}}

    results = {
        "slow": result(True, seconds=50.0),
        "no": result(False, seconds=1.0),
        "quick": result(True, seconds=9.5),
        "untimed": result(True),
        "between": result(True, seconds=10.0),
    }
    assert records.fastest(results, 2) == ["quick", "between"]
    assert records.fastest(results, 9) == ["quick", "between", "slow"]


def test_what_is_generated_is_as_new():
    texts = tool.generated(ROOT / "configs", ROOT / "docs" / "claims", ROOT / "README.md")
    assert len(texts) > 20
    assert tool.old_files(texts) == []  # `python tools/recipe.py tables` writes them
    pages_here = {file.name for file in (ROOT / "docs" / "claims").glob("*.md")}
    assert pages_here == {file.name for file in texts} - {"README.md"}


def test_the_command_writes_and_checks_the_files(folder, capsys):
    readme = folder / "README.md"
    readme.write_text("# Title\n<!-- recipes -->\n<!-- /recipes -->\n")
    given = ["--configs", str(folder), "--results", str(folder / "docs"), "--readme", str(readme)]
    verdict(folder / "out", shown=True)
    tool.main([*given, "collect", str(folder / "out")])
    with pytest.raises(SystemExit, match=r"old: toy\.md, README\.md; run"):
        tool.main([*given, "tables", "--check"])
    tool.main([*given, "tables"])
    tool.main([*given, "tables", "--check"])
    assert "[shown](docs/claims/toy.md)" in readme.read_text()
    capsys.readouterr()
    tool.main([*given, "fastest", "3"])
    assert capsys.readouterr().out == "toy\n"
    readme.write_text("")
    with pytest.raises(SystemExit, match="needs the line <!-- recipes -->"):
        tool.main([*given, "tables"])


def test_only_what_is_between_the_markers_changes():
    old = "# Title\n<!-- recipes -->\nold\n<!-- /recipes -->\nrest\n"
    table = pages.markdown([pages.HEAD, ("a|b",) * len(pages.HEAD)])
    new = tool.replaced(old, table)
    assert new.startswith("# Title\n<!-- recipes -->\n| recipe |")
    assert new.endswith("\n<!-- /recipes -->\nrest\n")
    assert r"a\|b" in new
    assert tool.replaced(new, table) == new


@pytest.mark.parametrize("text", ["", "<!-- recipes -->", "<!-- /recipes --><!-- recipes -->"])
def test_a_readme_without_markers_is_refused(text):
    with pytest.raises(ValueError, match=r"needs the line <!-- recipes -->"):
        tool.replaced(text, "")
