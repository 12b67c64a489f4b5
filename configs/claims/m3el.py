"""Are negatives of the same side worth it, or would more of the others do?"""

import dataclasses

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c
from mmjax.configs import m3el
from mmjax.recipe.changes import Replace

RIDGE = "linear_map/text/text_to_text@entity/R@1"
BOTH, TEXT = "tuple_retrieval/both/R@1", "tuple_retrieval/text/R@1"
RATES = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}
PLAIN = {"objectives": {"contrast": {"same_side": 0.0}}}


def claim() -> Claim:
    """Entities with near duplicates, mentions of which 30 % lack the image."""
    at = "objectives.contrast.temperature"
    grid = {**RATES, at: (0.03, 0.1)}
    larger = {**PLAIN, "data": {"batch_size": 128}}
    ridge = c.linear_map(
        "text", "test", gallery="gallery", pairs=(("text", "text@entity"),), read="statistics"
    )
    return Claim(
        paper="negatives of the same side, mentions for mentions and entries for entries, make the "
        "embeddings more discriminative, and scores of text and image add up",
        statement="of mentions of 1,000 new entities among 2,000, the share that finds its entry "
        "first is a point higher with negatives of the same side than without, and 5 points higher "
        "by text and image than by text alone although 30 % have no image; and batches of twice "
        "the size do not do the former, too",
        variant="entities",
        arms={
            "pairs only": Arm(PLAIN, grid=grid),
            "same side": Arm(grid=grid),
            "batches of 128": Arm(larger, grid=grid),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        changes={"evaluators": ridge},
        tuning=Tuning(BOTH, seeds=(20,)),
        checks=(
            Check("a point more than with pairs only", BOTH, "same side", ">=", "pairs only",
                  offset=0.01),
            Check("text and image find 5 points more than text alone", BOTH, "same side", ">=",
                  "same side", offset=0.05, against=TEXT),
        ),
        controls=(
            Control("batches of twice the size, with pairs only", "batches of 128", "same side"),
        ),
        premises=(
            Check("training finds 10 points more than the initial weights", BOTH, "pairs only",
                  ">=", "untrained", offset=0.1),
        ),
        extras=(
            Check("texts alone find more than by ridge regression", TEXT, "same side", ">=",
                  "untrained", against=RIDGE),
        ),
        metrics=(BOTH, TEXT, "tuple_retrieval/both/MRR", RIDGE),
        seed_keys=c.WORLD_SEED,
        paper_numbers="WikiMEL: Hits@1 88.8 (MIMIC 88.0, from memory), RichpediaMEL 82.8 (81.0), "
        "WikiDiverse 74.1 (63.5), by the whole method",
        notes="Batches of 128 see twice the pairs. `linear_map` is ridge regression from mentions "
        "to entries, of texts, fitted on the training rows. The "
        "paper's matching by attention and its gate are not here, so that this is its contrastive "
        "term alone.",
    )  # fmt: skip


def claim_emoji() -> Claim:
    """Unseen emoji: a German name and one style look for an English name and another style."""
    first = claim()
    validation = m3el.small("validation")["evaluators"]["tuple_retrieval"]
    return dataclasses.replace(
        first,
        statement="of 69 unseen emoji, the share whose German name and 3D image find the English "
        "name and flat image first is a point higher with negatives of the same side than without, "
        "and 5 points higher by text and image than by text alone although flags have no 3D "
        "image; and batches of twice the size do not do the former, too",
        variant="small",
        config=m3el.small("test"),
        changes={},
        extras=(),
        tuning=Tuning(
            BOTH, seeds=(20,), changes={"evaluators": {"tuple_retrieval": Replace(validation)}}
        ),
        metrics=(BOTH, TEXT, "tuple_retrieval/both/MRR"),
        seed_keys=(),
        notes="69 concepts, of which one is more than a point, among the 138 of both halves.",
    )
