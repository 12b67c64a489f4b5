"""How many codes are used with and without a table, and what the entropy penalty adds."""

from mmjax.claims import Arm, Check, Claim, Control, Replace, Tuning
from mmjax.configs import common as c
from mmjax.configs import lit
from mmjax.configs import video_generative_thesis as thesis
from mmjax.configs.video_generative_thesis import PAIR

CLUSTER = c.recall("retrieval/cluster", PAIR)
AGREE = "code_usage/train/agree"
GRID = {"optimizer.learning_rate": (1e-3, 3e-3), "objectives.clip.temperature": (0.05, 0.1)}


def experiment(
    pair: tuple[str, str],
    k: int,
    where: str,
    *,
    tuning: dict,
    extras: tuple[Check, ...] = (),
    metrics: tuple[str, ...] = (),
    **parts: object,
) -> Claim:
    """Codes of 12 bits, or one of 4,096 of a table, on one data set.

    Args:
      pair: of modalities.
      k: of the R@k that is looked at.
      where: the data, as the statement names them.
      tuning: changes of the runs that choose a setting.
      extras, metrics: further ones.
      **parts: further ones of the claim.
    """
    recall = c.recall("retrieval/test", pair, k=k)
    used = tuple(f"code_usage/train/perplexity/{name}" for name in pair)

    def heads(**head: object) -> dict:
        return {"towers": {name: {"head": Replace(head)} for name in pair}}

    committed = dict(type="code_regularizer", measure="commitment", views=pair, weight=0.5)
    table = dict(dim=12, codes=4096)
    floats = {
        "model": heads(**c.linear_head(12, bias=True)),
        "objectives": {"codes": None},
        "evaluators": {"retrieval": {"test_floats": None}, "code_usage": None},
    }
    return Claim(
        paper="quantization without a lookup uses a large codebook well, which vector quantization "
        "does not, and an entropy penalty keeps its codes in even use",
        statement=f"{where}of 4,096 codes the perplexity is 1.6 times that of vector "
        f"quantization, and R@{k} of pairs is a point higher; with the entropy penalty more codes "
        "are used than without",
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
        checks=(
            Check("the perplexity of codes is 1.6 times as high as of a table", used, "lfq", ">=",
                  "vq", factor=1.6),
            Check(f"R@{k} of pairs is higher by a point", recall, "lfq", ">=", "vq", offset=0.01),
            Check("more codes are used than without the penalty", used, "lfq", ">=",
                  "lfq, no penalty"),
        ),
        controls=(Control("no entropy penalty", "lfq, no penalty", "lfq"),),
        premises=(
            Check("codes are learned", recall, "lfq", ">=", "untrained", offset=0.1),
            Check("12 floats retrieve better by 30 points", recall, "floats", ">=", "lfq",
                  offset=0.3),
        ),
        extras=(
            *extras,
            Check("the penalty makes the codes of a pair agree more often", AGREE, "lfq", ">=",
                  "lfq, no penalty"),
        ),
        tuning=Tuning(recall, seeds=(20,), changes=tuning),
        metrics=(*c.recall("retrieval/test", pair), *c.recall("retrieval/test", pair, k=10),
                 *metrics, *used, AGREE),
        paper_numbers="FVD of videos and FID of images that are generated from the codes; not "
        "comparable",
        notes="The thesis has no contrastive loss, which already spreads the codes. Its claim on "
        "generation is not tested.",
        **parts,
    )  # fmt: skip


def claim() -> Claim:
    """A generated latent."""
    cluster = Check("a table keeps the cluster better by 5 points", CLUSTER, "vq", ">=", "lfq",
                    offset=0.05)  # fmt: skip
    return experiment(
        PAIR, 1, "", tuning={}, extras=(cluster,), metrics=CLUSTER, seed_keys=c.WORLD_SEED
    )


def claim_emoji() -> Claim:
    """Frozen features of emoji and of their names; names that were not seen."""
    validation = dict(source=Replace(lit.features("validation_concepts")))
    return experiment(
        ("image", "text"),
        10,
        "on features of emoji, ",
        config=thesis.features("test"),
        tuning={"evaluators": {"retrieval": {"test": validation}}},
    )
