"""Rethinking Positive Pairs in Contrastive Learning ('Hydra', later SimLAP).

Wu et al. 2024, arXiv 2410.18200. Any two classes can be a positive pair: a gate, computed from the
two labels, selects the dimensions in which they should agree. In the claim's experiment pairs of
any two classes train features that are as good without it: one pair in twenty is of one class. A
gate is needed where none is.

    python -m mmjax.main --config=configs/hydra.py             # classes of attributes, a minute
    python -m mmjax.main --config=configs/hydra.py:paper       # CIFAR-10, ResNet-18
    python -m mmjax.main --config=configs/hydra.py:momentum    # with keys of a momentum encoder
    python -m mmjax.claims hydra                               # with and without the gate

Left out: the settings on ImageNet, which are not known.
"""

from mmjax.configs import common as c

PAPER = "Wu et al. 2024, Rethinking Positive Pairs in Contrastive Learning, arXiv 2410.18200"
PAIR = ("image", "image@2")


def small() -> dict:
    """Classes that are patterns of attributes; any two classes share some of them."""
    sizes = dict(classes=20, dim=64, width=32, hidden=64, norm=False)
    gated = dict(type="gated_nce", pair=("x", "x@2"), **sizes, temperature=0.1, pairing="arbitrary")
    return c.changed(
        c.attribute_classes(PAPER, {"gated": gated}, steps=2000),
        evaluators=c.structure(modality="x", reference="attributes"),
        log_every=500,
    )


def paper() -> dict:
    """CIFAR-10 with ResNet-18, 50 epochs, batch size 256, close to the author's page.

    The settings on ImageNet are not known. The table has an image file and a class number per row.
    Differences: the author's stem is a deep one with an output stride of 8, weight decay is part of
    Adam's gradient, the head ends in a layer norm (here a batch norm) and the gate has batch norms
    (here layer norms), random erasing is applied to 0.1 of the images, and each image occurs three
    times per epoch. A cosine schedule is assumed.
    """
    view = c.image(
        32,
        crop_scale=(0.7, 1.0),
        flip=0.5,  # assumed: as in SimCLR
    )
    return c.recipe(
        PAPER,
        steps=9750,
        data=c.data(c.cifar10_files(), 256, image=(view, view), label=c.LABEL, workers=16),
        towers=c.towers(
            c.mlp_head(256, 2048, layers=2, norm="batch", final_norm=True),
            image=c.resnet(18, 32, stem="conv3"),
        ),
        objectives={"gated": dict(type="gated_nce", pair=PAIR, classes=10, dim=256)},
        optimizer=c.adamw(
            1e-3,
            weight_decay=5e-4,
            warmup_steps=390,
            schedule="cosine",  # assumed
        ),
        evaluators=[c.probe("val", "val")],
        checkpoints={"every": 1000},
    )


def momentum() -> dict:
    """The author's variant with momentum keys: (L_instance + beta L_pair) / (1 + beta).

    beta = 1 and a momentum of 0.99 are assumed; gamma, the weight of the gates' entropy, is 0 as in
    the author's code.
    """
    config = paper()
    beta = 1.0  # assumed
    gated = {**config["objectives"]["gated"], "anchors": "both", "keys": "teacher"}
    instance = dict(negatives="all", pairing="identical", gated=False)
    terms = {
        "instance": {**gated, **instance, "weight": 1 / (1 + beta)},
        "gated": {**gated, "gate_entropy": 0.0, "weight": beta / (1 + beta)},
    }
    teacher = c.ema(PAIR, 0.99)  # assumed: the momentum
    return c.changed(config, teacher=teacher, objectives=terms)


get_config = c.variants("hydra", small, paper, momentum)
