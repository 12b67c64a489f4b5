"""CLIP's modality gap, with and without uniformity and alignment terms."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c


def claim() -> Claim:
    """Two MLPs see the same Gaussian latent, each with its own noise."""
    gap, separability, recall = (
        "geometry/test/centroid_distance",
        "geometry/test/linear_separability",
        "retrieval/test/a_to_b/R@1",
    )
    clip = dict.fromkeys(("uniformity", "alignment", "cross_uniformity"), None)
    cua, cuaxu = {"cross_uniformity": None}, {}

    def identical(terms: dict) -> dict:
        """The paper's case of identical inputs."""
        quiet = {"noise": 0.0}
        views, test = {"a": quiet, "b": quiet}, {"test": {"source": quiet}}
        evaluators = {"geometry": test, "retrieval": test}
        return {"objectives": terms, "data": {"views": views}, "evaluators": evaluators}

    warm = {"clip": {"temperature": 0.07}}
    checks = []
    for name in ("cua", "cuaxu"):
        checks += [
            Check(gap, name, "<=", "clip", factor=0.5, each_seed=True),
            Check(separability, name, "<", offset=0.8),
            Check(recall, name, ">=", "clip", offset=-0.02),
        ]
    return Claim(
        variant="latent",
        statement="at temperature 0.01, CUA and CUAXU leave at most half of CLIP's gap, and "
        "retrieval is not lower by more than 2 points",
        arms={
            "clip": {"objectives": clip},
            "cua": {"objectives": cua},
            "cuaxu": {},
            "clip noise 0": identical(clip),
            "cua noise 0": identical(cua),
            "cuaxu noise 0": identical(cuaxu),
            # Controls: much of the gap, and of CLIP's lower recall, is due to the temperature.
            "clip tau 7e-2": {"objectives": {**clip, **warm}},
            "cua tau 7e-2": {"objectives": {**cua, **warm}},
        },
        checks=tuple(checks),
        metrics=(gap, separability, "geometry/test/positive_cosine", recall),
        seed_keys=c.WORLD_SEED,
        paper_numbers="COCO, d = 128: centroid distance .661 CLIP, .082 CUA, .127 CUAXU; "
        "image-to-text R@1 .276, .258, .267",
        notes="Linear separability is the accuracy of a linear classifier of the modality; R@1 is "
        "among 1,000. The temperature alone closes much of the gap here, and the gain in R@1 of "
        "CUA at 0.01 is not due to its terms: this temperature is bad for the InfoNCE that it is "
        "compared with.",
    )


def claim_emoji() -> Claim:
    """Emoji, from scratch: the recipe against CLIP with a learned temperature."""
    gap, trained = (f"geometry/{s}/centroid_distance" for s in ("new_style", "train"))
    recall = tuple(f"retrieval/new_style/{d}/R@1" for d in ("image_to_text", "text_to_image"))
    clip = dict.fromkeys(("uniformity", "alignment", "cross_uniformity"), None)
    return Claim(
        changes={
            "steps": 500,
            "evaluators": {"retrieval": {"new_concepts": None}, "zero_shot": None},
            "log_every": 250,
        },
        statement="on emoji, CUAXU leaves at most half of CLIP's gap in the training styles and "
        "at most 0.9 of it in a new one, and retrieval is not lower by more than 2 points",
        arms={"clip": {"objectives": {**clip, "clip": {"learn_temperature": True}}}, "cuaxu": {}},
        checks=(
            Check(trained, "cuaxu", "<=", "clip", factor=0.5, each_seed=True),
            Check(gap, "cuaxu", "<=", "clip", factor=0.9, each_seed=True),
            *(Check(metric, "cuaxu", ">=", "clip", offset=-0.02) for metric in recall),
        ),
        metrics=(gap, trained, *recall),
        notes="The gap is the centroid distance, in the training styles and in the new one, which "
        "itself shifts the centroid of the images. This is not a claim about the paper's "
        "temperature of 0.01, which is for fine-tuning: with it, in an earlier run of 500 steps, "
        "the recipe left a quarter of CLIP's gap at a lower R@1, and after 1,200 steps R@1 was "
        "the same (one seed).",
    )
