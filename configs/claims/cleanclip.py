"""What a short fine-tuning on clean pairs leaves of a backdoor, with and without two more terms."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import cleanclip

RATE, CLEAN = "zero_shot/attack/target_rate", "zero_shot/clean/top_1"
RATES = {"stages.clean.optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}
LENGTH = {**RATES, "stages.clean.steps": (300, 600)}
WEIGHT = {**RATES, "stages.clean.objectives.within.weight": (1.0, 4.0)}


def tuned(**objectives: object) -> dict:
    """Changes of the fine-tuning's terms."""
    return {"stages": {"clean": {"objectives": objectives}}}


def claim() -> Claim:
    """Digits with captions; the trigger is a checkerboard, the target class is zero."""
    never = {"poisoned": {"data": {"source": {"share": 0.0}}}, "clean": None}
    classified = {
        name: cleanclip.small("validation")["evaluators"]["zero_shot"][name]["source"]
        for name in ("clean", "attack")
    }
    return Claim(
        paper="fine-tuning a poisoned CLIP on clean pairs with contrastive terms within each "
        "modality removes a backdoor that fine-tuning with the contrastive loss alone leaves",
        statement="of a CLIP on digits with a twentieth of its pairs poisoned, fine-tuning with "
        "terms within the modalities leaves a rate of the target class that is .2 lower than "
        "after fine-tuning without them, at a clean accuracy that is lower by at most .03; and "
        "neither augmentation without these terms nor the term within images alone does it, too",
        config=cleanclip.small("test"),
        arms={
            "clip": Arm(tuned(within=None), grid=LENGTH),
            "cleanclip": Arm(grid=WEIGHT),
            "clip, augmented pairs": Arm(
                tuned(within=None, clip={"pairs": (cleanclip.SECOND,)}), grid=LENGTH
            ),
            "cleanclip, images alone": Arm(
                tuned(within={"pairs": (("image", "image@2"),)}), grid=WEIGHT
            ),
            "poisoned": Arm({"stages": {"clean": None}}, untuned="before any fine-tuning"),
            "never poisoned": Arm({"stages": never}, untuned="the same without an attack"),
        },
        tuning=Tuning(
            (CLEAN, "zero_shot/attack/top_1"),
            seeds=(20,),
            changes={"evaluators": {"zero_shot": {
                name: {"source": source} for name, source in classified.items()
            }}},
        ),
        checks=(
            Check("the rate of the target class is .2 lower", RATE, "cleanclip", "<=", "clip",
                  offset=-0.2),
            Check("clean accuracy is lower by at most .03", CLEAN, "cleanclip", ">=", "clip",
                  offset=-0.03),
        ),
        controls=(
            Control("augmented pairs without terms within the modalities",
                    "clip, augmented pairs", "cleanclip"),
            Control("the term within images alone", "cleanclip, images alone", "cleanclip"),
        ),
        premises=(
            Check("there is a backdoor: the rate is .8 higher than without an attack", RATE,
                  "poisoned", ">=", "never poisoned", offset=0.8),
            Check("the contrastive loss alone leaves some of it: .2 more than without an attack",
                  RATE, "clip", ">=", "never poisoned", offset=0.2),
        ),
        extras=(
            Check("the contrastive loss alone lowers the rate, too", RATE, "clip", "<=",
                  "poisoned"),
        ),
        metrics=(RATE, CLEAN, "zero_shot/attack/top_1"),
        paper_numbers="CC3M, from memory: the rate is about 99 % before, mostly high after "
        "fine-tuning with the contrastive loss alone, and 10 to 20 % with CleanCLIP",
        notes="Settings are chosen by the accuracy on clean images and on images with the "
        "trigger, which a defender who knows no trigger could not do; all arms may. Fine-tuning "
        "is on the training images without the trigger, with their own captions.",
    )  # fmt: skip
