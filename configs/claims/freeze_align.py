"""Both towers locked against the image tower alone, on concepts of `test`."""

from mmjax.claims import Check, Claim, Replace
from mmjax.configs import freeze_align, lit
from mmjax.configs.claims.lit import NEW_CONCEPTS, NEW_STYLE


def locked_image(config: dict) -> dict:
    """What makes of a config here that of `configs/lit.py`, whose text tower is from scratch."""
    keys = ("data", "optimizer", "evaluators", "checkpoints")
    towers = {"towers": Replace(config["model"]["towers"])}
    sections = {key: Replace(config[key]) for key in keys}
    return {"steps": config["steps"], **sections, "model": towers}


def claim() -> Claim:
    """Emoji."""
    return Claim(
        config=freeze_align.small("test"),
        statement="on emoji concepts that no pair of training had, linear projectors on a locked "
        "image and a locked text tower find the name among the first 10 of 80 at least 10 points "
        "more often than a locked image tower with texts from scratch",
        arms={"locked image": locked_image(lit.small("test")), "locked both": {}},
        checks=(Check(NEW_CONCEPTS, "locked both", ">=", "locked image", offset=0.1),),
        metrics=(NEW_CONCEPTS, NEW_STYLE),
        notes="Chance is .125. A ridge regression from one tower's features to the other's does as "
        "well (.788 in the styles of training, .612 in a new one).",
    )


def claim_tux_paint() -> Claim:
    """Tux Paint: the same, on captions."""
    return Claim(
        config=freeze_align.tux_paint("test"),
        statement="of captions that no stamp of training had, linear projectors on a locked image "
        "and a locked text tower find the right one among the first 10 at least 10 points more "
        "often than a locked image tower with texts from scratch",
        arms={"locked image": locked_image(lit.tux_paint("test")), "locked both": {}},
        checks=(Check(NEW_CONCEPTS, "locked both", ">=", "locked image", offset=0.1),),
        metrics=(NEW_CONCEPTS,),
        notes="Of 125 captions; chance is .080. A ridge regression from one tower's features to "
        "the other's has .528.",
    )
