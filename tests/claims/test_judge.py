"""Checks, intervals, controls and verdicts."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmjax.claims import Arm, Check, Claim, Control, Ranking
from mmjax.claims import judge as judge_lib
from mmjax.claims.judge import does_it_too, interval, judge, verdict

NUMBERS = st.lists(st.floats(-5, 5), min_size=2, max_size=8)


def results(**arms):
    """arm -> metrics of every seed, of lists of `m`."""
    return {arm: [{"m": value} for value in values] for arm, values in arms.items()}


def check(compare=">=", **more):
    return Check("s", "m", "new", compare, "old", **more)


@given(NUMBERS)
def test_the_interval_is_that_of_students_t(values):
    low, high = interval(values)
    error = stats.sem(values)
    if error > 1e-6:
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        np.testing.assert_allclose((low, high), expected, rtol=1e-9, atol=1e-9)
    else:
        assert low <= np.mean(values) <= high


def test_the_interval_of_one_value_excludes_nothing():
    assert interval([0.3]) == (-math.inf, math.inf)
    assert not judge(check(), results(new=[1.0], old=[0.0]))["holds"]


@pytest.mark.parametrize(
    ("more", "new", "old", "holds"),
    [
        ({}, [0.5, 0.6, 0.7], [0.1, 0.2, 0.3], True),
        # The mean is higher, but seeds differ by more.
        ({}, [0.1, 0.9, 0.5], [0.2, 0.3, 0.4], False),
        # Pairs: each seed is better by the same, although seeds differ a lot.
        ({}, [0.15, 0.95, 0.55], [0.1, 0.9, 0.5], True),
        # The margin is for the mean, the interval only excludes that it is no better.
        ({"offset": 0.05}, [0.15, 0.97, 0.55], [0.1, 0.9, 0.5], True),
        ({"offset": 0.06}, [0.15, 0.95, 0.55], [0.1, 0.9, 0.5], False),
        # Allowed to be worse, by .1 at most: the interval has to exclude more.
        ({"offset": -0.1}, [0.48, 0.47, 0.49], [0.5, 0.5, 0.5], True),
        ({"offset": -0.1}, [0.6, 0.3, 0.45], [0.5, 0.5, 0.5], False),
        ({"factor": 2.0}, [0.45, 0.41, 0.43], [0.2, 0.2, 0.2], True),
        ({"factor": 0.5}, [0.15, 0.14, 0.13], [0.2, 0.2, 0.2], True),
        # Equal everywhere is no gain, and no loss.
        ({}, [1.0, 1.0], [1.0, 1.0], False),
        ({"offset": -0.01}, [1.0, 1.0], [1.0, 1.0], True),
        ({"compare": "<="}, [0.1, 0.2], [0.5, 0.61], True),
        ({"compare": "<=", "factor": 0.5}, [0.3, 0.4], [0.5, 0.61], False),
        ({"compare": "<=", "offset": 0.1}, [0.51, 0.62], [0.5, 0.6], True),
        ({}, [math.nan, 0.5], [0.1, 0.2], False),
    ],
)
def test_a_check_needs_the_margin_and_the_interval(more, new, old, holds):
    assert judge(check(**more), results(new=new, old=old))["holds"] is holds


@given(NUMBERS, st.floats(0.1, 3), st.floats(-1, 1))
def test_a_check_and_its_mirror_image_agree(values, factor, offset):
    """More of a metric and less of its negative are the same question."""
    rng = np.random.default_rng(0)
    old = list(rng.normal(size=len(values)))
    more = judge(check(factor=factor, offset=offset), results(new=values, old=old))
    less = judge(
        check("<=", factor=factor, offset=-offset),
        results(new=[-v for v in values], old=[-v for v in old]),
    )
    assert check(factor=factor, offset=offset).strict is (factor >= 1 and offset >= 0)
    # A strict `>=` and a strict `<=` are not mirrored by the factor (2 x -1 is less than -1).
    if factor == 1:
        assert more["holds"] is less["holds"]


def test_metrics_are_averaged_and_may_differ_between_the_arms():
    found = {"new": [{"a": 0.2, "b": 0.6}] * 2, "old": [{"c": 0.3}] * 2}
    asked = Check("s", ("a", "b"), "new", ">=", "old", against="c", offset=0.05)
    judged = judge(asked, found)
    assert judged["left"] == pytest.approx(0.4)
    assert judged["bound"] == pytest.approx(0.35)
    assert judged["difference"] == pytest.approx(0.1)
    assert judged["holds"]


def test_a_bound_that_no_value_could_pass_is_said():
    found = {"new": [{"x/R@1": 0.9}] * 2, "old": [{"x/R@1": 0.95}] * 2}
    asked = Check("s", "x/R@1", "new", ">=", "old", offset=0.1)
    assert judge(asked, found)["possible"] is False
    assert judge(dataclasses.replace(asked, offset=0.05), found)["possible"] is True
    parts = {arm: [{"x/R@1/rest": each["x/R@1"]} for each in found[arm]] for arm in found}
    assert judge(dataclasses.replace(asked, metric="x/R@1/rest"), parts)["possible"] is False
    ranks = {arm: [{"rank": 9.0}] * 2 for arm in found}
    assert judge(dataclasses.replace(asked, metric="rank"), ranks)["possible"] is True


BETTER = check(offset=0.1)
NO_WORSE = Check("it is no worse", "n", "new", ">=", "old", offset=-0.05)


def claim(checks=(BETTER,), controls=(), **more):
    arms = dict.fromkeys(("old", "new", "other"), Arm(untuned="."))
    return Claim(
        paper="p", statement="s", arms=arms, checks=checks, controls=controls, metrics=(), **more
    )


OTHER = Control("another way", "other", "new")
OLD, NEW = [0.5, 0.51, 0.5], [0.7, 0.72, 0.71]


@pytest.mark.parametrize(
    ("new", "other", "said"),
    [
        (NEW, OLD, "reproduced"),
        (NEW, NEW, "its control does it too"),
        # It passes, but the arm is better than it by the margin, too.
        ([0.9, 0.92, 0.91], [0.65, 0.66, 0.66], "reproduced"),
        # It passes, and the arm is a little better than it.
        (NEW, [0.69, 0.7, 0.7], "its control does it too"),
        # It does not pass, but the arm is not better than it.
        ([0.6, 0.64, 0.62], [0.6, 0.59, 0.6], "its control does it too"),
        # Nor is it better than the baseline by more than chance.
        ([0.61, 0.63, 0.62], [0.7, 0.4, 0.6], "reproduced"),
        (OLD, NEW, "not reproduced"),
    ],
)
def test_a_control_that_does_it_too_takes_the_verdict(new, other, said):
    found = verdict(claim(controls=(OTHER,)), results(old=OLD, new=new, other=other))
    assert found["verdict"] == said
    assert found["verdict"] in judge_lib.VERDICTS
    assert found["controls"][0]["does_it_too"] is (said == "its control does it too")


def test_a_control_may_be_measured_by_another_metric():
    control = Control("ridge", "new", "new", {"m": "r"})
    found = {"old": [{"m": 0.5}, {"m": 0.51}], "new": [{"m": 0.7, "r": 0.8}, {"m": 0.71, "r": 0.8}]}
    assert does_it_too(control, (BETTER,), found)
    for seed in found["new"]:
        seed["r"] = 0.4
    assert not does_it_too(control, (BETTER,), found)


def test_a_control_may_be_another_metric_of_the_arm_that_a_check_compares_with():
    """Routing against one index of the same run, and that index without its means."""
    routed = Check("s", "r", "new", ">=", "new", offset=0.1, against="m")
    control = Control("the means taken away", "new", "new", {"r": "c"})
    found = {"new": [{"r": 0.9, "m": 0.4, "c": 0.95}, {"r": 0.91, "m": 0.41, "c": 0.94}]}
    assert does_it_too(control, (routed,), found)
    for seed in found["new"]:
        seed["c"] = 0.42
    assert not does_it_too(control, (routed,), found)
    # What the arm is compared with is no control of it.
    assert not does_it_too(Control("one index", "new", "new", {"r": "m"}), (routed,), found)


def both(**arms):
    """arm -> (values of m, values of n)."""
    return {
        arm: [{"m": m, "n": n} for m, n in zip(*pair, strict=True)] for arm, pair in arms.items()
    }


def test_what_holds_in_part_is_named():
    same, worse = [0.5, 0.5, 0.5], [0.2, 0.21, 0.2]
    found = both(old=(OLD, same), new=(NEW, worse), other=(OLD, same))
    judged = verdict(claim((BETTER, NO_WORSE)), found)
    assert judged["verdict"] == "partly"
    assert judged["because"] == "holds: s; does not hold: it is no worse"
    # That nothing is lost is no part of a claim of a gain.
    found = both(old=(OLD, same), new=(OLD, same), other=(OLD, same))
    judged = verdict(claim((BETTER, NO_WORSE)), found)
    assert judged["verdict"] == "not reproduced"
    assert judged["because"] == "does not hold: s"
    # And no control does what is not done.
    judged = verdict(claim((BETTER, NO_WORSE), (OTHER,)), found)
    assert not judged["controls"][0]["does_it_too"]
    # Unless that is the whole claim.
    assert verdict(claim((NO_WORSE,)), found)["verdict"] == "reproduced"


def test_without_its_premise_nothing_is_tested():
    found = results(old=OLD, new=NEW, other=OLD)
    gap = Check("there is a gap", "m", "old", ">=", "other", offset=0.1)
    judged = verdict(claim(premises=(gap,)), found)
    assert judged["verdict"] == "not tested here"
    assert judged["because"].endswith("there is a gap")
    judged = verdict(claim(not_tested="it needs ImageNet"), found)
    assert (judged["verdict"], judged["because"]) == ("not tested here", "it needs ImageNet")


@pytest.mark.parametrize(
    ("seeds", "correlation", "holds"),
    [
        ([([1, 2, 3, 4], [10, 20, 30, 40])] * 3, 1.0, True),
        ([([1, 2, 3, 4], [10, 30, 20, 40])] * 3, 0.8, True),  # of exchanged neighbours
        ([([1, 2, 3, 4], [40, 30, 20, 10])] * 3, -1.0, False),
        ([([1, 2, 3, 4], [5, 5, 5, 5])] * 3, 0.0, False),  # no order
        # The mean is high enough, and its interval holds 0.
        ([([1, 2, 3, 4], [1, 2, 3, 4]), ([1, 2, 3, 4], [2, 1, 4, 3])], 0.8, False),
    ],
)
def test_a_ranking_is_spearmans_of_every_seed(seeds, correlation, holds):
    arms = tuple("abcd")
    found = {
        arm: [{"m": first[i], "n": second[i]} for first, second in seeds]
        for i, arm in enumerate(arms)
    }
    ranking = Ranking("higher by both", "m", "n", arms, least=0.75)
    judged = judge_lib.rank(ranking, found)
    assert judged["correlation"] == pytest.approx(correlation)
    assert judged["holds"] == holds
    claim = Claim(
        paper="p", statement="s", arms=dict.fromkeys(arms, Arm(untuned=".")), checks=(),
        rankings=(ranking,), metrics=("m", "n"),
    )  # fmt: skip
    word = verdict(claim, found)["verdict"]
    assert word == (judge_lib.REPRODUCED if holds else judge_lib.NOT)
