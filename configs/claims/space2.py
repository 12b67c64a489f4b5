"""Do overlaps of trees order embeddings better than hard labels, with or without subspaces?"""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import space2

FOLLOWS, NEAREST = "structure/test/spearman", "structure/test/nearest"
PROBE = "probe/test/accuracy"
RATES = {"optimizer.learning_rate": (5e-4, 2e-3)}


def grid(*terms: str) -> dict:
    """The temperature of all terms, and the learning rate."""
    keys = ", ".join(f"objectives.{term}.temperature" for term in terms)
    return {**RATES, keys: (0.07, 0.15)}


def hard(label: str) -> Arm:
    """Rows of one label are positives."""
    term = dict(type="sup_con", views=space2.TEXTS, label=label, temperature=0.07)
    return Arm({"objectives": Replace({"label": term})}, grid=grid("label"))


def claim() -> Claim:
    """Bags of the words of generated dialog turns."""
    alone = dict(type="nt_xent", views=space2.TEXTS, temperature=0.07)
    spaces = {
        "model": {"towers": {"text": {"heads": space2.heads(128)}}},
        "objectives": Replace(space2.subspaces()),
        "evaluators": {"structure": {"test": {"layer": space2.EVERY}}},
    }
    return Claim(
        paper="contrast whose positives are weighted by the overlap of annotated trees, in a "
        "subspace for each kind of nodes and paths, represents dialogs better than contrast by "
        "dropout alone or by hard labels",
        statement="Spearman's correlation of cosines with the overlap of trees is .25 higher than "
        "where only equal trees are positives and .05 higher than where equal intents are, in one "
        "space as in ten; the nearest turn overlaps more than with both, and a probe of intents is "
        ".15 above that of equal trees",
        variant="bags",
        arms={
            "overlaps, ten spaces": Arm(spaces, grid=grid(*space2.VIEWS)),
            "overlaps, one space": Arm(grid=grid("trees")),
            "equal trees": hard("tree"),
            "equal intents": hard("intent"),
            "dropout alone": Arm({"objectives": Replace({"pairs": alone})}, grid=grid("pairs")),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(FOLLOWS, seeds=(20,)),
        checks=tuple(
            check
            for arm in ("overlaps, ten spaces", "overlaps, one space")
            for check in (
                Check(f"{arm}: cosines follow overlaps .25 better than by equal trees", FOLLOWS,
                      arm, ">=", "equal trees", offset=0.25),
                Check(f"{arm}: .05 better than by equal intents", FOLLOWS, arm, ">=",
                      "equal intents", offset=0.05),
                Check(f"{arm}: the nearest turn overlaps more than by equal trees", NEAREST, arm,
                      ">=", "equal trees"),
                Check(f"{arm}: more than by equal intents", NEAREST, arm, ">=", "equal intents"),
                Check(f"{arm}: a probe of intents is better by 15 points than of equal trees",
                      PROBE, arm, ">=", "equal trees", offset=0.15),
            )
        ),
        controls=(Control("equal intents as hard labels", "equal intents", "overlaps, one space"),),
        premises=(
            Check("overlaps are learned", FOLLOWS, "overlaps, one space", ">=", "untrained",
                  offset=0.1),
        ),
        extras=(
            Check("equal trees are better than dropout alone", FOLLOWS, "equal trees", ">=",
                  "dropout alone"),
            Check("ten spaces are better than one", FOLLOWS, "overlaps, ten spaces", ">=",
                  "overlaps, one space"),
            Check("a probe of intents is better than where they were the labels", PROBE,
                  "overlaps, one space", ">=", "equal intents"),
        ),
        metrics=(FOLLOWS, NEAREST, "structure/test/chance_nearest", PROBE),
        seed_keys=c.WORLD_SEED,
        paper_numbers="intents, slots and states of DialoGLUE, above SPACE-1 and ConvBERT; values "
        "not confirmed",
        notes="Masked words and turns without trees are not in this experiment. Overlaps are what "
        "the loss is told, so what is found is that they carry over to other turns.",
    )  # fmt: skip
