"""Pairs of different classes, with and without a gate."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c

GRID = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3), "objectives.gated.temperature": (0.1, 0.3)}


def arm(pairing: str, gated: bool) -> Arm:
    """Which pairs are positive, with a gate or without."""
    return Arm({"objectives": {"gated": dict(pairing=pairing, gated=gated)}}, grid=GRID)


def claim() -> Claim:
    """Accuracy of a linear probe, and whether the loss of such pairs can be lowered at all."""
    accuracy, relation = "probe/test/accuracy", "structure/test/pearson"
    rank, loss = "spectrum/test/effective_rank", "train/gated/loss"
    distinct = {"objectives": {"gated": {"pairing": "distinct"}}}
    arbitrary = {"objectives": {"gated": {"pairing": "arbitrary"}}}
    return Claim(
        paper="any two classes can be a positive pair: with a gate that selects, from both "
        "labels, the dimensions in which they should agree, contrastive learning of such pairs "
        "gives strong features and reduces dimensional collapse",
        statement="from positives of another class, a linear probe is 8 points better with a gate "
        "than without one, and no more than a point worse than with positives of the same class",
        arms={
            "ungated": arm("distinct", gated=False),
            "gated": arm("distinct", gated=True),
            "identical": arm("identical", gated=False),
            # Some of these pairs are of one class, and no row of its own class is a negative.
            "ungated arbitrary": arm("arbitrary", gated=False),
            "gated arbitrary": Arm(arbitrary, like="gated"),
            "untrained": Arm(
                {**c.UNTRAINED, **distinct},
                untuned="features of the initial weights",
            ),
        },
        tuning=Tuning(accuracy, seeds=(20,)),
        checks=(
            Check("the probe is 8 points better with a gate", accuracy, "gated", ">=", "ungated",
                  offset=0.08),
            Check("the probe is no more than a point worse than with positives of one class",
                  accuracy, "gated", ">=", "identical", offset=-0.01),
        ),
        controls=(
            Control("no gate, with pairs of any two classes", "ungated arbitrary", "gated"),
            Control("features of the initial weights", "untrained", "gated"),
        ),
        extras=(
            Check("with a gate the loss is a tenth of that without", loss, "gated", "<=",
                  "ungated", factor=0.1),
            Check("without a gate the probe is no more than a point better than that of the "
                  "initial weights", accuracy, "ungated", "<=", "untrained", offset=0.01),
            Check("with pairs of any two classes a gate makes the probe better", accuracy,
                  "gated arbitrary", ">=", "ungated arbitrary"),
            Check("the effective rank is higher than with positives of one class", rank, "gated",
                  ">=", "identical"),
            Check("similarities are closer to shared attributes than with positives of one class",
                  relation, "gated", ">=", "identical"),
        ),
        metrics=(accuracy, loss, rank, relation),
        seed_keys=c.WORLD_SEED,
        paper_numbers="CIFAR-10, ResNet-18, detached classifier: 90.86 (the author's page)",
        notes="`distinct` pairs, of which the checks are, never are of one class; with the "
        "paper's `arbitrary` ones, one in twenty is, which tells of classes without any gate. "
        "Which rank is higher depends on the supervised loss, so that it is reported only. The "
        "loss is that of training; it is chance where nothing is learned. The correlation is "
        "Pearson's, of cosines of embeddings with shared attributes; that of the gates, which the "
        "paper reports, is not measured.",
    )  # fmt: skip
