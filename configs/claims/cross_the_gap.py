"""Retrieval within images: by inverted queries, and after a contrastive term within images."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import cross_the_gap

WITHIN, ZERO_SHOT = "retrieval/images/image_to_image/mAP", "zero_shot/name/top_1"
DIRECT, INVERTED = (f"inversion/test/{way}/mAP" for way in ("direct", "inverted"))
GAP = "geometry/test/centroid_distance"
GRID = {"optimizer.learning_rate": (1e-3, 3e-3), "objectives.clip.temperature": (0.02, 0.07, 0.2)}
ALONE = {"objectives": {"within": None}}
PAIRS = (("image", "text"), ("image@2", "text"))
BOTH = {"objectives": {"within": None, "clip": {"pairs": PAIRS}}}


def claim() -> Claim:
    """Inverted queries against the images themselves, on generated classes."""
    direct, inverted = (f"inversion/test/zero_shot/{way}" for way in ("direct", "inverted"))
    return Claim(
        paper="CLIP's loss misaligns similarities within a modality: images are found better by "
        "queries that are inverted into the other modality and compared across modalities",
        variant="classes",
        statement="on 40 generated classes, an image as query that is inverted into a text finds "
        "images of its class with a mean average precision that is .01 higher than by itself, and "
        "classes are found less well by it than by the image",
        arms={
            "clip": Arm(ALONE, grid=GRID),
            "wide gap": Arm(
                {"objectives": {"within": None, "clip": {"temperature": 0.01}}},
                untuned="at the temperature where CLIP's training ends",
            ),
            "within": Arm(grid=GRID),
            "untrained": Arm({**ALONE, **c.UNTRAINED}, untuned="it does not train"),
        },
        tuning=Tuning((WITHIN, ZERO_SHOT)),
        checks=(
            Check("inverted queries have a mAP that is .01 higher", INVERTED, "clip", ">=", "clip",
                  offset=0.01, against=DIRECT),
            Check("inverted images are classified less well by class prompts", inverted, "clip",
                  "<=", "clip", against=direct),
        ),
        premises=(
            Check("the images' classes were learned", ZERO_SHOT, "clip", ">=", "untrained",
                  offset=0.2),
        ),
        extras=(
            Check("with a wide gap inverted queries are better", INVERTED, "wide gap", ">=",
                  "wide gap", against=DIRECT),
            Check("with a term within images they are not better", INVERTED, "within", "<=",
                  "within", against=DIRECT),
        ),
        metrics=(DIRECT, INVERTED, direct, inverted, "inversion/test/cosine", GAP),
        seed_keys=c.WORLD_SEED,
        paper_numbers="averages not confirmed: a few points of mAP on more than fifteen data sets",
        notes="200 queries of 1,000 images. The text tower is a transformer of one layer.",
    )  # fmt: skip


def claim_within() -> Claim:
    """The term within images against CLIP, and against CLIP of both views."""
    return Claim(
        paper="a contrastive term within a modality corrects the misalignment of similarities "
        "within it that a loss across modalities leaves",
        variant="classes",
        statement="on 40 generated classes, CLIP with a contrastive term of two views of an image "
        "finds images of a class with a mean average precision that is .05 higher than without it, "
        "at a zero-shot accuracy that is not lower by more than .01; and CLIP whose caption is "
        "matched to both views does not do it, too",
        changes={"evaluators": {"inversion": None}},
        arms={
            "clip": Arm(ALONE, grid=GRID),
            "both views": Arm(BOTH, grid=GRID),
            "within": Arm(grid=GRID),
            "within alone": Arm(
                {"objectives": Replace(
                    {"within": cross_the_gap.objectives()["within"]}
                )},
                grid={
                    "optimizer.learning_rate": (1e-3, 3e-3),
                    "objectives.within.temperature": (0.05, 0.1, 0.2),
                },
            ),
        },
        tuning=Tuning((WITHIN, ZERO_SHOT)),
        checks=(
            Check("mAP within images is .05 higher", WITHIN, "within", ">=", "clip", offset=0.05),
            Check("zero-shot accuracy is not lower by more than .01", ZERO_SHOT, "within", ">=",
                  "clip", offset=-0.01),
        ),
        controls=(
            Control("both views matched to the caption, without a term within images",
                    "both views", "within"),
        ),
        extras=(
            Check("mAP is .03 higher than with both views matched to the caption", WITHIN,
                  "within", ">=", "both views", offset=0.03),
            Check("captions help images to find images", WITHIN, "within", ">=", "within alone"),
        ),
        metrics=(WITHIN, ZERO_SHOT, GAP),
        seed_keys=c.WORLD_SEED,
        notes="The two views of an image have the same class and another nuisance: the term within "
        "images is told what belongs together, as augmentation would.",
    )  # fmt: skip
