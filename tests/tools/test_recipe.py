"""What is generated of recipes: the tables of all and the pages of their claims."""

import json
from pathlib import Path

import pytest
from tool_files import load_tool

from mmjax.claims import find, judge, pages, records
from mmjax.errors import ConfigError

ROOT = Path(__file__).parents[2]
tool = load_tool("recipe")

RECIPE = '''
"""A recipe.

It is small. Left out: what the
paper has (arXiv 2401.00001); all of it. The rest is here.
"""
from mmjax.configs import common as c

def small():
    terms = {"clip": {"type": "info_nce"}, "u": {"type": "uniformity"}}  # assumed: for the test
    return c.emoji("A | B 2024, A title, arXiv 2401.00001", terms)

get_config = c.variants("toy", small)
'''

EXPERIMENT = """
from mmjax.claims import Arm, Check, Claim, Control, Tuning

METRIC = "retrieval/new_style/R@1"

def NAME():
    source = {"type": "emoji", "split": "new_style"}
    grid = {"optimizer.learning_rate": (0.1, 0.2)}
    return Claim(
        changes={"data": {"source": {"a": source, "b": {**source, "weight": 2.0}}}},
        paper="new is better",
        statement="new beats old",
        arms={"old": Arm(grid=grid), "new": Arm(grid=grid), "ridge": Arm(untuned="no training")},
        tuning=Tuning(METRIC),
        paper_numbers=".3",
        metrics=(METRIC,),
        checks=(
            Check("it is no worse", METRIC, "new", ">=", "old", offset=-0.1),
            Check("it is better", METRIC, "new", ">=", "old", offset=0.1),
        ),
        controls=(Control("a line", "ridge", "new"),),
        seeds=(0, 1),
        notes="Whatever.",
    )
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "toy.py").write_text(RECIPE)
    (tmp_path / "claims" / "toy.py").write_text(EXPERIMENT.replace("NAME", "claim"))
    return tmp_path


def ran(out, folder, name="toy", better=True):
    """What `mmjax.claims --tune` and `mmjax.claims` would have written to `out`."""
    experiment = find.find(name.replace("-", ":"), folder)
    claim = experiment.claim
    values = {"old": (0.2, 0.21), "new": (0.5, 0.51) if better else (0.2, 0.2), "ridge": (0.3, 0.3)}
    arms = {arm: [{METRIC: v, "other": 1} for v in found] for arm, found in values.items()}
    trials = [
        {"setting": setting, "values": [0.1, 0.2]} for setting in claim.arms["old"].settings()
    ]
    one = {
        "trials": trials,
        "choice": trials[0]["setting"],
        "edge": list(trials[0]["setting"]),
        "ties": 2,
    }
    tuned = {
        "metric": METRIC,
        "mode": "max",
        "seeds": [20, 21],
        "seconds": 9.0,
        "arms": {"old": one, "new": one},
        "of": {"configs": {}},
    }
    result = {
        "claim": claim.paper,
        "statement": claim.statement,
        "paper_numbers": claim.paper_numbers,
        **judge.verdict(claim, arms),
        "seeds": list(claim.seeds),
        "seconds": 3.5,
        "jobs": 2,
        "settings": {"old": one["choice"], "new": one["choice"], "ridge": {}},
        "arms": arms,
        "of": {"configs": {}},
    }
    (out / "tuned").mkdir(parents=True, exist_ok=True)
    (out / "tuned" / f"{name}.json").write_text(json.dumps(tuned))
    (out / f"{name}.json").write_text(json.dumps(result))


METRIC = "retrieval/new_style/R@1"
PAPER = "[A | B](https://arxiv.org/abs/2401.00001)"
NUMBERS = f"{METRIC}: 0.205 ± 0.007 (old) -> 0.300 ± 0.000 (ridge) -> 0.505 ± 0.007 (new)"


def test_a_claim_that_ran_is_shown_with_baseline_control_and_recipe(folder):
    results = folder / "docs"
    ran(folder / "out", folder)
    assert records.collect(folder / "out", results, folder) == ["toy"]
    kept = records.read(results)
    assert kept["toy"]["claim"]["arms"]["old"] == {METRIC: [0.2, 0.21]}
    assert (folder / "claims" / "tuned" / "toy.json").is_file()
    (row,) = pages.rows(folder, kept)
    assert row.modalities == "image, text"
    assert row.evaluators == "geometry, retrieval, zero_shot"
    assert (row.paper, row.year, row.data) == (PAPER, "2024", "emoji")
    assert row.link("../configs") == "[toy](../configs/toy.py)"
    assert row.verdict == "[reproduced](claims/toy.md)"
    assert row[-3:] == ("it is no worse; it is better", NUMBERS, ".3")
    assert pages.by_modalities([row, row]).splitlines()[2:] == [
        "| image, text | [toy](configs/toy.py) |"
    ]
    # Without a new verdict what is known stays.
    assert records.collect(folder / "nothing", results, folder) == []
    assert records.read(results) == kept


def test_a_verdict_of_other_seeds_is_not_collected(folder):
    ran(folder / "out", folder)
    file = folder / "out" / "toy.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "seeds": [5, 6]}))
    with pytest.raises(ConfigError, match=r"is of seeds \[5, 6\], and the record has to be of"):
        records.collect(folder / "out", folder / "docs", folder)


def test_a_verdict_that_differs_from_the_record_is_said(folder, capsys):
    ran(folder / "out", folder)
    records.collect(folder / "out", folder / "docs", folder)
    given = ["--configs", str(folder), "--results", str(folder / "docs")]
    tool.main([*given, "compare", str(folder / "out")])
    ran(folder / "again", folder, better=False)
    with pytest.raises(SystemExit, match="toy: not reproduced, and reproduced in the record"):
        tool.main([*given, "compare", str(folder / "again")])
    with pytest.raises(SystemExit, match="no verdict of a claim that has a record"):
        tool.main([*given, "compare", str(folder / "nothing")])


def test_a_page_has_every_arm_check_control_and_trial(folder):
    ran(folder / "out", folder)
    records.collect(folder / "out", folder / "docs", folder)
    page = pages.pages(folder, records.read(folder / "docs"))["toy"]
    assert page.startswith("# Claims of `toy`\n\nA | B 2024, A title, arXiv 2401.00001.")
    assert "\nThe paper claims: new is better.\n\nTested here: new beats old.\n" in page
    assert "\n    python -m mmjax.claims toy\n" in page
    assert "**Reproduced**: all checks hold, and no control does it too." in page
    assert "\n2 seeds, 4 s with 2 runs at once." in page
    old = page.index("| old | 0.205 ± 0.007 | learning_rate 0.1 |")
    assert old < page.index("| new | 0.505 ± 0.007 | learning_rate 0.1 |")
    line = f"| holds | it is better | `{METRIC}, new >= old + 0.1` | 0.505 >= 0.305, difference "
    assert line in page
    assert "| does not | control: a line | `ridge` in the place of `new` |  |" in page
    assert "\nThe paper's own: .3.\n\nWhatever.\n" in page
    assert f"chosen by the highest {METRIC} on seeds" in " ".join(page.split())
    assert "| **old** | **learning_rate 0.1** | **0.100** | **0.200** |" in page
    line = '- `terms = {"clip": {"type": "info_nce"}, "u": {"type": "uniformity"}}`: for the test'
    assert f"that no source gives:\n\n{line}\n" in page
    assert "At the edge of their grid: old (optimizer.learning_rate);" in " ".join(page.split())


def test_further_claims_have_rows_of_their_own(folder):
    results = folder / "docs"
    experiment = folder / "claims" / "toy.py"
    experiment.write_text(EXPERIMENT.replace("NAME", "claim_more"))
    ran(folder / "out", folder, name="toy-claim_more", better=False)
    assert records.collect(folder / "out", results, folder) == ["toy:claim_more"]
    kept = records.read(results)
    (more,) = pages.rows(folder, kept)
    assert more.link("configs") == "[toy](configs/toy.py), `claim_more`"
    assert (more.verdict, more.holds) == ("[not reproduced](claims/toy.md)", "it is no worse")
    assert "python -m mmjax.claims toy:claim_more\n" in pages.pages(folder, kept)["toy"]
    assert records.fastest({"toy": {"claim_more": {"seconds": 1}}}, 3) == []


def test_a_claim_that_did_not_run_says_so(folder):
    (row,) = pages.rows(folder, {})
    assert row[-4:] == ("[not run yet](claims/toy.md)", "", "", ".3")
    page = pages.pages(folder, {})["toy"]
    assert "Not run yet." in page
    assert "toy.json" not in page  # which is not there yet


def test_a_recipe_without_a_claim_has_a_row(folder):
    (folder / "claims" / "toy.py").unlink()
    (row,) = pages.rows(folder, {})
    assert (row.variant, row.data, row.verdict, row.holds, row.own) == ("", "emoji", "", "", "")
    table = pages.table([row])
    assert "## Results" in table
    assert "| A recipe | what the paper has (arXiv 2401.00001); all of it |  |" in table
    assert pages.pages(folder, {}) == {}


def test_rows_are_sorted_by_modalities_then_evaluators_then_year(folder):
    (folder / "claims" / "toy.py").unlink()
    for name, year in (("a", 2023), ("b", 2020), ("c", 2019)):
        text = RECIPE.replace("2024", str(year), 1).replace('"toy"', f'"{name}"')
        text += """
