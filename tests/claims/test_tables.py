"""Verdicts as text."""

from mmjax.claims import Arm, Check, Claim, Control, tables
from mmjax.claims.judge import verdict

CLAIM = Claim(
    paper="p",
    statement="s",
    arms=dict.fromkeys(("old", "weak", "strong", "new"), Arm(untuned="for the table")),
    checks=(
        Check("it is no worse", "x/y", "new", ">=", "old", offset=-0.1),
        Check("it is better", "x/y", "new", ">=", "old", offset=0.1),
    ),
    extras=(Check("and lower", "x/z", "new", "<=", "old", factor=0.5),),
    controls=(Control("c", "weak", "new"), Control("d", "strong", "new")),
    metrics=("x/y",),
)
ARMS = {
    "old": [{"x/y": 0.1, "x/z": 1.0}, {"x/y": 0.3, "x/z": 1.1}],
    "weak": [{"x/y": 0.2}, {"x/y": 0.2}],
    "strong": [{"x/y": 0.3}, {"x/y": 0.3}],
    "new": [{"x/y": 0.6, "x/z": 0.9}, {"x/y": 0.8, "x/z": 0.8}],
}
RESULT = {
    "recipe": "r",
    "claim": "p",
    "statement": "s",
    "paper": "q",
    "seeds": [5, 6],
    "seconds": 3.2,
    "settings": {arm: {} for arm in ARMS} | {"new": {"optimizer.learning_rate": 0.1}},
    "arms": ARMS,
    **verdict(CLAIM, ARMS),
}


def test_the_table_shows_arms_checks_controls_and_the_verdict():
    lines = tables.table(RESULT, CLAIM.metrics).splitlines()
    assert lines[:3] == ["r: s", "(seeds 5, 6; q)", "The paper: p"]
    assert lines[4].split() == ["arm", "y", "setting"]
    assert lines[6].split() == ["old", "0.200", "±", "0.141"]
    assert lines[9].split() == ["new", "0.700", "±", "0.141", "learning_rate", "0.1"]
    assert (
        "holds  it is better: x/y, new >= old + 0.1: 0.700 >= 0.300, "
        "difference +0.500 [+0.500, +0.500]" in lines
    )
    assert "FAILS  and lower: x/z, new <= 0.5 x old: 0.850 <= 0.525, difference " in "\n".join(
        lines
    )
    assert "not    d: strong in the place of new" in lines
    assert lines[-1] == "REPRODUCED (all checks hold, and no control does it too)"


def test_the_headline_is_the_gain_with_the_strongest_control():
    numbers = "0.200 ± 0.141 (old) -> 0.300 ± 0.000 (strong) -> 0.700 ± 0.141 (new)"
    assert tables.headline(RESULT) == f"x/y: {numbers}"
    kept = {**RESULT, "arms": {a: {"x/y": [s["x/y"] for s in v]} for a, v in ARMS.items()}}
    assert tables.headline(kept) == f"x/y: {numbers}"  # of a record
    assert tables.holds_here(RESULT) == "it is no worse; it is better"


def test_the_overview_has_a_row_for_each():
    head, _, row = tables.overview([RESULT]).splitlines()
    assert head.split()[:4] == ["claim", "verdict", "checks", "seconds"]
    assert row.split()[:6] == ["r", "reproduced", "2", "of", "2", "3"]


def test_what_an_arm_did_not_measure_is_a_dash():
    arms = {**ARMS, "weak": [{}, {}]}
    text = tables.table({**RESULT, "arms": arms}, CLAIM.metrics)
    assert text.splitlines()[7].split() == ["weak", "-"]


def test_the_curve_marks_what_was_chosen():
    trials = [
        {"setting": {"a.rate": 1}, "values": [0.1, 0.2]},
        {"setting": {"a.rate": 2}, "values": [0.3, None]},
    ]
    found = {"trials": trials, "choice": {"a.rate": 1}, "edge": ["a.rate"], "ties": 2}
    result = {
        "recipe": "r",
        "metric": ["m", "n"],
        "mode": "max",
        "seeds": [1, 2],
        "arms": {"x": found},
    }
    lines = tables.curve(result).splitlines()
    assert lines[0] == "r: tuned on seeds 1, 2"
    assert lines[2].endswith("setting  mean of m, n, the highest chosen")
    assert lines[4].split() == ["*", "x", "rate", "1", "0.100", "0.200"]
    assert lines[5].split() == ["x", "rate", "2", "0.300", "diverged"]
    assert lines[6:] == ["x: at the edge of the grid: a.rate", "x: 2 settings are equally good"]


def test_the_mean_of_several_metrics_has_a_short_name():
    both = ("retrieval/test/a_to_b/R@1", "retrieval/test/b_to_a/R@1")
    assert tables.metric_name(both) == "mean of retrieval/test/{a_to_b, b_to_a}/R@1"
    assert tables.metric_name(("a/b", "a/c/d")) == "mean of a/{b, c/d}"
    assert tables.metric_name(("a", "a/b")) == "mean of a, a/b"
    assert tables.metric_name("a/b") == "a/b"
    arms = {"x": {"m": [0.1, 0.2], "n": [0.3, 0.6]}}
    assert tables.of(arms, "x", ["m", "n"]) == [0.2, 0.4]
