"""Verdicts as text."""

from mmjax.claims import tables


def test_the_table_shows_mean_and_deviation():
    verdict = {
        "recipe": "r",
        "statement": "s",
        "paper": "p",
        "seeds": [0, 1],
        "shown": True,
        "checks": [],
        "arms": {"a": [{"geometry/x/y": 1.0}, {"geometry/x/y": 3.0}]},
    }
    lines = tables.table(verdict, ["geometry/x/y"]).splitlines()
    assert lines[0] == "r: s"
    assert lines[3].split() == ["arm", "x/y"]
    assert lines[5].split() == ["a", "2.000", "±", "1.414"]