def changed(variant="small", make=get_config):
    config = make(variant)
    config.evaluators = {}
    return config
changed.variants = get_config.variants
get_config = changed
"""
        (folder / f"{name}.py").write_text(text)
    order = [row.name for row in pages.rows(folder, {})]
    assert order == ["c", "b", "a", "toy"]


@pytest.mark.parametrize(
    ("paper", "expected"),
    [
        (
            "Jia et al. 2021, ALIGN, arXiv 2102.05918",
            "[Jia et al.](https://arxiv.org/abs/2102.05918) 2021",
        ),
        ("Nobody 2026, an example", "Nobody 2026"),
        ("none", "none "),
    ],
)
def test_a_paper_is_cited(paper, expected):
    assert " ".join(pages.cited(paper)) == expected


def test_the_fastest_claims_are_those_of_the_fewest_seconds():
    results = {
        name: {"claim": {"verdict": "not reproduced", "seconds": seconds}}
        for name, seconds in (("slow", 50.0), ("quick", 9.5), ("between", 10.0))
    }
    assert records.fastest(results, 2) == ["quick", "between"]
    assert records.fastest(results, 9) == ["quick", "between", "slow"]


def test_what_is_generated_is_as_new():
    docs = ROOT / "docs"
    tables = (ROOT / "README.md", docs / "recipe_table.md")
    texts = tool.generated(ROOT / "configs", docs / "claims", *tables)
    assert len(texts) > 20
    assert tool.old_files(texts) == []  # `python tools/recipe.py tables` writes them
    pages_here = {file.name for file in (ROOT / "docs" / "claims").glob("*.md")}
    assert pages_here == {file.name for file in texts if file not in tables}


def test_the_command_writes_and_checks_the_files(folder, capsys):
    readme = folder / "README.md"
    page = folder / "recipe_table.md"
    for file in (readme, page):
        file.write_text("# Title\n<!-- recipes -->\n<!-- /recipes -->\n")
    given = ["--configs", str(folder), "--results", str(folder / "docs"), "--readme", str(readme)]
    given += ["--page", str(page)]
    ran(folder / "out", folder)
    tool.main([*given, "collect", str(folder / "out")])
    with pytest.raises(SystemExit, match=r"old: toy\.md, README\.md, recipe_table\.md; run"):
        tool.main([*given, "tables", "--check"])
    tool.main([*given, "tables"])
    tool.main([*given, "tables", "--check"])
    assert "[toy](configs/toy.py)" in readme.read_text()
    assert "[reproduced](claims/toy.md)" in page.read_text()
    capsys.readouterr()
    tool.main([*given, "fastest", "3"])
    assert capsys.readouterr().out == "toy\n"
    readme.write_text("")
    with pytest.raises(SystemExit, match="needs the line <!-- recipes -->"):
        tool.main([*given, "tables"])


def test_only_what_is_between_the_markers_changes():
    old = "# Title\n<!-- recipes -->\nold\n<!-- /recipes -->\nrest\n"
    table = pages.markdown([pages.HEAD, ("a|b",) * len(pages.HEAD)])
    new = tool.replaced(old, table, "README.md")
    assert new.startswith("# Title\n<!-- recipes -->\n| modalities |")
    assert new.endswith("\n<!-- /recipes -->\nrest\n")
    assert r"a\|b" in new
    assert tool.replaced(new, table, "README.md") == new


@pytest.mark.parametrize("text", ["", "<!-- recipes -->", "<!-- /recipes --><!-- recipes -->"])
def test_a_readme_without_markers_is_refused(text):
    with pytest.raises(ValueError, match=r"needs the line <!-- recipes -->"):
        tool.replaced(text, "", "README.md")
