"""Weights on hard negatives, against no such weights at the best temperature."""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs.har_hardneg import PAIR


def arm(*temperatures: float, **hard: float) -> Arm:
    """One beta and tau+. A beta of 1 doubles the sharpness, so that its temperatures are higher."""
    rates = (1e-3, 3e-3)
    grid = {"objectives.hard.temperature": temperatures, "optimizer.learning_rate": rates}
    return Arm({"objectives": {"hard": hard}}, grid=grid)


def card(**hard: float) -> Arm:
    """At the temperature of the recipe."""
    return Arm({"objectives": {"hard": hard}}, untuned="the recipe's temperature, as it is")


def few_classes(**hard: float) -> Arm:
    """Many false negatives, a sharp softmax."""
    changes = {
        "data": {"source": {"classes": 20}},
        "objectives": {"hard": {**hard, "temperature": 0.1}},
    }
    return Arm(changes, untuned="data and temperature for which a high beta should be harmful")


def with_correlations(arm: Arm) -> Arm:
    """Canonical correlations of the raw data, too; they are the same in every arm."""
    test = c.held_out(ids="class")
    linear = c.linear_map("classes", test, pairs=(PAIR,), read="statistics", solver="cca")
    return dataclasses.replace(arm, changes={**arm.changes, "evaluators": linear})


def claim() -> Claim:
    """Betas of 0 and 1 with one correction for false negatives, and plain InfoNCE."""
    probe, nearest = "probe/test/accuracy", "retrieval/classes/skeleton_to_imu/R@1"
    linear = "linear_map/classes/skeleton_to_imu/R@1"
    return Claim(
        paper="contrastive learning of skeletons and inertial measurements learns better features "
        "if negatives that are close to the anchor have a higher weight, corrected for false "
        "negatives",
        statement="with similar classes beta = 1 is better than beta = 0, each at its own best "
        "temperature, by 2 points of accuracy of a linear probe with 400 labels and by 5 points "
        "of cross-modal retrieval of the class",
        changes={"steps": 900},  # half of the recipe's: 35 runs in five minutes
        arms={
            "cmc": with_correlations(arm(0.07, 0.2, 0.5, beta=0.0, tau_plus=0.0)),
            "beta 0": arm(0.07, 0.2, 0.5, beta=0.0),
            "beta 1": arm(0.2, 0.5, 1.0),
            "beta 0 at .5": card(beta=0.0),
            "beta 1 at .5": card(),
            "few classes, beta 0": few_classes(beta=0.0),
            "few classes, beta 1": few_classes(),
        },
        tuning=Tuning((probe, nearest), seeds=(20,)),
        checks=(
            Check("its probe is 2 points better than that of beta = 0", probe, "beta 1", ">=",
                  "beta 0", offset=0.02),
            Check("it retrieves the class 5 points better than beta = 0", nearest, "beta 1",
                  ">=", "beta 0", offset=0.05),
        ),
        controls=(Control("InfoNCE at its own best temperature", "cmc", "beta 1"),),
        extras=(
            Check("at the recipe's temperature the probe of beta = 1 is 2 points better", probe,
                  "beta 1 at .5", ">=", "beta 0 at .5", offset=0.02),
            Check("at the recipe's temperature beta = 1 retrieves the class 5 points better",
                  nearest, "beta 1 at .5", ">=", "beta 0 at .5", offset=0.05),
            Check("its probe is better than that of InfoNCE", probe, "beta 1", ">=", "cmc"),
            Check("it retrieves the class better than InfoNCE", nearest, "beta 1", ">=", "cmc"),
            Check("it retrieves the class better than canonical correlations of the raw data",
                  nearest, "beta 1", ">=", "cmc", against=linear),
            Check("with few classes and a sharp softmax beta = 1 retrieves the class worse",
                  nearest, "few classes, beta 1", "<=", "few classes, beta 0"),
        ),
        metrics=(probe, nearest, "retrieval/test/skeleton_to_imu/R@1"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="best on UTD-MHAD and MMAct's cross-session split; numbers not known",
        notes="All arms train half of the recipe's steps. `retrieval/test` is retrieval of the row "
        "itself, `retrieval/classes` of any row of "
        "its class. Like a lower temperature, a higher beta gives close negatives a higher "
        "weight, so that the two have to be told apart by tuning the temperature of both. InfoNCE "
        "without the correction for false negatives, tuned alike, is not worse than beta = 1, and "
        "canonical correlations of the raw data retrieve the class as well. With few classes many "
        "negatives are false; they are of other data and compared with each other only.",
    )  # fmt: skip
