"""How many codes are used with and without a table, and what the entropy penalty adds."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs.video_generative_thesis import PAIR

RECALL = c.recall("retrieval/test", PAIR)
CLUSTER = c.recall("retrieval/cluster", PAIR)
USED = tuple(f"code_usage/train/perplexity/{name}" for name in PAIR)
AGREE = "code_usage/train/agree"
GRID = {"optimizer.learning_rate": (1e-3, 3e-3), "objectives.clip.temperature": (0.05, 0.1)}


def heads(**head: object) -> dict:
    """Changes to another head of both towers; floats have no layer below their codes."""
    return {"towers": {name: {"head": Replace(head)} for name in PAIR}}


def claim() -> Claim:
    """Codes of 12 bits, or one of 4,096 of a table."""
    committed = dict(type="code_regularizer", measure="commitment", views=PAIR, weight=0.5)
    table = dict(dim=12, codes=4096)
    floats = {
        "model": heads(**c.linear_head(12, bias=True)),
        "objectives": {"codes": None},
        "evaluators": {"retrieval": {"test_floats": None}, "code_usage": None},
    }
    return Claim(
        paper="quantization without a lookup uses a large codebook well, which vector quantization "
        "does not, and an entropy penalty keeps its codes in even use",
        statement="of 4,096 codes the perplexity is 1.6 times that of vector quantization, and R@1 "
        "of pairs is a point higher; with the entropy penalty more codes are used than without",
        arms={
            "vq": Arm(
                {"model": heads(type="vq", **table), "objectives": {"codes": Replace(committed)}},
                grid=GRID,
            ),
            "lfq": Arm(grid=GRID),
            "lfq, no penalty": Arm({"objectives": {"codes": None}}, grid=GRID),
            "floats": Arm(floats, grid=GRID),
            "untrained": Arm(c.UNTRAINED, untuned="the initial weights"),
        },
        tuning=Tuning(RECALL, seeds=(20,)),
        checks=(
            Check("the perplexity of codes is 1.6 times as high as of a table", USED, "lfq", ">=",
                  "vq", factor=1.6),
            Check("R@1 of pairs is higher by a point", RECALL, "lfq", ">=", "vq", offset=0.01),
            Check("more codes are used than without the penalty", USED, "lfq", ">=",
                  "lfq, no penalty"),
        ),
        controls=(Control("no entropy penalty", "lfq, no penalty", "lfq"),),
        premises=(
            Check("codes are learned", RECALL, "lfq", ">=", "untrained", offset=0.1),
            Check("12 floats retrieve better by 30 points", RECALL, "floats", ">=", "lfq",
                  offset=0.3),
        ),
        extras=(
            Check("a table keeps the cluster better by 5 points", CLUSTER, "vq", ">=", "lfq",
                  offset=0.05),
            Check("the penalty makes the codes of a pair agree more often", AGREE, "lfq", ">=",
                  "lfq, no penalty"),
        ),
        metrics=(*RECALL, *c.recall("retrieval/test", PAIR, k=10), *CLUSTER, *USED, AGREE),
        seed_keys=c.WORLD_SEED,
        paper_numbers="FVD of videos and FID of images that are generated from the codes; not "
        "comparable",
        notes="The thesis has no contrastive loss, which already spreads the codes. Its claim on "
        "generation is not tested.",
    )  # fmt: skip
