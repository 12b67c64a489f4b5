"""Supervised Contrastive Learning (SupCon), a common baseline.

Khosla et al. 2020, arXiv 2004.11362. All examples with the anchor's label are positives: the mean
over them of the log softmax. In the claim's experiment its features are better than those of
cross-entropy where the probe has few labels, and not where it has all that training had.

    python -m mmjax.main --config=configs/supcon.py          # classes of attributes, a minute
    python -m mmjax.main --config=configs/supcon.py:paper    # CIFAR-10
    python -m mmjax.claims supcon                            # against cross-entropy, and no labels

Left out: ImageNet, and a linear classifier by SGD, in whose place `probe` fits a logistic
regression.
"""

from mmjax.configs import common as c

PAPER = "Khosla et al. 2020, Supervised Contrastive Learning, arXiv 2004.11362"


def objectives(views: tuple[str, str]) -> dict:
    """Two views of each example, and the view `label`."""
    return {"sup_con": dict(type="sup_con", views=views)}


def small() -> dict:
    """Classes that are patterns of attributes, two noisy views; a minute."""
    # Few labels for the probe, so that the features have to separate the classes.
    config = c.attribute_classes(PAPER, objectives(("x", "x@2")), steps=1000, examples=100)
    return c.changed(config, log_every=250)


def paper() -> dict:
    """CIFAR-10 with ResNet-50, batch size 1024, 1000 epochs, temperature 0.1."""
    view = c.simclr_view(32, (0.2, 1.0))
    return c.recipe(
        PAPER,
        steps=48_000,
        data=c.data(c.cifar10_files(), 1024, image=(view, view), label=c.LABEL, workers=16),
        towers=c.towers(c.mlp_head(128, 2048), image=c.resnet(50, 32, stem="conv3")),
        objectives=objectives(("image", "image@2")),
        optimizer=c.sgd(0.5, weight_decay=1e-4, warmup_steps=480),
        evaluators=[c.probe("val", "val")],
        checkpoints={"every": 5000},
    )


get_config = c.variants("supcon", small, paper)
