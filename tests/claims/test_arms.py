"""What an experiment may say, and what is said of mistakes in it."""

from pathlib import Path

import pytest

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning, find
from mmjax.errors import ConfigError

CHECK = Check("s", "compared", "a", ">=", "b")
GAP = "geometry/test/centroid_distance"


def experiment(arms, metrics=("shown",), checks=(CHECK,), **more):
    """Of the recipe `clip_uniform`, whose variant `latent` has the evaluators geometry/test, ..."""
    arms = {
        name: each if isinstance(each, Arm) else Arm(each, untuned="for the test")
        for name, each in arms.items()
    }
    parts = dict(paper="p", statement="s", arms=arms, checks=checks, metrics=metrics)
    claim = Claim(**parts, **{"variant": "latent", **more})
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


def test_a_control_needs_what_it_is_compared_by():
    arms = {name: {"evaluators": Replace({})} for name in "abc"}
    checks = (Check("s", ("m", "n"), "a", ">=", "b", against="o"),)
    found = experiment(arms, checks=checks, controls=(Control("c", "c", "a", {"m": "r"}),))
    assert {arm: found.needed(arm) for arm in arms} == {
        "a": ["m", "n"],
        "b": ["o"],
        "c": ["r", "n"],
    }


def test_a_setting_is_of_all_keys_that_it_names_and_of_stages():
    stages = {"stages": Replace(({"name": "first", "steps": 5}, {"name": "second"}))}
    found = experiment({"a": stages}, tuning=Tuning("m", changes={"log_every": 3}))
    setting = {
        "optimizer.b1, optimizer.b2": 0.5,
        "stages.second.optimizer.learning_rate": 0.1,
        "objectives.clip.temperature": 0.2,
    }
    recipe = found.recipe_of("a", 1, setting)
    assert (recipe.optimizer.b1, recipe.optimizer.b2) == (0.5, 0.5)
    assert recipe.stages[1].changes["optimizer"]["learning_rate"] == 0.1
    assert recipe.objectives["clip"].term.options["temperature"] == 0.2
    assert recipe.log_every != 3
    assert found.recipe_of("a", 1, setting, tuning=True).log_every == 3
    short = found.recipe_of("a", 1, {"optimizer.warmup_steps": 100}, trial=True)
    assert (short.steps, short.optimizer.warmup_steps, short.stages[0].changes["steps"]) == (
        12,
        3,
        5,
    )


def test_an_arm_with_other_data_keeps_the_seed_of_its_world():
    other = {"data": {"source": Replace({"type": "gaussian_latent", "dim": 32})}}
    keys = {"seed_keys": ("data.source.seed",)}
    found = experiment({"a": other, "b": Arm(other, untuned=".", seed_keys=())}, **keys)
    assert found.recipe_of("a", 7, {}).data.source.options["seed"] == 7
    assert found.recipe_of("b", 7, {}).data.source.options["seed"] == 0


def test_an_arm_is_the_recipe_with_its_changes_and_the_seed():
    clip = {"objectives": Replace({"clip": {"type": "info_nce", "pairs": (("a", "b"),)}})}
    found = experiment(
        {"a": clip, "b": {"data": {"source": {"dim": 8}}}},
        changes={"steps": 7},
        seed_keys=("data.source.seed",),
    )
    first, second = found.recipe_of("a", 3, {}), found.recipe_of("b", 4, {})
    assert (first.recipe, first.variant) == ("clip_uniform", "claim")
    assert set(first.objectives) == {"clip"}
    assert (first.seed, first.data.source.options["seed"], first.steps) == (3, 3, 7)
    assert (second.seed, *(second.data.source.options[key] for key in ("seed", "dim"))) == (4, 4, 8)
    assert set(second.objectives) > {"clip"}
    # A config of the experiment's own, in place of a variant.
    own = experiment({"a": {}}, config=found.recipe_of("b", 0, {}).plain())
    assert own.recipe_of("a", 0, {}).data.source.options["dim"] == 8


def test_mistakes_of_an_arm_are_said_with_its_name():
    with pytest.raises(ConfigError, match=r"claims/clip_uniform\.py, arm 'a': unknown key 'stepz'"):
        experiment({"a": {"stepz": 3}}).recipe_of("a", 0, {})
    with pytest.raises(ConfigError, match=r"arm 'a': a change: unknown stage 'x' of 'stages'"):
        experiment({"a": {"stages": {"x": None}}}).recipe_of("a", 0, {})


