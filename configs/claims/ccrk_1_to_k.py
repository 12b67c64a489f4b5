"""Six languages: through a pivot, one at a time, or all of them in every step."""

from mmjax.claims import Check, Claim
from mmjax.configs import common as c
from mmjax.configs.ccrk_1_to_k import TEXTS, one_to_k


def claim() -> Claim:
    """Recall of the image, and the variance of its rank between languages."""
    pivot = dict(type="info_nce", pairs=(("image", "text_1"),))
    onward = one_to_k(TEXTS[1:], anchor="text_1", sample="batch", t2i_weight=1.0)
    separate = dict(type="info_nce", pairs=tuple(("image", name) for name in TEXTS))
    one_a_step = {"sample": "batch", "t2i_weight": 1.0}
    recall, variance = "consistency/test/to_anchor/R@1/rest", "consistency/test/to_anchor/variance"

    def arm(term: dict, **others: dict) -> dict:
        return {"objectives": {"one_to_k": term, **others}}

    return Claim(
        statement="1-to-K contrast has an R@1 for images that is 10 points higher than with a "
        "pivot language and 3 points higher than with one language per step, and the variance of "
        "the ranks between languages is at most 0.6 times as high as with one language per sample",
        arms={
            "pivot": arm(onward, pivot=pivot),
            "one a step": arm(one_a_step),
            "one a sample": arm({"sample": "row", "t2i_weight": 1.0}),
            "1-to-k": {},
            # Controls: the weights in the code; K separate losses; K times as many steps.
            "1-to-k code": arm({"t2i_weight": 1.0}),
            "separate": arm(separate),
            "one a step, 6 x": {"steps": 9000, **arm(one_a_step)},
        },
        checks=(
            Check(recall, "1-to-k", ">=", "pivot", offset=0.10),
            Check(recall, "1-to-k", ">=", "one a step", offset=0.03),
            Check(variance, "1-to-k", "<=", "one a sample", factor=0.6),
        ),
        metrics=(
            "consistency/test/to_anchor/R@1/first",
            recall,
            variance,
            "consistency/test/to_anchor/deviation",
            "consistency/test/to_anchor/log_variance",
        ),
        seed_keys=c.WORLD_SEED,
        paper_numbers="higher recall in every language and lower mean rank variance than CCLM with "
        "fewer data; figures not confirmed",
        notes="The controls with K separate losses, and with one language per step for six times "
        "as many updates, are both better than the recipe: what helps is that every step sees all "
        "K captions, not the joint denominator, and one language per step overtakes it once it "
        "has seen as many captions.",
    )
