"""Records are of the claims that there are, as they are, and the arms of these are configs."""

import ast
import re
from pathlib import Path

import pytest
from tiers import long_but

from mmjax.claims import find, judge, records, tuning

ROOT = Path(__file__).parents[2]
CONFIGS, FOLDER = ROOT / "configs", ROOT / "docs" / "claims"
WORDS = [
    f"{file.stem}:{name}"
    for file in sorted((CONFIGS / "claims").glob("*.py"))
    if file.stem != "__init__"
    for name in find.names(file)
]
RECORDS = records.read(FOLDER)
RUN = [word for word in WORDS if word.split(":")[1] in RECORDS.get(word.split(":")[0], {})]


def record_of(word):
    recipe, _, variant = word.partition(":")
    return RECORDS[recipe][variant]


def test_every_record_is_of_an_experiment():
    kept = {f"{recipe}:{claim}" for recipe, found in RECORDS.items() for claim in found}
    assert kept <= set(WORDS)
    files = {find.find(word, CONFIGS).name for word in kept}
    assert {file.stem for file in (FOLDER / "of").glob("*.json")} == files
    names = {find.find(word, CONFIGS).name for word in WORDS}
    assert {file.stem for file in (CONFIGS / "claims" / "tuned").glob("*.json")} <= names


# Seconds go into drawing what these are of.
DRAWN_LONG = ("sat:claim", "lexiclip:claim", "llm4gta:claim")


@pytest.mark.parametrize("word", long_but(lambda word: word not in DRAWN_LONG, RUN))
def test_a_record_is_of_the_claim_as_it_is(word):
    experiment = find.find(word, CONFIGS)
    advice = f"run `python -m mmjax.claims {word}`, then `python tools/recipe.py collect`"
    assert records.stale(experiment, FOLDER) == [], advice


@pytest.mark.parametrize("word", RUN)
def test_a_record_has_what_its_page_shows(word):
    claim, record = find.find(word, CONFIGS).claim, record_of(word)
    assert record["verdict"] in judge.VERDICTS
    assert len(record["seeds"]) >= 5
    for arm, found in record["arms"].items():
        assert set(find.find(word, CONFIGS).needed(arm)) <= set(found)
        assert all(len(values) == len(claim.seeds) for values in found.values())


@pytest.mark.parametrize("word", long_but(lambda word: word.endswith(":claim"), WORDS))
def test_every_arm_of_a_claim_is_a_config(word):
    experiment = find.find(word, CONFIGS)
    claim = experiment.claim
    assert claim.checks or claim.rankings or claim.not_tested
    assert not claim.paper.endswith(".")
    assert not claim.statement.endswith(".")
    for i, (arm, each) in enumerate(claim.arms.items()):
        setting = claim.arms[each.like or arm].settings()[0]
        # One of the seeds of arms with the same keys of seeds stands for all.
        for seed in claim.seeds[: 1 if i and each.seed_keys is None else 2]:
            config = experiment.recipe_of(arm, seed, setting)
            assert config.seed == seed
        assert (config.recipe, config.variant) == (experiment.recipe, experiment.variant)
        assert config.paper
        find.check_metrics(experiment, arm, config, experiment.needed(arm))
        if each.grid:
            first, *others = each.settings()
            # Every value of every key, not every combination.
            others = [own for own in others if sum(own[key] != first[key] for key in own) == 1]
            tried = [(seed, first) for seed in claim.tuning.seeds]
            for seed, setting in [*tried, *((claim.tuning.seeds[0], own) for own in others)]:
                config = experiment.recipe_of(arm, seed, setting, tuning=True)
                find.check_metrics(experiment, arm, config, experiment.to_tune(arm))


# A number that somebody measured: a decimal fraction that is neither part of a word, such as a
# version or an arXiv number, nor a setting of the recipe.
_NUMBER = re.compile(r"(?<![\w.:/-])-?(?:0?\.\d+|\d+\.\d+)(?![\w.:/-]|\.\d)")


def numbers_in(text):
    """The fractions of a text, as written, but for what chance gives."""
    text = re.sub(r"\bchance (?:is|of|,)? ?0?\.\d+", "", text)
    return {found.group().lstrip("-") for found in _NUMBER.finditer(text)}


def known_numbers(experiment, record):
    """Texts of the numbers that a record has, with two and three digits, and of settings."""
    claim = experiment.claim
    keys = ("left", "bound", "difference", "low", "high")
    checks = [check for part in ("premises", "checks", "extras") for check in record[part]]
    values = [abs(check[key]) for check in checks for key in keys]
    for metrics in record["arms"].values():
        for found in metrics.values():
            values += [*map(abs, found), abs(sum(found) / len(found))]
    return {f"{value:.{digits}f}" for value in values for digits in (1, 2, 3)} | settings_of(claim)


def settings_of(claim):
    """Numbers of arms, grids and of the paper, as text."""
    text = repr((claim.arms, claim.config, claim.changes, claim.tuning)) + claim.paper_numbers
    found = re.findall(r"\d*\.\d+(?:e-?\d+)?|\d+e-\d+", text)
    return {form for number in found for form in (f"{float(number):g}", number)}


@pytest.mark.parametrize("word", WORDS)
def test_no_text_has_a_number_that_is_in_no_record(word):
    """What was measured is in a record, and the page shows it; texts say what it means."""
    experiment = find.find(word, CONFIGS)
    claim = experiment.claim
    known = settings_of(claim)
    if word in RUN:
        known |= known_numbers(experiment, record_of(word))
    for text in (claim.notes, claim.statement, claim.paper, claim.not_tested):
        unknown = {n for n in numbers_in(text) if not {n, n.lstrip("0"), f"0{n}"} & known}
        offsets = {f"{abs(c.offset):g}" for c in claim.all_checks}
        offsets |= {f"{c.factor:g}" for c in claim.all_checks}
        offsets |= {f"{ranking.least:g}" for ranking in claim.rankings}
        assert not {n for n in unknown if f"{float(n):g}" not in offsets}, text


# A sentence with one of these tells a result.
_RESULT = re.compile(r"R@\d|recall|accurac|top-1|AUROC|correlation|zero-shot|\bprobe|times chance")
_THEIRS = re.compile(r"\b(paper|authors?|reproduction)('s)?\b")


@pytest.mark.parametrize("recipe", sorted(file.stem for file in CONFIGS.glob("*.py")))
def test_no_docstring_has_a_result_that_is_in_no_record(recipe):
    known = set()
    for word in RUN:
        if word.split(":")[0] == recipe:
            known |= known_numbers(find.find(word, CONFIGS), record_of(word))
    for file in (CONFIGS / f"{recipe}.py", CONFIGS / "claims" / f"{recipe}.py"):
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
        for node in ast.walk(tree):
            if not isinstance(node, ast.Module | ast.FunctionDef):
                continue
            text = " ".join((ast.get_docstring(node) or "").split())
            for sentence in re.split(r"(?<=[.;:]) ", text):
                if _RESULT.search(sentence) and not _THEIRS.search(sentence):
                    assert numbers_in(sentence) <= known, f"{file}: {sentence}"


def test_tunings_are_stored_whole():
    for word in WORDS:
        experiment = find.find(word, CONFIGS)
        stored = tuning.read(experiment)
        if stored is None:
            continue
        counts = {len(found["trials"]) for found in stored["arms"].values()}
        assert len(counts) == 1, word
        assert not {*stored["seeds"]} & {*experiment.claim.seeds}
