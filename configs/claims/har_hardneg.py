"""Weights on hard negatives, for classes that are similar."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """Three values of beta, and a data set for which a high value is harmful."""
    probe, nearest = "probe/test/accuracy", "retrieval/classes/skeleton_to_imu/R@1"

    def arm(**hard: float) -> dict:
        return {"objectives": {"hard": hard}}

    def few_classes(**hard: float) -> dict:
        return {"data": {"source": {"classes": 20}}, **arm(**hard, temperature=0.1)}

    return Claim(
        statement="beta = 1 is better than beta = 0 by 2 points of accuracy of a linear probe "
        "with 400 labels and by 5 points of cross-modal retrieval of the class",
        arms={
            "cmc": arm(beta=0.0, tau_plus=0.0),
            "beta 0": arm(beta=0.0),
            "beta half": arm(beta=0.5),
            "beta 1": {},
            # Control with the opposite order: many false negatives, a sharp softmax.
            "few classes, beta 0": few_classes(beta=0.0),
            "few classes, beta 1": few_classes(),
        },
        checks=(
            Check(probe, "beta 1", ">=", "beta 0", offset=0.02),
            Check(nearest, "beta 1", ">=", "beta 0", offset=0.05),
        ),
        metrics=(probe, nearest, "retrieval/test/skeleton_to_imu/R@1"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="best on UTD-MHAD and MMAct's cross-session split; numbers not known",
        notes="`retrieval/test` is retrieval of the row itself, `retrieval/classes` of any row of "
        "its class. With few classes and a sharp softmax, where many negatives are false, beta = "
        "1 is harmful.",
    )
