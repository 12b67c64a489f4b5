"""Both towers locked, against a locked image tower only, on concepts of `test`."""

from mmjax.claims import Check, Claim, Replace
from mmjax.configs import freeze_align, lit
from mmjax.configs.claims.lit import NEW_CONCEPTS, NEW_STYLE


def locked_image(config: dict) -> dict:
    """Changes to the config of `configs/lit.py`, whose text tower is trained from scratch."""
    keys = ("data", "optimizer", "evaluators", "checkpoints")
    towers = {"towers": Replace(config["model"]["towers"])}
    sections = {key: Replace(config[key]) for key in keys}
    return {"steps": config["steps"], **sections, "model": towers}


def claim() -> Claim:
    """Emoji."""
    return Claim(
        config=freeze_align.small("test"),
        statement="on emoji concepts that do not occur in training, linear projection heads on a "
        "locked image and a locked text tower have an R@10 (of 80 names) that is at least 10 "
        "points higher than a locked image tower with a text tower trained from scratch",
        arms={"locked image": locked_image(lit.small("test")), "locked both": {}},
        checks=(Check(NEW_CONCEPTS, "locked both", ">=", "locked image", offset=0.1),),
        metrics=(NEW_CONCEPTS, NEW_STYLE),
        notes="Chance is .125. Ridge regression from the features of one tower to those of the "
        "other is as good (.788 in the training styles, .612 in a new one).",
    )


def claim_tux_paint() -> Claim:
    """The same for captions of Tux Paint."""
    return Claim(
        config=freeze_align.tux_paint("test"),
        statement="on captions that do not occur in training, linear projection heads on a locked "
        "image and a locked text tower have an R@10 that is at least 10 points higher than a "
        "locked image tower with a text tower trained from scratch",
        arms={"locked image": locked_image(lit.tux_paint("test")), "locked both": {}},
        checks=(Check(NEW_CONCEPTS, "locked both", ">=", "locked image", offset=0.1),),
        metrics=(NEW_CONCEPTS,),
        notes="Of 125 captions; chance is .080. Ridge regression from the features of one tower "
        "to those of the other reaches .528.",
    )
