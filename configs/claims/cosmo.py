"""Retrieval and captions by one model, against a model for each."""

from mmjax.claims import Arm, Check, Claim, Tuning
from mmjax.configs import common as c
from mmjax.configs import cosmo

RECALL = c.recall("retrieval/test", ("image", "text"))
RIDGE = c.recall("linear_map/test", ("image", "text"))
PERPLEXITY, EXACT = "generation/test/perplexity", "generation/test/greedy/exact"
GRID = {"optimizer.learning_rate": (1e-3, 2e-3, 4e-3)}


def claim() -> Claim:
    """Scenes of two coloured shapes, and captions of their relation."""
    flat = {"objectives": {"clip": {"temperature": 0.82}}}
    return Claim(
        paper="a contrastive loss on the lower half of a language model beside captioning gives "
        "retrieval by the same model and helps",
        statement="on generated scenes, with both losses R@1 is 20 points higher than that of a "
        "linear map between what captioning alone has learned, and no more than 5 points lower "
        "than with the contrastive loss alone, while the perplexity of captions is no more than "
        "3 % higher than with captioning alone",
        config=cosmo.small("test"),
        arms={
            "captioning": Arm({"objectives": {"clip": {"weight": 0.0}}}, grid=GRID),
            "contrastive": Arm({"objectives": {"caption": {"weight": 0.0}}}, grid=GRID),
            "both": Arm(grid=GRID),
            "both, flat": Arm(flat, like="both"),
            "untrained": Arm(c.UNTRAINED, untuned="it does not train"),
        },
        tuning=Tuning(RECALL, seeds=(20,)),
        checks=(
            Check("R@1 is 20 points higher than by a linear map after captioning", RECALL, "both",
                  ">=", "captioning", offset=0.2, against=RIDGE),
            Check("R@1 is no more than 5 points lower than with the contrastive loss alone",
                  RECALL, "both", ">=", "contrastive", offset=-0.05),
            Check("perplexity is no more than 3 % higher than with captioning alone", PERPLEXITY,
                  "both", "<=", "captioning", factor=1.03),
        ),
        premises=(
            Check("captions are learned", PERPLEXITY, "captioning", "<=", "untrained", factor=0.2),
            Check("pairs are found", RECALL, "contrastive", ">=", "untrained", offset=0.1),
        ),
        extras=(
            Check("captions are right as often as with captioning alone", EXACT, "both", ">=",
                  "captioning", offset=-0.03),
            Check("at the paper's flat scale of e^.2 R@1 is lower", RECALL, "both", ">=",
                  "both, flat"),
        ),
        metrics=(*RECALL, *RIDGE, PERPLEXITY, EXACT),
        seed_keys=c.WORLD_SEED,
        paper_numbers="4-shot captions of COCO, CIDEr 91.7 with 2.1B parameters",
        notes="A caption says a scene in one of two ways, so that perplexity cannot fall to 1. The "
        "image tower trains with the text's, where the paper has a frozen one.",
    )  # fmt: skip
