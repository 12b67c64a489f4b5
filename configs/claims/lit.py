"""A locked image tower against one trained from scratch, on concepts of `test`."""

from mmjax.claims import Check, Claim, Replace
from mmjax.configs import common as c
from mmjax.configs import lit

NEW_CONCEPTS, NEW_STYLE = (
    f"retrieval/{name}/image_to_text/R@10" for name in ("new_concepts", "new_style")
)


def from_scratch(kind: str, steps: int, learning_rate: float) -> dict:
    """Changes to `configs/clip.py`: both towers trained from scratch, on images.

    Args:
      kind: of the source, `emoji` or `tux_paint`.
      steps: number of training steps.
      learning_rate: of both towers.
    """

    def source(split: str) -> dict:
        return dict(type=kind, split=split)

    stamps = kind == "tux_paint"
    clip = c.emoji(lit.PAPER, lit.objectives(), length=32 if stamps else 16)
    if stamps:  # some stamps exist in both orientations
        clip = c.changed(clip, data={"source": source("train"), "views": {"image": {"flip": 0.5}}})
    evaluators = c.measured(lit.new_concepts("test", source, styles=not stamps))
    return {
        "steps": steps,
        "optimizer": {"learning_rate": learning_rate},
        "checkpoints": {"every": steps},
        "data": Replace(clip["data"]),
        "model": {"towers": Replace(clip["model"]["towers"])},
        "evaluators": evaluators,
    }


def claim() -> Claim:
    """Emoji."""
    return Claim(
        config=lit.small("test"),
        statement="on emoji concepts that do not occur in training, a locked image tower "
        "pretrained on ImageNet has an R@10 (of 80 names) that is at least 3 points higher than "
        "that of a tower trained from scratch on the same pairs",
        arms={"scratch": from_scratch("emoji", 150, 3e-3), "locked image": {}},
        checks=(Check(NEW_CONCEPTS, "locked image", ">=", "scratch", offset=0.03),),
        metrics=(NEW_CONCEPTS, NEW_STYLE),
        paper_numbers="ImageNet zero-shot 85.2 with a locked ViT-g/14",
        notes="Chance is .125, in the training styles and in a new one.",
    )


def claim_tux_paint() -> Claim:
    """The same for captions of Tux Paint."""
    return Claim(
        config=lit.tux_paint("test"),
        statement="on captions that do not occur in training, a locked image tower pretrained on "
        "ImageNet has an R@10 that is at least 3 points higher than that of a tower trained from "
        "scratch on the same stamps",
        arms={"scratch": from_scratch("tux_paint", 100, 1e-3), "locked image": {}},
        checks=(Check(NEW_CONCEPTS, "locked image", ">=", "scratch", offset=0.03),),
        metrics=(NEW_CONCEPTS,),
        notes="Of 125 captions; chance is .080.",
    )
