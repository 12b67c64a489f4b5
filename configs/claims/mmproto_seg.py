"""Do words and an example together segment new classes better than either alone?"""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import mmproto_seg
from mmjax.configs.mmproto_seg import SIDES
from mmjax.recipe.changes import Replace

MIOU = {name: f"segmentation/{name}/mIoU" for name in SIDES}
BOTH = {"name_mean": ("name", "mean"), "aspects_split": ("aspects", "split")}
SAID = {
    "name": "a name",
    "aspects": "aspects",
    "mean": "the mean of an example",
    "split": "a split example",
}
GRID = {"optimizer.learning_rate": (5e-4, 1e-3, 2e-3), "objectives.clip.temperature": (0.03, 0.07)}
PAPER = (
    "classes as sets of visual and textual prototypes are segmented better than by either side "
    "alone, in zero-shot and few-shot segmentation"
)
NUMBERS = "best mIoU of its time on PASCAL-5i and COCO-20i; numbers not read"


def beside(arm: str, both: str, offset: float) -> tuple[Check, ...]:
    """Both sides against each of them, with one model."""
    return tuple(
        Check(f"with {SAID[one]} as the other side mIoU is {100 * offset:.0f} points above "
              f"{SAID[other]} alone", MIOU[both], arm, ">=", arm, offset=offset,
              against=MIOU[other])
        for one, other in (BOTH[both], BOTH[both][::-1])
    )  # fmt: skip


def claim() -> Claim:
    """Generated objects of two parts, of which half of the examples show one."""
    return Claim(
        paper=PAPER,
        statement="of 10 new classes, pairs of known parts, a name and the mean of an example give "
        "1 point of mIoU more than each alone, and so do aspects and a split example",
        variant="parts",
        arms={
            "trained": Arm(grid=GRID),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(tuple(MIOU.values())),
        checks=tuple(check for both in BOTH for check in beside("trained", both, 0.01)),
        controls=(Control("untrained towers", "untrained", "trained"),),
        premises=(
            Check("words find new classes", MIOU["name"], "trained", ">=", "untrained",
                  offset=0.1),
            Check("examples find new classes", MIOU["mean"], "trained", ">=", "trained",
                  offset=0.1, against="segmentation/mean/chance"),
        ),
        extras=(
            Check("two texts are 1 point better than their mean", MIOU["aspects"], "trained", ">=",
                  "trained", offset=0.01, against=MIOU["name"]),
            Check("splitting an example is 1 point better than its mean", MIOU["split"], "trained",
                  ">=", "trained", offset=0.01, against=MIOU["mean"]),
        ),
        metrics=(*MIOU.values(), "segmentation/aspects_split/FB-IoU", "segmentation/seen/mIoU"),
        seed_keys=c.WORLD_SEED,
        paper_numbers=NUMBERS,
        notes="Masks are those of 8 x 8 tokens, which bounds mIoU well below 1. The setting is "
        "made so that words have something to add: half of the examples show a part of the object.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Emoji in scenes of four, in two styles that were not trained."""
    own = mmproto_seg.small()["evaluators"]["segmentation"]
    arm = "trained"
    return Claim(
        paper=PAPER,
        statement="of emoji whose names are known, in styles that are not trained, a name and the "
        "mean of an example give 1 point of mIoU more than each alone",
        config=c.changed(mmproto_seg.small(("twitter", "emojione")), steps=400),
        arms={
            arm: Arm(grid={"optimizer.learning_rate": (2e-3, 4e-3)}),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(
            tuple(MIOU.values()),
            seeds=(20,),
            changes={"evaluators": {"segmentation": Replace(own)}},
        ),
        checks=beside(arm, "name_mean", 0.01),
        controls=(Control("untrained towers", "untrained", arm),),
        extras=beside(arm, "aspects_split", 0.01),
        metrics=(*MIOU.values(), "segmentation/name/chance", "segmentation/name_mean/FB-IoU"),
        paper_numbers=NUMBERS,
        notes="Names are known, as to CLIP, and masks are not. An example is another scene of the "
        "concept, in one of the two styles. Aspects are a name and people's keywords, which "
        "captions did not have. 400 of the recipe's 1,000 steps.",
    )
