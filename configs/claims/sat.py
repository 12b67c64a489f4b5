"""Pairs of one concept in a batch: left out, negatives, or positives."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import lit, sat
from mmjax.data.synthetic.organ_regions import MODALITIES


def named(part: str, metric: str = "top_1") -> tuple[str, ...]:
    """The metric of both modalities, each with its own texts."""
    return tuple(f"zero_shot/{part}_{scans}/{metric}" for scans in MODALITIES)


MACRO, MICRO = named("all", "mean_per_class"), named("all")
HEAD, TAIL = named("head"), named("tail")
RATES = {"optimizer.learning_rate": (6e-4, 2e-3, 6e-3)}


def arms(grid: dict, views: dict, positives: dict) -> dict[str, Arm]:
    """Pairs of one concept as negatives, left out, and as positives; and without definitions.

    Args:
      grid: of every arm.
      views: of the data, which positives need beside the recipe's.
      positives: the loss of which they are positives.
    """
    rates = {**grid, "objectives.knowledge.temperature": (0.07, 0.2)}
    negatives = {
        "objectives": {
            term: {"duplicates": "negative", "duplicates_by": None}
            for term in ("knowledge", "regions")
        }
    }
    supervised = {
        "stages": {"knowledge": {"objectives": {"concepts": None}}},
        "data": {"views": views},
        "objectives": {
            "regions": None, "concepts": {**positives, "learn_temperature": True}
        },
    }  # fmt: skip
    return {
        "negatives": Arm(negatives, grid=rates),
        "masked": Arm(grid=rates),
        "positives": Arm(supervised, grid={**grid, "objectives.concepts.temperature": (0.07, 0.2)}),
        "masked, no definitions": Arm(
            {"stages": {"knowledge": None}, "objectives": {
                "knowledge": None, "regions": {"temperature": 0.07}}},
            grid={**grid, "objectives.regions.temperature": (0.07, 0.2)},
        ),
        "untrained": Arm(
            {"stages": {"knowledge": None, "regions": {**c.UNTRAINED}}},
            untuned="it does not train",
        ),
    }  # fmt: skip


def claim() -> Claim:
    """24 organs, of which a few are most of every batch."""
    positives = dict(type="sup_con", views=sat.REGION, label="concept")
    return Claim(
        paper="contrastive training of terms and regions of scans, without negatives of the same "
        "concept, and a text encoder first trained on definitions, give texts that name regions",
        statement="on regions of 24 generated organs of unequal frequency, leaving out negatives "
        "of the same concept makes the accuracy of naming a region higher than with them, in the "
        "mean over regions and over organs, by .05 on the four most frequent; and pairs of a "
        "concept as positives do not do it, too",
        config=sat.small("test"),
        arms=arms(RATES, {"concept": c.LABEL}, positives),
        tuning=Tuning((*MACRO, *MICRO), seeds=(20,)),
        checks=(
            Check("on the four most frequent organs accuracy is .05 higher", HEAD, "masked", ">=",
                  "negatives", offset=0.05),
            Check("accuracy over organs is higher", MACRO, "masked", ">=", "negatives"),
            Check("accuracy over regions is higher", MICRO, "masked", ">=", "negatives"),
        ),
        controls=(
            Control("pairs of one concept as positives", "positives", "masked"),
        ),
        premises=(
            Check("organs are learned: .3 over the initial weights", MICRO, "negatives", ">=",
                  "untrained", offset=0.3),
        ),
        extras=(
            Check("definitions help: accuracy over organs is higher than without them", MACRO,
                  "masked", ">=", "masked, no definitions"),
            Check("they help rare organs, too", TAIL, "masked", ">=", "masked, no definitions"),
        ),
        metrics=(*MACRO, *MICRO, *HEAD, *TAIL),
        seed_keys=c.WORLD_SEED,
        paper_numbers="its ablation of the text encoder is of segmentation: a domain text encoder "
        "beats a generic one, mainly on rare classes; tables not confirmed",
        notes="The features of a region are nine numbers, its place among them, and no network "
        "sees the volume.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Emoji: 98 subgroups of unequal size, to name unseen emoji by."""
    top, macro = (f"zero_shot/subgroup/{metric}" for metric in ("top_1", "mean_per_class"))
    by_regression = "probe/subgroup/accuracy"
    train, validation, test = (
        lit.features(split, labels="emoji_pretrained")
        for split in ("train", "validation_concepts", "test_concepts")
    )
    penalties = (0.001, 0.01, 0.1, 1.0)
    probe = c.probe("subgroup", test, train, val=validation, labels="subgroup", c=penalties)
    positives = dict(type="sup_con", views=("image", "text"), label="subgroup")
    found = arms({"optimizer.learning_rate": (5e-4, 2e-3)}, {}, positives)
    found["logistic regression"] = Arm(
        {
            "stages": {"knowledge": None, "regions": {**c.UNTRAINED}},
            "model": {"towers": {"image": {"encoder": Replace(c.identity(lit.DIM))}}},
            "evaluators": Replace(probe),
        },
        untuned="in closed form; the penalty is chosen on the validation concepts",
    )
    measured = sat.emoji()["evaluators"]  # on the validation concepts
    return Claim(
        paper="contrastive training of terms and regions of scans, without negatives of the same "
        "concept, gives texts that name regions",
        statement="on emoji of 98 subgroups of unequal size, leaving out negatives of the same "
        "subgroup makes the accuracy of naming an unseen emoji's subgroup higher than with them, "
        "in the mean over emoji and over subgroups; and pairs of a subgroup as positives do not do "
        "it, too",
        config=sat.emoji("test"),
        arms=found,
        tuning=Tuning((top, macro), seeds=(20,), changes={"evaluators": Replace(measured)}),
        checks=(
            Check("accuracy over emoji is higher", top, "masked", ">=", "negatives"),
            Check("accuracy over subgroups is higher", macro, "masked", ">=", "negatives"),
        ),
        controls=(Control("pairs of one subgroup as positives", "positives", "masked"),),
        premises=(
            Check("subgroups are learned: .2 over the initial weights", top, "negatives", ">=",
                  "untrained", offset=0.2),
        ),
        extras=(
            Check("definitions help: accuracy over subgroups is higher than without them", macro,
                  "masked", ">=", "masked, no definitions"),
            Check("accuracy over emoji is higher than that of logistic regression", top, "masked",
                  ">=", "logistic regression", against=by_regression),
        ),
        metrics=(top, macro, "zero_shot/subgroup/top_5"),
        notes="A subgroup's definitions are the names of its emoji. 69 unseen emoji of 38 "
        "subgroups, of which one emoji is more than a point.",
    )  # fmt: skip
