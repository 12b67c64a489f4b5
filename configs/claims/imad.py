"""Are a context and an image together worth more than either, and does one vector hold both?"""

from mmjax.claims import Arm, Check, Claim, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import imad

RATES = {"optimizer.learning_rate": (5e-4, 2e-3), "optimizer.weight_decay": (1e-4, 1e-2)}
QUERY, CONTEXT, IMAGE = (f"retrieval/test/{v}_to_text/R@1" for v in ("query", *imad.PARTS))
ADDED = "tuple_retrieval/added/R@1"


def asked(*pairs: tuple[str, str]) -> dict:
    """Contrast of these pairs in the place of the fused query's."""
    return {"objectives": {"clip": {"pairs": pairs}}}


def claim() -> Claim:
    """Twenty contexts and thirty images; the right reply is that to both."""
    apart = asked(("context", "text"), ("image", "reply"))
    return Claim(
        paper="with the image in the place of an utterance, context and image together give the "
        "reply better than the context or the image alone",
        statement="on generated triples, R@1 of the reply is .5 higher with the sum of both "
        "towers, and with an MLP of both, as the query than with either alone",
        changes={
            # A second text tower, so that both scores that are added are of models of their own.
            "model": {
                "towers": {
                    "reply": {
                        "encoder": imad.small()["model"]["towers"]["text"]["encoder"],
                        "reads": "text",
                    }
                }
            },
            "evaluators": c.tuple_retrieval(
                "added", query=imad.PARTS, answer=("text", "reply"), score="paired_sum",
                labels="pair",
            ),
        },
        arms={
            "context": Arm(asked(("context", "text")), grid=RATES),
            "image": Arm(asked(("image", "text")), grid=RATES),
            "scores added": Arm(apart, grid=RATES),
            "sum": Arm(grid=RATES),
            "mlp": Arm(
                {"model": {"fusions": Replace(imad.mlp()["model"]["fusions"])}}, grid=RATES
            ),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning((QUERY, CONTEXT, IMAGE, ADDED), seeds=(20,)),
        checks=tuple(
            Check(f"R@1 is .5 higher by the {fusion} than by the {part} alone", QUERY, fusion,
                  ">=", part, offset=0.5, against=metric)
            for fusion in ("sum", "mlp")
            for part, metric in zip(imad.PARTS, (CONTEXT, IMAGE), strict=True)
        ),
        premises=(
            Check("the context says something: .01 over the initial weights", CONTEXT, "context",
                  ">=", "untrained", offset=0.01),
        ),
        extras=(
            Check("one vector is not worse by more than .02 than two added scores", QUERY, "sum",
                  ">=", "scores added", offset=-0.02, against=ADDED),
        ),
        metrics=(QUERY, CONTEXT, IMAGE, ADDED),
        seed_keys=c.WORLD_SEED,
        paper_numbers="the paper compares generated replies with and without the image (BLEU, "
        "perplexity, people); numbers not read",
        notes="That both are needed holds by construction: chance of the singles is one in thirty "
        "and one in twenty. Adding the scores of two models, each of one part, finds the reply "
        "as well, so nothing here says that the parts have to be read together.",
    )  # fmt: skip
