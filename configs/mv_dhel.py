"""A Principled Framework for Multi-View Contrastive Learning: MV-InfoNCE and MV-DHEL.

Koromilas et al. 2025, arXiv 2507.06979. For more than two views of an example: a single term per
example instead of an average over pairs of views. MV-DHEL removes repulsion between views. In the
claims here it is a little better than pairs of views, and worse than pairs of modalities.

    python -m mmjax.main --config=configs/mv_dhel.py          # emoji: two images, two names
    python -m mmjax.main --config=configs/mv_dhel.py:paper    # CIFAR-10, four views
    python -m mmjax.claims mv_dhel                            # two and four views, noisy instances
    python -m mmjax.claims mv_dhel:claim_multimodal           # the same of three modalities

Left out: a linear probe by SGD, in whose place `probe` fits an exact logistic regression.
"""

from mmjax.configs import common as c

PAPER = (
    "Koromilas et al. 2025, A Principled Framework for Multi-View Contrastive Learning, "
    "arXiv 2507.06979"
)


def objectives(views: tuple[str, ...], temperature: float) -> dict:
    """One term for all views."""
    return {"mv_dhel": dict(type="mv_dhel", views=views, temperature=temperature)}


def small() -> dict:
    """Emoji: two crops of an image and two of its names are four views of one concept."""
    config = c.emoji(PAPER, objectives(("image", "image@2", "text", "text@2"), 0.1))
    again = {f"{name}@2": view for name, view in config["data"]["views"].items()}
    return c.changed(config, data={"views": again})


def paper() -> dict:
    """CIFAR-10 with four views and ResNet-18, 200 epochs of 195 batches.

    The paper trains its linear probe with SGD; evaluate the encoder with `evaluators.probe`, an
    exact logistic regression.
    """
    cifar10 = dict(type="tfds", name="cifar10", columns={"image": "image"})
    view, head = c.simclr_view(32, (0.08, 1.0)), dict(norm="batch", final_norm="no_bias")
    return c.recipe(
        PAPER,
        steps=39_062,
        data=c.data({**cifar10, "labels": {"label": "label"}}, 256, image=[view] * 4, workers=16),
        towers=c.towers(
            c.mlp_head(128, 512, layers=2, **head, bias=False), image=c.resnet(18, 32, stem="conv3")
        ),
        objectives=objectives(("image", "image@2", "image@3", "image@4"), 0.5),
        optimizer=c.sgd(
            1.0,
            b1=0.9,  # assumed: the paper's for ImageNet-1K
            weight_decay=1e-6,
            warmup_steps=390,
        ),
        evaluators=[c.probe("cifar10")],
        checkpoints={"every": 5000},
    )


get_config = c.variants("mv_dhel", small, paper)
