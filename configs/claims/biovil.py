"""Does matching the sections of reports help images later, and is it more than augmentation?"""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import biovil
from mmjax.configs import common as c
from mmjax.data.synthetic.studies import LONGEST

RECALL = tuple(f"retrieval/test/{way}/R@5" for way in (
    "text@impression_to_image", "image_to_text@impression"))  # fmt: skip
CNR = "grounding/phrases/cnr"
SYNONYMS = "retrieval/synonyms/text@phrase_to_text@phrase/R@1"
GRID = {
    "stages.joint.optimizer.learning_rate": (3e-3, 6e-3),
    "objectives.align.temperature": (0.1, 0.5),
}


def texts(**changes: object) -> dict:
    """Changes of the stage that trains texts by two terms."""
    return {"stages": {"sections": changes}}


def claim() -> Claim:
    """Generated studies, of which few have an image."""
    view = dict(type="augmented_text", length=LONGEST, bos=False, eos=False, delete=1.0,
                delete_rate=0.25, field="findings")  # fmt: skip
    thinned = {name: Replace(dict(view)) for name in biovil.SECTIONS}
    return Claim(
        paper="pretraining the text tower by masked words and by matching the sections of reports "
        "improves the alignment with images and the grounding of phrases",
        statement="after training texts by section matching, R@5 of 300 pairs is 8 points higher "
        "and the contrast-to-noise ratio of phrases .15 higher than without training texts, and "
        "than after contrasting a section with itself under dropped words",
        arms={
            "none": Arm({"stages": {"words": None, "sections": None}}, grid=GRID),
            "masked words": Arm(texts(objectives={"sections": None}), grid=GRID),
            "dropped words": Arm(texts(data={"views": thinned}), grid=GRID),
            "section matching": Arm(grid=GRID),
            "section matching, warm": Arm(
                texts(objectives={"sections": {"temperature": 0.5}}), like="section matching"
            ),
        },
        tuning=Tuning(RECALL, seeds=(20,)),
        checks=tuple(
            check
            for other, than in (("none", "without it"), ("dropped words", "by dropped words"))
            for check in (
                Check(f"R@5 is 8 points higher than {than}", RECALL, "section matching", ">=",
                      other, offset=0.08),
                Check(f"the contrast-to-noise ratio is .15 higher than {than}", CNR,
                      "section matching", ">=", other, offset=0.15),
            )
        ),
        controls=(Control("masked words alone", "masked words", "section matching"),),
        extras=(
            Check("synonyms are found more often", SYNONYMS, "section matching", ">=",
                  "dropped words"),
            Check("masked words alone help", RECALL, "masked words", ">=", "none"),
            Check("the paper's temperature of sections helps, too", RECALL,
                  "section matching, warm", ">=", "none", offset=0.08),
        ),
        metrics=(*RECALL, CNR, "grounding/phrases/pointing", "grounding/phrases/mIoU", SYNONYMS),
        seed_keys=c.WORLD_SEED,
        paper_numbers="contrast-to-noise ratio on MS-CXR: ConVIRT .818, GLoRIA .930, BioViL 1.027, "
        "BioViL-L 1.142; from memory",
        notes="The temperature of section matching is lower than the paper's, whose own is an arm. "
        "The text tower is a bag of words: a transformer needs more steps than this has.",
    )  # fmt: skip
