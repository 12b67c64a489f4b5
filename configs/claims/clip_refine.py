"""Losses for the second stage of a CLIP, at one learning rate."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c
from mmjax.configs.clip_refine import CLIP


def claim() -> Claim:
    """Modality gap, retrieval and uniformity.

    The learning rate, 1e-3, was chosen from 1e-4, 3e-4 and 1e-3 in three other worlds, with an
    independent implementation: R@1 is highest there for both InfoNCE and CLIP-Refine.
    """
    gap = "geometry/test/centroid_distance"
    spread = ("geometry/test/uniformity/image", "geometry/test/uniformity/text")
    found = ("retrieval/test/image_to_text/R@1", "retrieval/test/text_to_image/R@1")

    def at(learning_rate: float) -> dict:
        return {"stages": {"refine": {"optimizer": {"learning_rate": learning_rate}}}}

    plain = {"objectives": {"rafa": None, "hycd": None, "clip": CLIP}, "teacher": None}
    # In the second stage only: all arms start from the same pretrained towers.
    aligned = {"refine": {"objectives": {"alignment": dict(type="alignment")}}}
    # A fifth of the gap, which is a squared distance.
    closer = 0.2**0.5
    return Claim(
        statement="CLIP-Refine leaves a fifth of the gap of the pretrained CLIP and of one that "
        "is trained further with the same learning rate, without lower R@1, and with better "
        "uniformity than with aligned pairs; it needs both of its terms",
        arms={
            "pretrained": {"stages": {"refine": None}},
            "contrastive": plain,
            # Controls: the effect of the learning rate.
            "contrastive 3e-3": {**plain, **at(3e-3)},
            "refine 3e-4": at(3e-4),
            "hycd": {"objectives": {"rafa": None}},
            "rafa": {"objectives": {"hycd": None}, "teacher": None},
            "aligned + hycd": {"objectives": {"rafa": None}, "stages": aligned},
            "refine": {},
            "refine alpha=0": {"objectives": {"hycd": {"alpha": 0.0}}},
        },
        checks=(
            Check(gap, "refine", "<=", "contrastive", factor=closer),
            Check(gap, "refine", "<=", "pretrained", factor=closer),
            *(Check(metric, "refine", ">=", "pretrained") for metric in found),
            *(Check(metric, "refine", "<=", "aligned + hycd", offset=-1.0) for metric in spread),
            *(Check(metric, "rafa", "<=", "refine", factor=0.5) for metric in found),
            *(Check(metric, "refine", ">=", "refine alpha=0") for metric in found),
        ),
        metrics=(gap, *found, *spread),
        seed_keys=c.WORLD_SEED,
        paper_numbers="about 2.3 points of zero-shot accuracy over 12 sets with ViT-B/32; tables "
        "not confirmed",
        notes="Centroid distances are the square roots of the gap as defined in the paper. The "
        "result depends on the learning rate. At 3e-4 the gap closes but R@1 falls, in all worlds "
        "except those with the worst pretrained towers; an independent implementation gives the "
        "same result. At 1e-3, the best of three learning rates in three other worlds, R@1 rises. "
        "InfoNCE and aligned pairs have better retrieval at every learning rate; what CLIP-Refine "
        "adds is uniformity.",
    )
