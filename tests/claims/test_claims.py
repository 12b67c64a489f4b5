"""The runner of claims: arms over seeds, a verdict, what is kept and what is refused."""

import json

import pytest

from mmjax.claims import Check, find, judge, main
from mmjax.errors import ConfigError
from mmjax.train import trainer
from mmjax.train.signals import Interrupted

RECIPE = """
from mmjax.configs import clip_uniform
from mmjax.configs import common as c


def small():
    source = dict(type="gaussian_latent", dim=8, split="train", examples=64)
    test = {**source, "split": "test", "noise": 0.5}
    views, tower = c.vector(8, noise=0.5), c.mlp(8, (), 4)
    return {
        **clip_uniform.latent(),
        "steps": 4,
        "data": c.data(source, 16, a=views, b=views),
        "model": {"towers": c.towers(a=tower, b=tower)},
        "evaluators": c.geometry(source=test, pair=("a", "b")),
    }


get_config = c.variants("tiny", small)
"""

EXPERIMENT = '''
"""A claim that is tried in seconds."""

from mmjax.claims import Check, Claim

COSINE = "geometry/test/positive_cosine"


def claim():
    return Claim(
        statement="numbers are numbers",
        arms={
            "plain": {"objectives": {"alignment": None}},
            "aligned": {"objectives": {"alignment": {"weight": 2.0}}},
        },
        checks=(
            Check(COSINE, "aligned", ">=", offset=-1.0, each_seed=True),
            Check(COSINE, "aligned", "<", "plain", factor=0.0, offset=BOUND),
        ),
        metrics=(COSINE,),
        seeds=(0, 1),
    )
'''


