"""Records are of the claims that there are, and the arms of these are configs."""

from pathlib import Path

import pytest

from mmjax.claims import find, records

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
WORDS = [
    f"{file.stem}:{name}"
    for file in sorted((CONFIGS / "claims").glob("*.py"))
    if file.stem != "__init__"
    for name in find.names(file)
]
RECORDS = records.read(ROOT / "docs" / "claims")


def test_every_record_is_of_an_experiment_and_every_experiment_has_one():
    kept = {f"{recipe}:{claim}" for recipe, found in RECORDS.items() for claim in found}
    assert kept == set(WORDS)
    assert len(kept) >= 30


@pytest.mark.parametrize("word", WORDS)
def test_a_record_is_of_the_claim_as_it_is(word):
    recipe, _, variant = word.partition(":")
    record = RECORDS.get(recipe, {}).get(variant)
    assert record, f"no result of {word}: mmjax claims {word}, then tools/recipe.py collect"
    claim = find.find(word, CONFIGS).claim
    assert record["statement"] == claim.statement
    assert record["paper_numbers"] == claim.paper_numbers
    assert record["seeds"] == list(claim.seeds)
    assert set(record["arms"]) == set(claim.arms)
    asked = [{key: check[key] for key in vars(claim.checks[0])} for check in record["checks"]]
    assert asked == [vars(check) for check in claim.checks]
    assert record["shown"] is all(check["holds"] for check in record["checks"])
    for arm, found in record["arms"].items():
        needed = set(find.find(word, CONFIGS).needed(arm))
        assert needed <= set(found)
        assert all(len(values) == len(claim.seeds) for values in found.values())


@pytest.mark.parametrize("word", WORDS)
def test_every_arm_of_a_claim_is_a_config(word):
    experiment = find.find(word, CONFIGS)
    claim = experiment.claim
    assert claim.checks
    compared = {arm for check in claim.checks for arm in (check.arm, check.baseline) if arm}
    assert compared <= set(claim.arms)
    for arm in claim.arms:
        for seed in claim.seeds:
            config = experiment.recipe_of(arm, seed)
            assert config.seed == seed
        assert (config.recipe, config.variant) == (experiment.recipe, experiment.variant)
        assert config.paper
        find.check_metrics(experiment, arm, config)
