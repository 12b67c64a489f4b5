"""Ways to spend the second stage of a CLIP, at one learning rate."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c
from mmjax.configs.clip_refine import CLIP


def claim() -> Claim:
    """The gap, retrieval and uniformity.

    The rate, 1e-3, was chosen of 1e-4, 3e-4 and 1e-3 in three other worlds, by an implementation
    apart from this one: R@1 is highest there both with InfoNCE and with CLIP-Refine.
    """
    gap = "geometry/test/centroid_distance"
    spread = ("geometry/test/uniformity/image", "geometry/test/uniformity/text")
    found = ("retrieval/test/image_to_text/R@1", "retrieval/test/text_to_image/R@1")

    def at(learning_rate: float) -> dict:
        return {"stages": {"refine": {"optimizer": {"learning_rate": learning_rate}}}}

    plain = {"objectives": {"rafa": None, "hycd": None, "clip": CLIP}, "teacher": None}
    # In the second stage only: all start from the same pretrained towers.
    aligned = {"refine": {"objectives": {"alignment": dict(type="alignment")}}}
    # At the same rate the gap of refined towers is a fifth of theirs; a gap is a square.
    closer = 0.2**0.5
    return Claim(
        statement="CLIP-Refine leaves a fifth of the gap of the pretrained CLIP and of one that is "
        "trained on with the same learning rate, without lower R@1, more evenly than with aligned "
        "pairs; it needs both of its terms",
        arms={
            "pretrained": {"stages": {"refine": None}},
            "contrastive": plain,
            # Controls: how much is the learning rate's.
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
        notes="Distances of the centres are the roots of the paper's gap, which is a square. It "
        "depends on the learning rate. At 3e-4 the gap closes but R@1 falls, in all worlds but "
        "those where the pretrained towers are worst; an implementation apart from this one says "
        "the same. At 1e-3, the best of three rates in three other worlds, it rises. InfoNCE and "
        "aligned pairs retrieve better at every rate; what CLIP-Refine adds to them is uniformity.",
    )