def put(folder, name, experiment=EXPERIMENT, recipe=RECIPE):
    """A recipe and its experiment in a folder."""
    (folder / "claims").mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(recipe.replace('"tiny"', f'"{name}"'))
    (folder / "claims" / f"{name}.py").write_text(experiment.replace("BOUND", "2.0"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recipes with a claim that holds, one that does not, one whose last arm is wrong, and none."""
    folder = tmp_path_factory.mktemp("recipes")
    put(folder, "tiny")
    put(folder, "false", EXPERIMENT.replace("BOUND", "-2.0"))
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
        set_flags(**{"configs": folder, "out": out, "jobs": 1, **flags})
        with pytest.raises(SystemExit) as end:
            main.main(["claims", *names])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return call


@pytest.mark.smoke
def test_a_claim_that_holds_ends_with_0_and_is_written_down(run, out, monkeypatch):
    code, said, _ = run("tiny")
    assert code == 0
    assert "4 of 4 runs (aligned, seed 1)" in said
    assert "tiny: numbers are numbers" in said
    assert said.count("\nholds  geometry/test/positive_cosine: aligned ") == 2
    assert said.endswith("SHOWN\n")
    verdict = json.loads((out / "tiny.json").read_text())
    assert verdict["shown"] is True
    assert verdict["seeds"] == [0, 1]
    assert verdict["statement"] == "numbers are numbers"
    assert [check["holds"] for check in verdict["checks"]] == [True, True]
    assert len(verdict["checks"][0]["left"]) == 2  # of each seed
    assert len(verdict["checks"][1]["left"]) == 1  # of the mean
    for arm in ("plain", "aligned"):
        values = [metrics["geometry/test/positive_cosine"] for metrics in verdict["arms"][arm]]
        assert len(set(values)) == 2  # seeds differ
        for seed in (0, 1):
            summary = out / "runs" / "tiny" / f"{arm}-seed{seed}" / "summary.json"
            assert json.loads(summary.read_text()) == verdict["arms"][arm][seed]
    assert verdict["arms"]["plain"] != verdict["arms"]["aligned"]

    # Finished runs are read, not made again, so an interrupted command resumes.
    made = []
    train = trainer.train
    monkeypatch.setattr(
        trainer,
        "train",
        lambda config, path, **kw: made.append(path.name) or train(config, path, **kw),
    )
    (out / "runs" / "tiny" / "plain-seed1" / "summary.json").unlink()
    before = verdict
    assert run("tiny")[0] == 0
    assert made == ["plain-seed1"]
    after = json.loads((out / "tiny.json").read_text())
    for parts in (before, after):
        del parts["arms"]["plain"][1]["seconds"], parts["seconds"]
    assert after == before


def test_runs_at_once_give_what_runs_in_turn_give(run, out, tmp_path):
    run("tiny")  # read, where another test has made it
    code, said, _ = run("tiny", jobs=2, out=tmp_path / "two")
    assert code == 0
    assert "4 of 4 runs" in said
    one, two = (json.loads((o / "tiny.json").read_text()) for o in (out, tmp_path / "two"))
    assert (one["jobs"], two["jobs"]) == (1, 2)
    for verdict in (one, two):
        for seeds in verdict["arms"].values():
            for metrics in seeds:
                del metrics["seconds"]
        del verdict["jobs"], verdict["seconds"]
    assert two == one


def test_a_mistake_in_another_process_is_the_same_sentence(folder, run, tmp_path):
    put(tmp_path, "tiny", recipe=RECIPE.replace("source, 16", "source, 72"))
    said = {jobs: run("tiny", configs=tmp_path, out=tmp_path / "out", jobs=jobs) for jobs in (1, 2)}
    assert said[1][0] == said[2][0] == 2
    assert said[1][2] == said[2][2]
    assert "batch_size=72 is larger than the 64 examples" in said[2][2]


def test_all_claims_go_on_where_they_stopped_and_end_in_one_table(
    folder, tmp_path, run, monkeypatch
):
    both, out = tmp_path / "recipes", tmp_path / "out"
    both.mkdir()
    put(both, "false", EXPERIMENT.replace("BOUND", "-2.0"))
    put(both, "tiny")
    (both / "none.py").write_text((folder / "none.py").read_text())
    made, train = [], trainer.train

    def killed_in_the_sixth(config, path, **options):
        made.append((config.recipe, path.name))
        if len(made) == 6:
            raise Interrupted(15)
        return train(config, path, **options)

    monkeypatch.setattr(trainer, "train", killed_in_the_sixth)
    code, said, _ = run(all=True, configs=both, out=out)
    assert code == 128 + 15
    assert "NOT SHOWN" in said
    assert "baseline -> recipe" not in said
    code, said, _ = run(all=True, configs=both, out=out)
    assert code == 1  # one of them is not shown
    assert made[5:] == [
        ("tiny", run) for run in ("aligned-seed0", "aligned-seed0", "plain-seed1", "aligned-seed1")
    ]
    head, _, *rows = said.rpartition("claim  ")[2].splitlines()
    assert head.split() == ["shown", "checks", "seconds", "baseline", "->", "recipe"]
    assert [row.split()[:5] for row in rows] == [
        ["false", "no", "1", "of", "2"],
        ["tiny", "yes", "2", "of", "2"],
    ]
    assert all(row.count(" -> ") == 1 for row in rows)
    # Everything is there now; what is asked for again is read.
    assert run(all=True, configs=both, out=out)[1].endswith(said.rpartition("claim  ")[2])
    assert len(made) == 9


def test_a_run_of_a_recipe_that_has_changed_since_is_made_anew(folder, tmp_path, run, monkeypatch):
    put(tmp_path, "tiny")
    made, train = [], trainer.train
    monkeypatch.setattr(
        trainer, "train", lambda *args, **kw: made.append(args[1].name) or train(*args, **kw)
    )
    assert run("tiny", configs=tmp_path, out=tmp_path / "out")[0] == 0
    # One that was stored before a key existed is of the same recipe.
    stored = tmp_path / "out" / "runs" / "tiny" / "plain-seed1" / "config.json"
    config = json.loads(stored.read_text())
    del config["checkpoints"]["keep_best"]
    stored.write_text(json.dumps(config))
    put(tmp_path, "tiny", EXPERIMENT.replace('"weight": 2.0', '"weight": 3.0'))
    assert run("tiny", configs=tmp_path, out=tmp_path / "out")[0] == 0
    assert made[4:] == ["aligned-seed0", "aligned-seed1"]


def test_a_claim_that_does_not_hold_ends_with_1(run, out):
    code, said, _ = run("false")
    assert code == 1
    assert "\nFAILS  geometry/test/positive_cosine: aligned < 0 x plain - 2 in the mean: " in said
    assert said.endswith("\nNOT SHOWN\n")
    verdict = json.loads((out / "false.json").read_text())
    assert verdict["shown"] is False
    assert [check["holds"] for check in verdict["checks"]] == [True, False]


def test_mistakes_are_found_before_the_first_run(run, monkeypatch):
    monkeypatch.setattr(trainer, "train", lambda *_, **__: pytest.fail("it ran"))
    code, _, said = run("typo")
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
    code, said, error = run("unmeasured")
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


CHECK = {"metric": "m", "arm": "new", "baseline": "old", "factor": 0.5, "offset": 0.1}


@pytest.mark.parametrize(
    ("check", "new", "old", "holds"),
    [
        ({"compare": "<="}, [0.2, 0.4], [0.4, 0.4], True),  # 0.3 <= 0.5 * 0.4 + 0.1
        ({"compare": "<"}, [0.3, 0.3], [0.5, 0.3], False),
        ({"compare": ">="}, [0.35, 0.35], [0.5, 0.5], True),
        ({"compare": ">"}, [0.9, 0.1], [0.4, 0.4], True),
        ({"compare": ">", "each_seed": True}, [0.9, 0.1], [0.4, 0.4], False),
        ({"compare": "<", "baseline": None}, [0.0, 0.1], [9.0, 9.0], True),
        ({"compare": "<", "baseline": None, "each_seed": True}, [0.0, 0.1], [9.0, 9.0], False),
        ({"compare": "<="}, [float("nan")] * 2, [0.4, 0.4], False),
    ],
)
def test_a_check_is_its_inequality(check, new, old, holds):
    results = {"new": [{"m": v} for v in new], "old": [{"m": v} for v in old]}
    judged = judge.judge(Check(**{**CHECK, **check}), results)
    assert judged["holds"] is holds
    assert len(judged["left"]) == len(judged["right"]) == (2 if check.get("each_seed") else 1)