def refused_metric(metric, arm=None, **more):
    found = experiment({"a": arm or {}}, metrics=(metric,), checks=(), **more)
    with pytest.raises(ConfigError) as error:
        find.check_metrics(found, "a", found.recipe_of("a", 0, {}), found.needed("a"))
    return str(error.value)


def test_a_claim_goes_by_the_evaluators_and_terms_that_there_are():
    found = experiment({"a": {}}, metrics=(GAP, "train/clip/loss", "seconds"), checks=())
    find.check_metrics(found, "a", found.recipe_of("a", 0, {}), found.needed("a"))
    said = refused_metric("geometry/tset/x")
    assert "claims/clip_uniform.py: unknown metric 'geometry/tset/x' of 'claim.metrics'" in said
    assert "did you mean 'geometry/test/..." in said
    said = refused_metric("train/clop/loss")
    assert "unknown metric 'train/clop/loss'" in said
    assert "did you mean 'train/clip/..." in said
    assert "unknown metric 'best/step'" in refused_metric("best/step")
    kept = {"checkpoints": {"keep_best": 1, "metric": GAP}}
    found = experiment({"a": kept}, metrics=("best/step", f"best/{GAP}"), checks=())
    find.check_metrics(found, "a", found.recipe_of("a", 0, {}), found.needed("a"))


def test_metrics_of_a_stage_may_be_asked_for():
    stages = {"stages": Replace(({"name": "first", "steps": 5}, {"name": "second"}))}
    name = f"first/{GAP}"
    found = experiment({"a": stages}, metrics=(), checks=(Check("s", name, "a", "<=", "b"),))
    find.check_metrics(found, "a", found.recipe_of("a", 0, {}), found.needed("a"))
    found = experiment(
        {"a": stages}, metrics=(), checks=(Check("s", f"frist/{GAP}", "a", "<=", "b"),)
    )
    with pytest.raises(ConfigError, match=r"unknown metric 'frist/geometry"):
        find.check_metrics(found, "a", found.recipe_of("a", 0, {}), found.needed("a"))


def test_the_metrics_of_a_run_are_those_of_its_last_stage():
    late = {"source": {"like": "data.source"}, "pair": ("a", "b")}
    own = {"evaluators": {"geometry": {"late": late}}}
    for stages, known in (
        (({"name": "first", "steps": 5}, {"name": "second", **own}), True),
        (({"name": "first", "steps": 5, **own}, {"name": "second"}), False),
    ):
        check = Check("s", GAP.replace("/test/", "/late/"), "a", "<=", "b")
        arm = {"stages": Replace(stages)}
        found = experiment({"a": arm}, metrics=(), checks=(check,))
        recipe = found.recipe_of("a", 0, {})
        if known:
            find.check_metrics(found, "a", recipe, found.needed("a"))
        else:
            with pytest.raises(ConfigError, match=r"unknown metric 'geometry/late"):
                find.check_metrics(found, "a", recipe, found.needed("a"))


FILE = """
from mmjax.claims import Arm, Check, Claim

def claim():
    arms = dict.fromkeys(("clip", "old"), Arm(untuned="."))
    return Claim(paper="p", statement="s", arms=arms, checks=(CHECK,), metrics=("m",), MORE)
"""
OTHER = "Check('s', 'm', 'clip', '<=', 'old'"


@pytest.mark.parametrize(
    ("check", "more", "said"),
    [
        (
            "Check('s', 'm', 'clop', '<=', 'old')",
            "",
            "unknown arm 'clop' of 'claim.checks[0]'; did you mean 'clip'?",
        ),
        (
            "Check('s', 'm', 'clip', '<', 'old')",
            "",
            "'claim.checks[0].compare' should be one of '<=', '>='",
        ),
        (f"{OTHER}, factor='x')", "", "'claim.checks[0].factor' should be a float"),
        (f"{OTHER}, ofset=1)", "", "unknown key 'claim, Check.ofset'; did you mean"),
        ("Check('s', 'm', 'clip')", "", "a key of 'claim, Check' is missing: 'compare'"),
        (f"{OTHER})", "seed=(1,)", "unknown key 'claim.seed'; did you mean 'seeds'?"),
        (f"{OTHER})", "seeds=3", "'claim.seeds' should be "),
        (f"{OTHER})", "paper_numbers=undefined", "line 6: NameError: name 'undefi"),
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
