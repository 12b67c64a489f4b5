"""Arms that measure on data of their own."""

from mmjax import claims


def test_an_arm_with_its_own_evaluators_needs_only_what_its_checks_compare():
    claim = {
        "arms": {"a": ("evaluators={}",), "b": (), "c": ("evaluators.probe.x.c=2.0",)},
        "metrics": ("shown",),
        "checks": ({"metric": "compared", "arm": "a", "baseline": "b"},),
    }
    assert claims._needed(claim, "a") == ["compared"]
    assert claims._needed(claim, "b") == ["shown", "compared"]
    assert claims._needed(claim, "c") == []


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
    lines = claims.table(verdict, ("m/x",)).splitlines()
    assert lines[5].split() == ["a", "0.250", "±", "0.000"]
    assert lines[6].split() == ["b", "-"]
