"""Barlow Twins and VICReg, which have no negatives, against NT-Xent on noisy instances."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import barlow
from mmjax.configs import common as c

PAIR = ("x", "x@2")
RATES = {"optimizer.learning_rate": (3e-3, 1e-2, 3e-2)}


def arm(kind: str, grid: dict, **options: object) -> Arm:
    """One loss; the grid has a second axis of three values, for what the loss has."""
    return Arm({"objectives": {"term": {"type": kind, **options}}}, grid={**RATES, **grid})


def claim() -> Claim:
    """Linear probe and effective rank, each loss at its best."""
    rank, accuracy = "spectrum/test/effective_rank", "probe/test/accuracy"
    twins = {"type": "barlow_twins", "pairs": (PAIR,), "off_diagonal": 2.0}
    weight, temperature = "objectives.term.off_diagonal", "objectives.term.temperature"
    return Claim(
        paper="features learned without negatives, by making the cross-correlation of two views "
        "the identity, are on a par with those of contrastive learning in a linear probe",
        statement="on noisy instances of a 16-dimensional latent the probe of Barlow Twins is not "
        "more than a point below that of NT-Xent, and 5 points above that of the alignment alone, "
        "which collapses",
        config=c.noisy_instances(barlow.PAPER, {"term": twins}, learning_rate=3e-3),
        arms={
            "nt_xent": arm("nt_xent", {temperature: (0.05, 0.1, 0.2)}, views=PAIR),
            "barlow": Arm(grid={**RATES, weight: (0.5, 2.0, 8.0)}),
            "vicreg": arm(
                "vicreg", {"objectives.term.covariance": (5.0, 25.0, 100.0)}, pairs=(PAIR,)
            ),
            "invariance alone": arm(
                "alignment", {"optimizer.b1": (0.5, 0.9, 0.95)}, pairs=(PAIR,)
            ),
            "paper's weight": Arm(
                {"objectives": {"term": {"off_diagonal": 0.0051}}},
                grid={**RATES, "optimizer.b1": (0.5, 0.9, 0.95)},
            ),
            "untrained": Arm(
                c.UNTRAINED, untuned="features of the initial weights"
            ),
        },
        tuning=Tuning(accuracy),
        checks=(
            Check("its probe is 5 points better than the collapsed one's", accuracy, "barlow",
                  ">=", "invariance alone", offset=0.05),
            Check("its probe is no more than a point worse than NT-Xent's", accuracy, "barlow",
                  ">=", "nt_xent", offset=-0.01),
        ),
        controls=(Control("features of the initial weights", "untrained", "barlow"),),
        extras=(
            Check("VICReg's probe is no more than a point worse than NT-Xent's", accuracy,
                  "vicreg", ">=", "nt_xent", offset=-0.01),
            Check("the paper's off-diagonal weight does as well", accuracy, "paper's weight",
                  ">=", "barlow", offset=-0.01),
            Check("it uses more dimensions than NT-Xent", rank, "barlow", ">=", "nt_xent"),
            Check("training improves the probe by 5 points", accuracy, "barlow", ">=",
                  "untrained", offset=0.05),
        ),
        metrics=(accuracy, rank, "spectrum/test/uniformity"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="ImageNet linear top-1 with ResNet-50: SimCLR 69.3, Barlow Twins 73.2, "
        "VICReg 73.2",
        notes="The paper's weight of .0051 is for 8,192 dimensions, each decorrelated from 8,191 "
        "others; here there are 15 others. The rank is close to what this loss itself asks for, "
        "so that it is reported and not a check of the claim.",
    )  # fmt: skip
