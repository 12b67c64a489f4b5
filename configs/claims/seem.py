"""Can prompts of two kinds be mixed untrained, and does one space of regions bind them?"""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import seem

MIXED, *SINGLE = (f"grounding/{name}/pointing" for name in ("mixed", *seem.PROMPTS))
BOUND = c.recall("retrieval/prompts", seem.PROMPTS)
GRID = {
    "optimizer.learning_rate": (1e-3, 3e-3),
    "objectives.text.temperature, objectives.visual.temperature": (0.05, 0.1),
}


def apart(image: dict, visual: dict, evaluator: dict, **towers: dict) -> Arm:
    """Visual prompts have outputs of their own to be compared with.

    Args:
      image: changes of the image tower.
      visual: of the term.
      evaluator: of those evaluators that have a visual prompt.
      **towers: further ones.
    """
    names = [f"{which}{name}" for which in ("", "conflict_") for name in ("visual", "mixed")]
    return Arm(
        {
            "model": {"towers": {"image": image, **towers}},
            "objectives": {"visual": visual},
            "evaluators": {"grounding": dict.fromkeys(names, evaluator)},
        },
        grid=GRID,
    )


def mixing(arm: str) -> tuple[Check, ...]:
    """Both prompts together against each of them."""
    return tuple(
        Check(f"{arm}: both prompts find 30 points more than the {name} one", MIXED, arm, ">=", arm,
              offset=0.3, against=single)
        for name, single in zip(seem.PROMPTS, SINGLE, strict=True)
    )  # fmt: skip


def claim() -> Claim:
    """Generated regions; no record of training has prompts of both kinds."""
    head = c.linear_head(32, tokens=True)
    tower = seem.regions()["model"]["towers"]["image"]
    two = {"heads": {"visual": "mask"}}
    own = {"pair": ("regions", "visual"), "tokens": ("regions",)}
    return Claim(
        paper="text and visual prompts can be mixed without having been trained together, because "
        "both are matched with outputs of one decoder",
        statement="a prompt of the colour and one of the shape together find 30 points more "
        "regions than either, and with one space of regions words find 70 points more of the "
        "examples that they never saw (R@1) than with the paper's two",
        variant="regions",
        arms={
            "one space": Arm(grid=GRID),
            "two heads": apart({"heads": {"mask": head}}, {"head": {"image": "mask"}}, two),
            "two towers": apart({}, own, {"parts": {"visual": "regions"}},
                                regions={**tower, "reads": "image"}),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning((MIXED, *SINGLE), seeds=(20,)),
        checks=(
            *mixing("one space"),
            *mixing("two heads"),
            Check("one space binds prompts that were never paired: R@1 is 70 points higher", BOUND,
                  "one space", ">=", "two heads", offset=0.7),
        ),
        controls=(Control("two towers that share nothing", "two towers", "one space"),),
        premises=(
            Check("prompts find regions", MIXED, "two heads", ">=", "untrained", offset=0.3),
        ),
        extras=(
            *mixing("two towers"),
            Check("two heads bind as little as no training", BOUND, "two heads", "<=", "untrained",
                  offset=0.1),
            Check("a word corrects the colour of an example, by 30 points",
                  "grounding/conflict_mixed/pointing", "one space", ">=", "one space", offset=0.3,
                  against="grounding/conflict_visual/pointing"),
        ),
        metrics=(MIXED, *SINGLE, *BOUND, "grounding/conflict_mixed/pointing",
                 "grounding/conflict_visual/pointing"),
        seed_keys=c.WORLD_SEED,
        paper_numbers="panoptic and interactive segmentation of COCO and others; numbers not read",
        notes="Mixing adds two scores, which two separate towers can do as well: it is no evidence "
        "of a joint space. Binding is. Regions are given, and nothing is said of masks.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Emoji in scenes, in two styles that are not trained."""
    own = seem.small()["evaluators"]
    return Claim(
        paper="text and visual prompts can be mixed without having been trained together",
        statement="in scenes of emoji in new styles, a name and an image in another style together "
        "find 1 point more targets than either, and names find 30 points more of the images that "
        "they were never paired with (R@1) than without training",
        config=c.changed(seem.small(("twitter", "emojione")), steps=400),
        arms={
            "one space": Arm(grid={"optimizer.learning_rate": (2e-3, 4e-3)}),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning((MIXED, *SINGLE), seeds=(20,), changes={"evaluators": own}),
        checks=(
            *(Check(f"both prompts find 1 point more than the {name} one", MIXED, "one space", ">=",
                    "one space", offset=0.01, against=single)
              for name, single in zip(seem.PROMPTS, SINGLE, strict=True)),
            Check("names find images that they were never paired with: R@1 is 30 points higher",
                  BOUND, "one space", ">=", "untrained", offset=0.3),
        ),
        controls=(Control("untrained towers", "untrained", "one space"),),
        metrics=(MIXED, *SINGLE, *BOUND, "grounding/mixed/chance_pointing", "grounding/text/mIoU"),
        notes="A scene has a name or an image as its prompt, never both, and the same concept may "
        "be in scenes of either kind. 400 of the recipe's 1,000 steps.",
    )  # fmt: skip
