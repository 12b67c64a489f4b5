"""What an experiment may say, and what is said of mistakes in it."""

from pathlib import Path

import pytest

from mmjax.claims import Check, Claim, Replace, find, tables
from mmjax.errors import ConfigError

CHECK = Check("compared", "a", ">=", "b")
GAP = "geometry/test/centroid_distance"


def experiment(arms, metrics=("shown",), checks=(CHECK,), **more):
    """Of the recipe `clip_uniform`, whose variant `latent` has the evaluators geometry/test, ..."""
    claim = Claim(
        statement="s", arms=arms, checks=checks, metrics=metrics, **{"variant": "latent", **more}
    )
    folder = Path(__file__).parents[2] / "configs"
    return find.Experiment("clip_uniform", "claim", folder, claim)


def test_an_arm_with_its_own_evaluators_needs_only_what_its_checks_compare():
    arms = {
        "a": {"evaluators": Replace({})},
        "b": {},
        "c": {"evaluators": {"probe": {"x": {"c": 2.0}}}},
        "d": {"stages": Replace(())},
        "e": {"stages": {"one": {"evaluators": {}}, "two": None}},
        "f": {"stages": {"one": None}},
    }
    found = {arm: experiment(arms).needed(arm) for arm in arms}
    assert found["a"] == ["compared"]
    assert found["b"] == ["shown", "compared"]
    assert found["c"] == found["d"] == found["e"] == []
    assert found["f"] == ["shown"]


def test_what_an_arm_did_not_measure_is_a_dash_in_the_table():
    verdict = {
        "recipe": "toy",
        "statement": "",
        "paper": "",
        "seeds": [0],
        "checks": (),
        "shown": True,
        "arms": {"a": [{"m/x": 0.25}], "b": [{"m/y": 1.0}]},
    }
    lines = tables.table(verdict, ("m/x",)).splitlines()
    assert lines[5].split() == ["a", "0.250", "±", "0.000"]
    assert lines[6].split() == ["b", "-"]


def test_an_arm_is_the_recipe_with_its_changes_and_the_seed():
    clip = {"objectives": Replace({"clip": {"type": "info_nce", "pairs": (("a", "b"),)}})}
    found = experiment(
        {"a": clip, "b": {"data": {"source": {"dim": 8}}}},
        changes={"steps": 7},
        seed_keys=("data.source.seed",),
    )
    first, second = found.recipe_of("a", 3), found.recipe_of("b", 4)
    assert (first.recipe, first.variant) == ("clip_uniform", "claim")
    assert set(first.objectives) == {"clip"}
    assert (first.seed, first.data.source.options["seed"], first.steps) == (3, 3, 7)
    assert (second.seed, *(second.data.source.options[key] for key in ("seed", "dim"))) == (4, 4, 8)
    assert set(second.objectives) > {"clip"}
    assert found.recipe_of("a").seed == 0
    # A config of the experiment's own, in place of a variant.
    own = experiment({"a": {}}, config=found.recipe_of("b").plain())
    assert own.recipe_of("a").data.source.options["dim"] == 8


def test_mistakes_of_an_arm_are_said_with_its_name():
    with pytest.raises(ConfigError, match=r"claims/clip_uniform\.py, arm 'a': unknown key 'stepz'"):
        experiment({"a": {"stepz": 3}}).recipe_of("a")
    with pytest.raises(ConfigError, match=r"arm 'a': a change: unknown stage 'x' of 'stages'"):
        experiment({"a": {"stages": {"x": None}}}).recipe_of("a")


def refused_metric(metric, arm=None, **more):
    found = experiment({"a": arm or {}}, metrics=(metric,), checks=(), **more)
    with pytest.raises(ConfigError) as error:
        find.check_metrics(found, "a", found.recipe_of("a"))
    return str(error.value)


def test_a_claim_goes_by_the_evaluators_and_terms_that_there_are():
    found = experiment({"a": {}}, metrics=(GAP, "train/clip/loss", "seconds"), checks=())
    find.check_metrics(found, "a", found.recipe_of("a"))
    said = refused_metric("geometry/tset/x")
    assert "claims/clip_uniform.py: unknown metric 'geometry/tset/x' of 'claim.metrics'" in said
    assert "did you mean 'geometry/test/..." in said
    said = refused_metric("train/clop/loss")
    assert "unknown metric 'train/clop/loss'" in said
    assert "did you mean 'train/clip/..." in said
    assert "unknown metric 'best/step'" in refused_metric("best/step")
    kept = {"checkpoints": {"keep_best": 1, "metric": GAP}}
    found = experiment({"a": kept}, metrics=("best/step", f"best/{GAP}"), checks=())
    find.check_metrics(found, "a", found.recipe_of("a"))


def test_metrics_of_a_stage_may_be_asked_for():
    stages = {"stages": Replace(({"name": "first", "steps": 5}, {"name": "second"}))}
    name = f"first/{GAP}"
    found = experiment({"a": stages}, metrics=(), checks=(Check(name, "a", "<"),))
    find.check_metrics(found, "a", found.recipe_of("a"))
    found = experiment({"a": stages}, metrics=(), checks=(Check(f"frist/{GAP}", "a", "<"),))
    with pytest.raises(ConfigError, match=r"unknown metric 'frist/geometry"):
        find.check_metrics(found, "a", found.recipe_of("a"))


FILE = """
from mmjax.claims import Check, Claim

def claim():
    return Claim(statement="s", arms={"clip": {}}, checks=(CHECK,), metrics=("m",), MORE)
"""


@pytest.mark.parametrize(
    ("check", "more", "said"),
    [
        (
            "Check('m', 'clop', '<')",
            "",
            "unknown arm 'clop' of 'claim.checks'; did you mean 'clip'?",
        ),
        ("Check('m', 'clip', '=')", "", "'claim.checks[0].compare' should be one of '<=', '>='"),
        ("Check('m', 'clip', '<', factor='x')", "", "'claim.checks[0].factor' should be a float"),
        ("Check('m', 'clip', '<', ofset=1)", "", "unknown key 'claim.checks.ofset'; did you mean"),
        ("Check('m', 'clip')", "", "a key of 'claim.checks' is missing: 'compare'"),
        ("Check('m', 'clip', '<')", "seed=(1,)", "unknown key 'claim.seed'; did you mean 'seeds'?"),
        ("Check('m', 'clip', '<')", "seeds=3", "'claim.seeds' should be "),
        ("Check('m', 'clip', '<')", "paper_numbers=undefined", "line 5: NameError: name 'undefi"),
        ("3", "", "'claim.checks[0]' should be "),
    ],
)
def test_a_mistake_in_a_claim_is_named_with_its_file(check, more, said, tmp_path):
    (tmp_path / "claims").mkdir()
    file = tmp_path / "claims" / "toy.py"
    file.write_text(FILE.replace("CHECK", check).replace("MORE", more))
    with pytest.raises(ConfigError) as error:
        find.find("toy", tmp_path)
    assert str(error.value).startswith(str(file))
    assert said in str(error.value)


def test_a_claim_without_its_statement_and_a_function_that_makes_none(tmp_path):
    (tmp_path / "claims").mkdir()
    file = tmp_path / "claims" / "toy.py"
    file.write_text(FILE.replace('statement="s", ', "").replace("CHECK,", "").replace("MORE", ""))
    with pytest.raises(ConfigError, match=r"a key of 'claim' is missing: 'statement'"):
        find.find("toy", tmp_path)
    file.write_text("def claim():\n    return 3\n")
    with pytest.raises(ConfigError, match=r"claim\(\) should return a Claim, not 3"):
        find.find("toy", tmp_path)
