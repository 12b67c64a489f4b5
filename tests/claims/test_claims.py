"""The runner of claims: arms over seeds, a verdict, what is kept and what is refused."""

import json
import re
import shutil

import pytest
from absl.testing import flagsaver
from claim_files import EXPERIMENT, RECIPE, put

from mmjax.claims import find, main, records, runs
from mmjax.errors import ConfigError
from mmjax.train import trainer
from mmjax.train.signals import Interrupted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recipes with a claim that may hold, one that cannot, mistakes, and one without a claim."""
    folder = tmp_path_factory.mktemp("recipes")
    put(folder, "tiny")
    put(folder, "false", bound="2.5")
    put(folder, "typo", EXPERIMENT.replace('"weight"', '"wieght"'))
    put(folder, "unmeasured", EXPERIMENT.replace("positive_cosine", "positve_cosine"))
    (folder / "claims" / "__init__.py").write_text("raise SystemExit\n")
    (folder / "none.py").write_text("from mmjax.configs.clip import get_config\n")
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def run(folder, out, set_flags, capsys):
    """`run("name", ...)`: exit code, what was said, and what was said of errors."""

    def call(*names, **flags):
        own = {"configs": folder, "out": out, "jobs": 1, "records": out / "records"}
        code = 0
        with flagsaver.flagsaver():  # the next call has none of these
            set_flags(**{**own, **flags})
            try:
                main.main(["claims", *names])
            except SystemExit as end:
                code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def made(monkeypatch):
    """The names of the folders of the runs that are trained."""
    names, train = [], trainer.train

    def noted(config, path, **options):
        names.append(path.name)
        return train(config, path, **options)

    monkeypatch.setattr(trainer, "train", noted)
    return names


@pytest.fixture(scope="module")
def tuned(folder, out):
    """The tuning of the two claims that can be run, tried once."""
    for name in ("tiny", "false"):
        runs.tune(find.find(name, folder), out)
    return out / "tuned"


@pytest.mark.smoke
def test_a_claim_is_tuned_and_then_judged_at_what_was_chosen(run, out, made):
    code, said, error = run("tiny")
    assert code == 2
    assert "arm 'plain': was not tuned. Run `python -m mmjax.claims tiny --tune` first" in error
    code, said, _ = run("tiny", tune=True)
    assert code == 0
    assert "4 of 4 runs (aligned, learning_rate 0.01, seed 20)" in said
    assert "tiny: tuned on seeds 20" in said
    tuning = json.loads((out / "tuned" / "tiny.json").read_text())
    assert list(tuning["arms"]) == ["plain", "aligned"]
    for arm in tuning["arms"].values():
        values = [trial["values"][0] for trial in arm["trials"]]
        assert len(set(values)) == 2  # rates differ
        best = arm["trials"][values.index(max(values))]
        assert arm["choice"] == best["setting"]

    code, said, _ = run("tiny")
    assert code == 0
    assert "4 of 4 runs (aligned, seed 1)" in said
    assert "tiny: numbers are numbers" in said
    assert "The paper: alignment aligns" in said
    result = json.loads((out / "tiny.json").read_text())
    assert said.endswith(f"{result['verdict'].upper()} ({result['because']})\n")
    assert result["seeds"] == [0, 1]
    assert result["checks"][1]["holds"] is True
    for arm in ("plain", "aligned"):
        assert result["settings"][arm] == tuning["arms"][arm]["choice"]
        values = [metrics["geometry/test/positive_cosine"] for metrics in result["arms"][arm]]
        assert len(set(values)) == 2  # seeds differ
        for seed in (0, 1):
            run_folder = out / "runs" / "tiny" / f"{arm}-seed{seed}"
            summary = json.loads((run_folder / "summary.json").read_text())
            assert summary == result["arms"][arm][seed]
            config = json.loads((run_folder / "config.json").read_text())
            rate = tuning["arms"][arm]["choice"]["optimizer.learning_rate"]
            assert config["optimizer"]["learning_rate"] == rate
    assert result["arms"]["plain"] != result["arms"]["aligned"]

    # Finished runs are read, not made again, so an interrupted command resumes.
    made.clear()
    (out / "runs" / "tiny" / "plain-seed1" / "summary.json").unlink()
    assert run("tiny")[0] == 0
    assert made == ["plain-seed1"]
    after = json.loads((out / "tiny.json").read_text())
    for parts in (result, after):
        del parts["arms"]["plain"][1]["seconds"], parts["seconds"]
    assert after == result


@pytest.mark.long
def test_runs_at_once_give_what_runs_in_turn_give(run, out, tuned, tmp_path):
    run("tiny")  # read, where another test has made it
    shutil.copytree(tuned, tmp_path / "two" / "tuned")
    code, said, _ = run("tiny", jobs=2, out=tmp_path / "two")
    assert code == 0
    assert "4 of 4 runs" in said
    one, two = (json.loads((o / "tiny.json").read_text()) for o in (out, tmp_path / "two"))
    assert (one["jobs"], two["jobs"]) == (1, 2)
    for result in (one, two):
        for seeds in result["arms"].values():
            for metrics in seeds:
                del metrics["seconds"]
        del result["jobs"], result["seconds"]
    assert two == one


def test_a_mistake_in_another_process_is_the_same_sentence(folder, run, tmp_path):
    put(tmp_path, "tiny", recipe=RECIPE.replace("source, 16", "source, 72"))
    said = {
        jobs: run("tiny", configs=tmp_path, out=tmp_path / "out", jobs=jobs, tune=True)
        for jobs in (1, 2)
    }
    assert said[1][0] == said[2][0] == 2
    assert said[1][2] == said[2][2]
    assert "batch_size=72 is larger than the 64 examples" in said[2][2]


def _but_seconds(row):
    """A row of the table without its times, which are measured."""
    return re.sub(r"( of \d+) +\d+ +", r"\1 ", row)


def test_an_interrupted_command_goes_on_and_ends_in_one_table(run, out, tuned, monkeypatch):
    calls, train = [], trainer.train

    def killed_in_the_third(config, path, **options):
        calls.append((config.recipe, path.name))
        if len(calls) == 3:
            raise Interrupted(15)
        return train(config, path, **options)

    monkeypatch.setattr(trainer, "train", killed_in_the_third)
    code, said, _ = run("false", "tiny", seeds="5,6")
    assert code == 128 + 15
    assert "baseline -> strongest control -> recipe" not in said
    code, said, _ = run("false", "tiny", seeds="5,6")
    assert code == 0  # a negative verdict is a result
    assert [name for _, name in calls[2:4]] == ["plain-seed6", "plain-seed6"]
    table = said.rpartition("claim  ")[2].splitlines()
    head, _, *rows = table
    assert head.split()[:3] == ["verdict", "checks", "seconds"]
    assert [row.split()[0] for row in rows] == ["false", "tiny"]
    assert "not reproduced" in rows[0]
    assert "1 of 2" in rows[0]
    assert json.loads((out / "false.json").read_text())["seeds"] == [5, 6]
    # Everything is there now; what is asked for again is read.
    count = len(calls)
    again = run("false", "tiny", seeds="5,6")[1].rpartition("claim  ")[2].splitlines()
    assert [_but_seconds(row) for row in again] == [_but_seconds(row) for row in table]
    assert len(calls) == count


@pytest.mark.long
def test_a_run_of_a_recipe_that_has_changed_since_is_made_anew(tmp_path, run, made):
    where = {"configs": tmp_path, "out": tmp_path / "out"}
    put(tmp_path, "tiny")
    assert run("tiny", tune=True, **where)[0] == 0
    made.clear()
    assert run("tiny", **where)[0] == 0
    assert len(made) == 4
    # One that was stored before a key existed is of the same recipe.
    stored = tmp_path / "out" / "runs" / "tiny" / "plain-seed1" / "config.json"
    config = json.loads(stored.read_text())
    del config["checkpoints"]["keep_best"]
    stored.write_text(json.dumps(config))
    put(tmp_path, "tiny", EXPERIMENT.replace('"weight": 2.0', '"weight": 3.0'))
    code, _, said = run("tiny", **where)
    assert code == 2
    assert "of the tuning: arm 'aligned': objectives.alignment.weight: 2.0 -> 3.0. Run " in said
    assert run("tiny", tune=True, **where)[0] == 0
    assert made[4:] == [f"aligned-learning_rate {rate}-seed20" for rate in (0.001, 0.01)]
    assert run("tiny", **where)[0] == 0
    assert made[6:] == ["aligned-seed0", "aligned-seed1"]


@pytest.mark.long
def test_a_claim_that_does_not_hold_says_so(run, out, tuned):
    code, said, _ = run("false")
    assert code == 0
    assert "\nFAILS  it is aligned: geometry/test/positive_cosine, aligned >= plain + 2.5: " in said
    assert said.endswith("\nNOT REPRODUCED (does not hold: it is aligned)\n")
    result = json.loads((out / "false.json").read_text())
    assert result["verdict"] == "not reproduced"
    assert [check["holds"] for check in result["checks"]] == [False, True]


def test_seeds_of_tuning_are_not_judged(run, tuned):
    assert "seeds [20] were used to tune tiny: give others" in run("tiny", seeds="20,7")[2]
    assert "--seeds takes whole numbers" in run("tiny", seeds="a")[2]
    assert "--seeds has a number twice" in run("tiny", seeds="7,7")[2]


def test_a_trial_trains_every_arm_and_keeps_nothing(run, out, made, tmp_path):
    code, said, _ = run("tiny", trial=True, out=tmp_path)
    assert code == 0
    assert made == [
        "plain-seed20",
        "plain-tuning-seed20",
        "aligned-seed20",
        "aligned-tuning-seed20",
    ]
    assert "tiny: every arm trains and measures" in said
    assert [file.name for file in tmp_path.glob("*.json")] == []


def test_mistakes_are_found_before_the_first_run(run, monkeypatch):
    monkeypatch.setattr(trainer, "train", lambda *_, **__: pytest.fail("it ran"))
    code, _, said = run("typo", tune=True)
    assert code == 2
    assert (
        "claims/typo.py, arm 'aligned': unknown key 'objectives.alignment.wieght'; did you" in said
    )
    assert "claims/tiny.py: unknown claim 'claim_2'" in run("tiny:claim_2")[2]
    assert "none.py has no claim: " in run("none")[2]
    assert "there is no config file" in run("tinny")[2]
    assert "did you mean " in run("tinny")[2]
    assert run()[2].startswith("mmjax: which claim? Give a recipe's name")


def test_a_metric_that_nobody_measures_ends_it_after_one_run(run, monkeypatch):
    monkeypatch.setattr(
        trainer, "train", lambda *_, **__: {"geometry/test/positive_cosine": 0.5, "seconds": 1.0}
    )
    code, said, error = run("unmeasured", tune=True)
    assert code == 2
    assert "1 of 4 runs" in said
    assert "2 of 4 runs" not in said
    assert "unknown metric 'geometry/test/positve_cosine' of 'claim.metrics'; did you me" in error


def test_which_recipes_of_a_folder_make_a_claim(folder):
    broken = folder / "claims" / "broken.py"
    broken.write_text("def claim(:\n")
    with pytest.raises(ConfigError, match=r"broken\.py, line 1"):
        find.find_all(folder)
    broken.unlink()
    words = [experiment.word for experiment in find.find_all(folder)]
    assert words == ["false", "tiny", "typo", "unmeasured"]
    more = EXPERIMENT.replace("BOUND", "2.0") + "\n\nclaim_more = claim\n"
    broken.write_text(more)
    assert [each.word for each in find.find_all(folder)][:2] == ["broken", "broken:claim_more"]
    assert find.find("broken:claim_more", folder).name == "broken-claim_more"
    broken.unlink()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"aligned", ">=", "plain", offset', '"algned", ">=", "plain", offset', "unknown arm"),
        ('"aligned", ">=", "plain", offset', '"plain", ">=", "plain", offset', "with itself"),
        ('weight": 2.0}}}, grid=RATES', 'weight": 2.0}}}', "needs one of 'grid'"),
        (
            'weight": 2.0}}}, grid=RATES',
            'weight": 2.0}}}, grid={"optimizer.b1": (0.1, 0.2, 0.3)}',
            "differ in their number of trials: 2 of 'plain', 3 of 'aligned'",
        ),
        ("seeds=(0, 1)", "seeds=(0, 20)", "are used for tuning, too"),
        ("tuning=Tuning(COSINE, seeds=(20,)),", "", "needs 'tuning'"),
        ("metrics=(COSINE,)", "metrics=(COSINE,), shown=1", "unknown key 'claim.shown'"),
        ('"it is no worse", COSINE, ', "", "a key of 'claim, Check' is missing"),
        (
            "metrics=(COSINE,)",
            'metrics=(COSINE,), controls=(Control("c", "aligned", "plain"),)',
            "of which no check is",
        ),
        (
            "metrics=(COSINE,)",
            'metrics=(COSINE,), controls=(Control("c", "aligned", "aligned"),)',
            "compares 'aligned' with itself",
        ),
        ('weight": 2.0}}}, grid=RATES', 'weight": 2.0}}}, like="plane"', "unknown arm 'plane'"),
    ],
)
def test_what_an_experiment_may_not_say(tmp_path, old, new, said):
    assert old in EXPERIMENT
    put(tmp_path, "tiny", EXPERIMENT.replace(old, new))
    with pytest.raises(ConfigError) as error:
        find.find("tiny", tmp_path)
    assert said in str(error.value)
    assert "claims/tiny.py" in str(error.value)


@pytest.mark.long
def test_stale_records_are_listed_and_made_again(tmp_path, run, made):
    """A record knows the configs, the data and the words that it is of."""
    put(tmp_path, "tiny")
    where = {"configs": tmp_path, "out": tmp_path / "out", "records": tmp_path / "records"}
    code, said, _ = run(stale=True, **where)
    assert (code, said) == (1, "tiny: it was not run\n")
    assert run("tiny", tune=True, **where)[0] == 0
    assert run("tiny", **where)[0] == 0
    assert records.collect(tmp_path / "out", tmp_path / "records", tmp_path) == ["tiny"]
    assert run(stale=True, **where)[:2] == (0, "")
    made.clear()
    assert run(all=True, **where)[0] == 0
    assert made == []

    def now(experiment=EXPERIMENT, recipe=RECIPE):
        put(tmp_path, "tiny", experiment, recipe)
        return run(stale=True, **where)[:2]

    code, said = now(EXPERIMENT.replace('"weight": 2.0', '"weight": 3.0'))
    assert code == 1
    assert said == "tiny: of the tuning: arm 'aligned': objectives.alignment.weight: 2.0 -> 3.0\n"
    code, said = now(EXPERIMENT.replace("offset=-2.0", "offset=-3.0"))
    assert said == "tiny: checks have changed\n"
    code, said = now(EXPERIMENT.replace("numbers are numbers", "numbers"))
    assert said == "tiny: statement has changed\n"
    code, said = now(recipe=RECIPE.replace('"steps": 4', '"steps": 5'))
    assert "tiny: of the tuning: arm 'plain': steps: 4 -> 5\n" in said
    code, said = now(EXPERIMENT.replace("seeds=(0, 1)", "seeds=(0, 2)"))
    assert "tiny: seeds has changed\n" in said
    code, said = now(EXPERIMENT.replace("1e-2)", "2e-2)"))
    assert "was tuned with another grid" in said
    assert now() == (0, "")
    # `--all` makes those again, and tunes them where that is stale, too.
    put(tmp_path, "tiny", EXPERIMENT.replace("numbers are numbers", "numbers"))
    shutil.rmtree(tmp_path / "out" / "runs")
    assert run(all=True, **where)[0] == 0
    assert len(made) == 4
    put(tmp_path, "tiny", EXPERIMENT.replace('"weight": 2.0', '"weight": 3.0'))
    assert run(all=True, **where)[0] == 0
    assert len(made) == 4 + 4 + 2
