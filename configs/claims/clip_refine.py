"""Losses for the second stage of a CLIP, each at its best learning rate."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs.clip_refine import CLIP

RATE = "stages.refine.optimizer.learning_rate"


def claim() -> Claim:
    """Modality gap, retrieval and uniformity, on all classes after a stage on half of them."""
    gap = "geometry/test/centroid_distance"
    spread = tuple(f"geometry/test/uniformity/{name}" for name in ("image", "text"))
    recall = tuple(f"retrieval/test/{way}/R@1" for way in ("image_to_text", "text_to_image"))
    plain = {"objectives": {"rafa": None, "hycd": None, "clip": CLIP}, "teacher": None}
    # In the second stage only: all arms start from the same pretrained towers.
    aligned = {"refine": {"objectives": {"alignment": dict(type="alignment")}}}
    slow = {"stages": {"refine": {"optimizer": {"learning_rate": 3e-4}}}}
    rates = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    middle, weights = {RATE: rates[2:5]}, (0.3, 1.0)
    temperature = "stages.refine.objectives.clip.temperature"
    # A fifth of the gap, which is a squared distance.
    closer = 0.2**0.5
    return Claim(
        paper="a short stage that pulls both members of a pair to one random vector, and distils "
        "the frozen CLIP in half of the targets, closes the modality gap of a pretrained CLIP and "
        "improves it on unseen classes, where contrastive training forgets",
        statement="each loss at its best learning rate, CLIP-Refine leaves a fifth of the gap of "
        "contrastive training and of the pretrained CLIP, with a higher R@1 on all classes than "
        "either of them; it needs the distillation, and its hard targets",
        arms={
            "pretrained": Arm({"stages": {"refine": None}}, untuned="where all others start"),
            "contrastive": Arm(plain, grid={RATE: rates}),
            "temperature": Arm(plain, grid={RATE: rates[3:], temperature: (0.07, 0.2)}),
            "aligned + hycd": Arm(
                {"objectives": {"rafa": None}, "stages": aligned},
                grid={**middle, "stages.refine.objectives.alignment.weight": weights},
            ),
            "refine": Arm(grid={**middle, "objectives.rafa.weight": weights}),
            "rafa": Arm({"objectives": {"hycd": None}, "teacher": None}, like="refine"),
            "refine, alpha = 0": Arm({"objectives": {"hycd": {"alpha": 0.0}}}, like="refine"),
            "refine at 3e-4": Arm(slow, untuned="at a lower rate, to compare"),
        },
        tuning=Tuning(recall),
        checks=(
            Check("it leaves a fifth of the gap of contrastive training", gap, "refine", "<=",
                  "contrastive", factor=closer),
            Check("it leaves a fifth of the pretrained gap", gap, "refine", "<=", "pretrained",
                  factor=closer),
            Check("R@1 is higher than before", recall, "refine", ">=", "pretrained"),
            Check("R@1 is higher than after contrastive training", recall, "refine", ">=",
                  "contrastive"),
            Check("without distillation R@1 is at most half as high", recall, "rafa", "<=",
                  "refine", factor=0.5),
            Check("R@1 is higher than with the teacher's targets alone", recall, "refine", ">=",
                  "refine, alpha = 0"),
        ),
        controls=(
            Control("pairs pulled to each other, and distillation", "aligned + hycd", "refine"),
            Control("contrastive training at a higher temperature", "temperature", "refine"),
        ),
        extras=(
            Check("uniformity is 1.0 better than with pairs pulled to each other", spread,
                  "refine", "<=", "aligned + hycd", offset=-1.0),
            Check("R@1 is higher than with pairs pulled to each other", recall, "refine", ">=",
                  "aligned + hycd"),
            Check("at 3e-4 R@1 is higher than before", recall, "refine at 3e-4", ">=",
                  "pretrained"),
            Check("at 3e-4 it leaves a fifth of the pretrained gap", gap, "refine at 3e-4", "<=",
                  "pretrained", factor=closer),
        ),
        metrics=(gap, *recall, *spread),
        seed_keys=c.WORLD_SEED,
        paper_numbers="about 2.3 points of zero-shot accuracy over 12 sets with ViT-B/32; tables "
        "not confirmed",
        notes="Centroid distances are the square roots of the gap as defined in the paper. R@1 is "
        "on all 40 classes, of which the second stage sees half. At its best rate contrastive "
        "training does not forget the other half: it retrieves better than before, and better "
        "than CLIP-Refine, which is also behind pairs that are pulled to each other instead of to "
        "random vectors. What the random vectors add is uniformity.",
    )  # fmt: skip
