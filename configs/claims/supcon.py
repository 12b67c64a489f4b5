"""A probe with 100 labels on the features of contrastive learning with and without labels."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """SupCon against NT-Xent."""
    accuracy = "probe/test/accuracy"
    nt_xent = dict(type="nt_xent", views=("x", "x@2"), temperature=0.1)
    return Claim(
        statement="a linear probe with 100 labels is better by 5 points or more on features of "
        "SupCon, which is trained with all labels, than on those of NT-Xent, which is trained "
        "without labels",
        arms={
            "nt_xent": {"objectives": {"sup_con": nt_xent}},
            "sup_con": {},
            # Ablation: the same loss with one view, so that all positives come from labels.
            "one view": {"objectives": {"sup_con": {"views": ("x",)}}},
        },
        checks=(Check(accuracy, "sup_con", ">=", "nt_xent", offset=0.05),),
        metrics=(accuracy, "spectrum/test/effective_rank"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="CIFAR-10 top-1 with ResNet-50: SimCLR 93.6, cross-entropy 95.0, SupCon 96.0",
    )
