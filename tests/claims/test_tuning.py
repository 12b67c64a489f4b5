"""Settings are chosen alike, and only by what was tried."""

import json

import pytest

from mmjax.claims import Arm, Check, Claim, Tuning, find, provenance, tuning
from mmjax.errors import ConfigError

GRID = {"optimizer.learning_rate": (1e-3, 1e-2, 1e-1), "objectives.clip.temperature": (0.1, 0.2)}


def claim(mode="max", **arms):
    return Claim(
        paper="p",
        statement="s",
        arms={"a": Arm(grid=GRID), "b": Arm(untuned="it is not trained"), **arms},
        checks=(Check("s", "m", "a", ">=", "b"),),
        metrics=("m",),
        tuning=Tuning("m", mode, seeds=(20, 21)),
    )


def test_every_combination_is_a_trial():
    tried = Arm(grid=GRID).settings()
    assert len(tried) == 6
    assert tried[0] == {"optimizer.learning_rate": 1e-3, "objectives.clip.temperature": 0.1}
    assert Arm().settings() == [{}]
    assert tuning.label(tried[1]) == "learning_rate 0.001, temperature 0.2"
    assert tuning.label({"objectives.a.weight, objectives.b.weight": 2}) == "weight 2"


@pytest.mark.parametrize(("mode", "best"), [("max", 3), ("min", 0)])
def test_the_best_mean_is_chosen_and_a_diverged_run_never(mode, best):
    means = [0.1, 0.2, 0.3, 0.6, 0.55, 0.4]
    found = [[{"m": mean - 0.02}, {"m": mean + 0.02}] for mean in means]
    found[4] = [{"m": 9.0 if mode == "max" else -9.0}, {}]
    chosen = tuning.choose(claim(mode), Arm(grid=GRID), found)
    assert chosen["choice"] == Arm(grid=GRID).settings()[best]
    assert chosen["trials"][4]["values"][1] is None
    assert chosen["trials"][0]["values"] == [0.08, 0.12]
    edges = {3: ["objectives.clip.temperature"], 0: list(GRID)}
    assert chosen["edge"] == edges[best]


def test_of_equally_good_settings_one_is_chosen_away_from_the_edges():
    found = [[{"m": 0.5}, {"m": 0.5}]] * 5 + [[{"m": 0.4}, {"m": 0.5}]]
    chosen = tuning.choose(claim(), Arm(grid=GRID), found)
    assert chosen["ties"] == 5
    assert chosen["choice"]["optimizer.learning_rate"] == 1e-2
    assert chosen["edge"] == ["objectives.clip.temperature"]


def test_where_all_diverge_nothing_is_chosen():
    with pytest.raises(ConfigError, match=r"every setting of .*learning_rate.* diverges"):
        tuning.choose(claim(), Arm(grid=GRID), [[{}, {}]] * 6)


def experiment(tmp_path, **arms):
    return find.Experiment("toy", "claim", tmp_path, claim(**arms))


def stored(grid, choice):
    trials = [{"setting": s, "values": [0.1, 0.1]} for s in Arm(grid=grid).settings()]
    return {
        "seeds": [20, 21],
        "arms": {"a": {"trials": trials, "choice": choice, "edge": [], "ties": 1}},
    }


def test_choices_are_those_that_are_stored(tmp_path):
    choice = Arm(grid=GRID).settings()[2]  # of equals the first that is at the fewest edges
    like = experiment(tmp_path, c=Arm({"steps": 3}, like="a"))
    found = tuning.choices(like, json.loads(json.dumps(stored(GRID, choice))))
    assert found == {"a": choice, "b": {}, "c": choice}
    # What an ablation changes itself it does not take from the arm that it is like.
    own = {"objectives": {"clip": {"temperature": 0.5}}}
    ablation = experiment(tmp_path, c=Arm(own, like="a"))
    found = tuning.choices(ablation, stored(GRID, choice))
    assert found["c"] == {k: v for k, v in choice.items() if "temperature" not in k}
    assert found["c"] != choice
    with pytest.raises(ConfigError, match=r"arm 'a': was not tuned. Run .* toy --tune"):
        tuning.choices(like, None)
    worse = Arm(grid=GRID).settings()[0]
    with pytest.raises(ConfigError, match="the stored choice is not the best of its trials"):
        tuning.choices(like, stored(GRID, worse))
    other = {**GRID, "objectives.clip.temperature": (0.1, 0.3)}
    with pytest.raises(ConfigError, match="was tuned with another grid"):
        tuning.choices(like, stored(other, choice))


def test_arms_without_a_grid_may_change_after_the_tuning():
    def of(**configs):
        found = {arm: {"rate": rate} for arm, rate in configs.items()}
        hashes = {arm: provenance.digest(each) for arm, each in found.items()}
        return {"configs": found, "hashes": hashes, "words": {}, "data": {}}

    # Of the record, which may have arms that were not tried, those with trials are compared.
    assert provenance.differences(of(a=1, b=2), of(a=1), ["a"]) == []
    assert "arms: ['a'] -> ['c']" in provenance.differences(of(a=1, b=2), of(c=1), ["a"])
    [said] = provenance.differences(of(b=2, a=1), of(a=3), ["a"])
    assert "arm 'a'" in said


def test_values_that_are_equal_and_not_the_same_are_both_stored():
    first, other = (
        {"a": 1, "b": False, "c": 0.5, "gone": 2},
        {"a": 1.0, "b": 0, "c": 0.5, "d": None},
    )
    stored = {"first": first, "other": provenance.changed(first, other)}
    whole = provenance.whole(json.loads(json.dumps(stored)))
    assert [provenance.digest(each) for each in whole.values()] == [
        provenance.digest(first), provenance.digest(other),
    ]  # fmt: skip
    assert "c" not in stored["other"]


def test_the_newest_tuning_is_read_first(tmp_path):
    one = experiment(tmp_path)
    assert tuning.read(one, tmp_path) is None
    file = tuning.file_of(one)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"arms": {}, "seconds": 1}))
    assert tuning.read(one, tmp_path)["seconds"] == 1
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "toy.json").write_text(json.dumps({"arms": {}, "seconds": 2}))
    assert tuning.read(one, tmp_path)["seconds"] == 2
    assert tuning.read(one)["seconds"] == 1
    file.write_text("[]")
    with pytest.raises(ConfigError, match=r"toy\.json is damaged"):
        tuning.read(one)
