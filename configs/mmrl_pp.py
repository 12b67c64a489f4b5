"""MMRL++: parameter-efficient and interaction-aware representation learning.

Guo and Gu 2025, arXiv 2505.10088. MMRL (`mmrl`) with a sixth of its parameters: the maps into the
blocks are one for each tower with an update of low rank for each block, the second embedding is the
first's projection with such an update, and a block blends its tokens with what the block before
made of them. Useful in MMRL's place where what is trained has to be small, as one adapter a task:
in the claim it is about as good, which is not shown to be better on novel classes.

    python -m mmjax.main --config=configs/mmrl_pp.py           # generated classes, two minutes
    python -m mmjax.main --config=configs/mmrl_pp.py:digits    # digits before backgrounds
    python -m mmjax.main --config=configs/mmrl_pp.py:paper     # CLIP ViT-B/16 on Oxford Pets
    python -m mmjax.claims mmrl_pp                             # is it as good as MMRL?
    python -m mmjax.claims mmrl_pp:claim_digits                # the same on digits

Left out: the paper's other data sets, and few-shot learning of all classes.
"""

from mmjax.configs import common as c
from mmjax.configs import mmrl

PAPER = "Guo and Gu 2025, MMRL++, arXiv 2505.10088"


def adapted(domains: c.Domains) -> dict:
    """`mmrl` with one map for each tower, updates of rank 4 and a head of rank 8."""
    config = mmrl.adapted(domains)
    pretrain, adapt = config["stages"]
    model = {
        "adapters": {"prompts": mmrl.prompts(4, 2, 32, rank=4, blend=0.9)},
        "towers": {"image": {"heads": {"tokens": dict(type="prompts", dim=48, rank=8)}}},
    }
    return c.changed(config, paper=PAPER, stages=(pretrain, {**adapt, "model": model}))


def small() -> dict:
    """Generated classes, as in `mmrl`."""
    return adapted(c.GENERATED)


def digits() -> dict:
    """Handwritten digits before backgrounds."""
    return adapted(c.DIGITS)


def paper() -> dict:
    """CLIP ViT-B/16 on Oxford Pets, base to novel: 10 epochs, λ and β of this data set."""
    return c.pets(
        PAPER,
        10,
        {"prompts": mmrl.prompts(5, 5, 512, rank=4, blend=0.7)},
        heads={"tokens": dict(type="prompts", dim=512, rank=64)},
        layer=mmrl.mixture(),
        objectives=mmrl.objectives(0.01),
        teacher=mmrl.before(),
        optimizer=c.adamw(
            1e-3,
            weight_decay=5e-4,  # assumed: the default of the authors' library
            warmup_steps=76,  # in the authors' code an epoch at 1e-5
            freeze=c.FROZEN,
        ),
    )


get_config = c.variants("mmrl_pp", small, digits, paper)
