"""Pairs of different classes, with a gate and without."""

import math

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """What a probe finds, and whether the loss is below that of no knowledge."""
    accuracy, relation = "probe/test/accuracy", "structure/test/pearson"
    loss = "train/gated/loss"  # mean of the last 500 steps
    unknowing = math.log(1 + 128 * 18 / 20)  # with as many negatives as there are in the mean

    def arm(**term: object) -> dict:
        return {"objectives": {"gated": term}}

    still = dict(learning_rate=0.0, warmup_steps=0)
    return Claim(
        statement="positives of an unrelated class teach nothing without a gate (a loss of no "
        "knowledge, a probe 8 points lower) and as much as positives of the same class with it",
        arms={
            "ungated": arm(pairing="distinct", gated=False),
            "gated": arm(pairing="distinct"),
            # Controls: pairs that leak the class, the same class, and the usual loss for that.
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
        notes=f"A loss of {unknowing:.3f} is that of knowing nothing, and SupCon's is another one. "
        "The correlation is Pearson's, of cosines of embeddings with shared attributes; those of "
        "the gates, of which the paper speaks, are not measured.",
    )
