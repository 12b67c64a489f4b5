"""Forgetting of the first domain, and learning of the second."""

from mmjax.claims import Arm, Check, Claim, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs.mod_x import ALONE

# The first domain is learned alike by all, with the recipe's rate.
RATE = ", ".join(f"stages.phase{i}.optimizer.learning_rate" for i in range(1, 6))


def claim() -> Claim:
    """Recall on both domains after the last phase, and how differently the two spaces rotate."""
    first, second = (
        tuple(f"retrieval/{domain}/{way}/R@1" for way in ("image_to_text", "text_to_image"))
        for domain in ("first", "second")
    )
    both, before = (*first, *second), tuple(f"pretrain/{name}" for name in first)
    turn = "rotation/first/deviation"
    joint = {
        "name": "joint",
        "steps": 1530,  # as many as all stages together
        "data": {"source": {"domain": "both", "part": 0, "parts": 1}},
        "evaluators": {"rotation": {"first": None}},  # there is no previous stage
        **ALONE,
    }
    rates = (1e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3)
    weighted = {RATE: (3e-4, 1e-3, 3e-3), "objectives.offdiag.weight": (1.0, 5.0, 20.0)}
    own = "the recipe's rate of 1e-3, to compare"
    return Claim(
        paper="training on one domain after another rotates the two embedding spaces differently, "
        "so that the first is forgotten; distilling those rows of the previous model's similarity "
        "matrix that it had right prevents this, and the new domain is learned all the same",
        statement="rates and weights tuned for the mean of both domains, Mod-X forgets at most "
        "half of what InfoNCE alone forgets of R@1 on the first domain, with the second at most 6 "
        "points lower; both spaces rotate more alike, and leaving out rows that the previous model "
        "had wrong helps",
        arms={
            "info_nce": Arm(ALONE, grid={RATE: (1e-5, 3e-5, 2e-4, *rates)}),
            "mod_x": Arm(grid=weighted),
            "unscreened": Arm({"objectives": {"offdiag": {"screen": False}}}, grid=weighted),
            "joint": Arm(
                {"stages": Replace((joint,))},
                grid={"optimizer.learning_rate": (*rates, 7e-4, 1.5e-3, 1e-2)},
            ),
            "info_nce at 1e-3": Arm(ALONE, untuned=own),
            "mod_x at 1e-3": Arm(untuned=own),
        },
        tuning=Tuning(both, seeds=(20,)),
        checks=(
            # Half way between R@1 after all phases and before the second.
            Check("it forgets at most half of what InfoNCE does of the first domain", first,
                  "mod_x", ">=", "info_nce", against=(*first, *before)),
            Check("R@1 on the second domain is no more than 6 points lower", second, "mod_x",
                  ">=", "info_nce", offset=-0.06),
            Check("the two spaces rotate more alike", turn, "mod_x", "<=", "info_nce"),
            Check("without the previous model's wrong rows the mean R@1 is higher", both, "mod_x",
                  ">=", "unscreened"),
        ),
        premises=(
            Check("InfoNCE forgets some of the first domain", first, "info_nce", "<=", "info_nce",
                  against=before),
        ),
        extras=(
            Check("the mean R@1 of both domains is higher than with InfoNCE", both, "mod_x", ">=",
                  "info_nce"),
            Check("the mean R@1 is no more than 3 points below that of both domains at once",
                  both, "mod_x", ">=", "joint", offset=-0.03),
            Check("at 1e-3 R@1 on the first domain is 20 points higher than with InfoNCE", first,
                  "mod_x at 1e-3", ">=", "info_nce at 1e-3", offset=0.2),
            Check("at 1e-3 R@1 on the second domain is no more than 6 points lower", second,
                  "mod_x at 1e-3", ">=", "info_nce at 1e-3", offset=-0.06),
        ),
        metrics=(*both, turn, *(f"rotation/first/rotation/{m}" for m in ("image", "text"))),
        seeds=(205, 206, 207, 208, 209),
        seed_keys=c.WORLD_SEED,
        paper_numbers="COCO R@1 after five phases of Flickr30k: InfoNCE falls from 14-15 to 6-7, "
        "Mod-X stays near the start (from memory)",
        notes="The first form of this claim, on other seeds, asked for a mean of both domains 7 "
        "points above that of InfoNCE, which no value could pass: at its best rate InfoNCE alone "
        "is that near to 1. A low learning rate forgets less, too, which is why the rate of the "
        "later phases is tuned for every arm. At its best rate InfoNCE forgets so little that the "
        "previous model's rows keep less than half of it; at the recipe's rate of 1e-3 they keep "
        "most. Leaving out the rows that the previous model had wrong makes no difference that "
        "seeds could tell.",
    )  # fmt: skip
