"""Pairs of different classes, with and without a gate."""

import math

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """Accuracy of a linear probe, and whether the loss is below chance."""
    accuracy, relation = "probe/test/accuracy", "structure/test/pearson"
    loss = "train/gated/loss"  # mean of the last 500 steps
    unknowing = math.log(1 + 128 * 18 / 20)  # with the mean number of negatives

    def arm(**term: object) -> dict:
        return {"objectives": {"gated": term}}

    still = dict(learning_rate=0.0, warmup_steps=0)
    return Claim(
        statement="without a gate, nothing is learned from positives of an unrelated class (the "
        "loss stays at chance, and the probe is 8 points lower); with it, as much as from "
        "positives of the same class",
        arms={
            "ungated": arm(pairing="distinct", gated=False),
            "gated": arm(pairing="distinct"),
            # Controls: pairs that leak the class, the same class, and the usual loss for this case.
            "gated arbitrary": {},
            "identical": arm(pairing="identical", gated=False),
            "sup_con": arm(type="sup_con", views=("x", "x@2"), temperature=0.1),
            "untrained": {"steps": 1, "optimizer": still, **arm(pairing="distinct")},
        },
        checks=(
            Check(accuracy, "gated", ">=", "ungated", offset=0.08),
            Check(accuracy, "gated", ">=", "identical", offset=-0.01),
            Check(accuracy, "gated", "<=", "identical", offset=0.01),
            Check(loss, "gated", "<", "ungated", factor=0.1),
            Check(loss, "ungated", ">=", offset=0.97 * unknowing),
        ),
        metrics=(accuracy, loss, "spectrum/test/effective_rank", relation),
        seed_keys=c.WORLD_SEED,
        paper_numbers="CIFAR-10, ResNet-18, detached classifier: 90.86 (the author's page)",
        notes=f"A loss of {unknowing:.3f} is chance; SupCon's loss is a different one. The "
        "correlation is Pearson's, of cosines of embeddings with shared attributes; that of the "
        "gates, which the paper reports, is not measured.",
    )
