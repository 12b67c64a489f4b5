"""Barlow Twins, and VICReg: common baselines without negatives.

Zbontar et al. 2021, arXiv 2103.03230, and Bardes et al. 2022, arXiv 2105.04906. Each dimension
should agree across views (or modalities) and be decorrelated from the others, so there are no
comparisons with other examples: the sum of (1 - C_ii)² plus a weight times that of C_ij², where C
is the cross-correlation of both views.

    python -m mmjax.main --config=configs/barlow.py          # emoji with their names
    python -m mmjax.main --config=configs/barlow.py:paper    # ImageNet, two views
    python -m mmjax.claims barlow                            # against NT-Xent, on noisy instances

Left out: solarized second views, for which there is no operation here.
"""

from mmjax.configs import common as c

PAPER = "Zbontar et al. 2021, Barlow Twins, arXiv 2103.03230"


def small() -> dict:
    """Emoji and their names."""
    return c.emoji(PAPER, {"barlow": dict(type="barlow_twins")})


def paper() -> dict:
    """ImageNet with ResNet-50 and a 3-layer projection head of width 8192, batch 2048, 1000 epochs.

    LARS with learning rate 0.2 per 256 examples, 0.0048 for biases and norms. The first view is
    always blurred, the second with probability 0.1. The paper also solarizes the second view
    sometimes, which no view here does.
    """
    images = dict(type="tfds", name="imagenet2012", columns={"image": "image"})
    views = [c.simclr_view(224, (0.08, 1.0), saturation=0.2, blur=blur) for blur in (1.0, 0.1)]
    return c.recipe(
        PAPER,
        steps=625_000,
        data=c.data({**images, "labels": {"label": "label"}}, 2048, image=views, workers=64),
        towers=c.towers(
            c.mlp_head(8192, 8192, layers=3, norm="batch", bias=False), image=c.resnet(50, 224)
        ),
        objectives={"barlow": dict(type="barlow_twins", pairs=(("image", "image@2"),))},
        optimizer=c.lars(
            1.6,
            learning_rate_rules=((".*/kernel", 1.0), (".*", 0.024)),
            weight_decay=1.5e-6,
            warmup_steps=6250,
            final_fraction=0.001,
        ),
        evaluators=[c.probe("imagenet", "validation", "train[:10%]")],
        checkpoints={"every": 5000},
    )


get_config = c.variants("barlow", small, paper)
