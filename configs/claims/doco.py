"""Do terms of objects keep what is on a page, and what are boxes good for?"""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import doco

PAGE, OBJECT = "probe/page/P@k", "probe/object/accuracy"
METRICS = (PAGE, OBJECT, "probe/page/mAP", *c.recall("retrieval/pages", ("image", "objects")))


def alone(kept: str | None = None, **changes: object) -> dict:
    """Captions, with one of the two terms of objects or with none."""
    left_out = [name for name in ("intra", "inter") if name != kept]
    return {"objectives": dict.fromkeys(left_out), **changes}


def arms(rates: tuple[float, ...], steps: int, temperature: float = 0.07) -> dict[str, Arm]:
    """All that is compared; captions alone also train twice as long.

    Args:
      rates: to choose from.
      steps: of the recipe.
      temperature: of pages, where no term of objects has one.
    """
    grid = {"optimizer.learning_rate": rates}
    whole = dict(type="info_nce", pairs=(("image", "objects"),), head="roi")
    inter = alone("inter")
    inter["objectives"]["inter"] = {"temperature": temperature}
    no_boxes = alone()
    no_boxes["objectives"]["whole"] = whole
    return {
        "captions": Arm(alone(), grid=grid),
        "captions, longer": Arm(alone(steps=2 * steps), grid=grid),
        "intra": Arm(alone("intra"), grid=grid),
        "inter": Arm(inter, grid=grid),
        "both": Arm(grid=grid),
        "no boxes": Arm(no_boxes, grid=grid),
        "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
    }


def claim() -> Claim:
    """Generated pages of five objects, of which the caption names one."""
    return Claim(
        paper="aligning the regions of document objects with features of another encoder, within "
        "pages and between them, keeps what image-level training loses",
        statement="with both terms a probe of the page finds its objects 3 points more often (P@5) "
        "than by captions, trained twice as long; each term adds 1 point to captions; and what is "
        "in a box is told 1 point more often than by a loss of whole pages",
        variant="pages",
        arms=arms((5e-4, 1e-3, 2e-3), 500),
        tuning=Tuning((PAGE, OBJECT), seeds=(20,)),
        checks=(
            Check("P@5 is 3 points higher than by captions, trained longer", PAGE, "both", ">=",
                  "captions, longer", offset=0.03),
            Check("within pages: P@5 is 1 point higher than by captions", PAGE, "intra", ">=",
                  "captions", offset=0.01),
            Check("between pages: P@5 is 1 point higher than by captions", PAGE, "inter", ">=",
                  "captions", offset=0.01),
            Check("objects are told 1 point more often than without boxes", OBJECT, "both", ">=",
                  "no boxes", offset=0.01),
            Check("objects are told more often than by captions", OBJECT, "both", ">=",
                  "captions, longer"),
        ),
        controls=(Control("whole pages against their objects, without boxes", "no boxes", "both"),),
        premises=(
            Check("captions teach something", PAGE, "captions", ">=", "untrained", offset=0.03),
        ),
        extras=(
            Check("boxes help what a page's feature holds, by 2 points", PAGE, "both", ">=",
                  "no boxes", offset=0.02),
        ),
        metrics=METRICS,
        seed_keys=c.WORLD_SEED,
        paper_numbers="about 2 points more on average over benchmarks of documents; from memory",
        notes="Captions stand for the language model's loss. The object features are exact, as no "
        "OCR's are.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Pages of emoji, in two styles that are not trained."""
    own = doco.small()["evaluators"]
    return Claim(
        paper="aligning the regions of document objects with features of another encoder keeps "
        "what image-level training loses",
        statement="on pages of emoji in new styles a probe of the page finds the groups of its "
        "objects 3 points more often (P@5) than by captions, and of what is in a box is told 1 "
        "point more often than by a loss of whole pages",
        config=c.changed(doco.small(("twitter", "emojione")), steps=300, data={"batch_size": 64}),
        arms={name: arm for name, arm in arms((2e-3, 4e-3), 300).items()
              if name in ("captions", "both", "no boxes", "untrained")},
        tuning=Tuning((PAGE, OBJECT), seeds=(20,), changes={"evaluators": Replace(own)}),
        checks=(
            Check("P@5 is 3 points higher than by captions", PAGE, "both", ">=", "captions",
                  offset=0.03),
            Check("objects are told 1 point more often than without boxes", OBJECT, "both", ">=",
                  "no boxes", offset=0.01),
        ),
        controls=(Control("whole pages against their objects, without boxes", "no boxes", "both"),),
        metrics=METRICS,
        notes="The caption is the name of the object whose group is asked for, and object features "
        "are MiniLM's of names: captions know more of this object than those of a page would. 300 "
        "steps of 64, of the recipe's 800 of 128.",
    )  # fmt: skip
