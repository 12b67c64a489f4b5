"""Label positives, against cross-entropy with the same labels and NT-Xent without any."""

from mmjax.claims import Arm, Check, Claim, Control, Tuning
from mmjax.configs import common as c

RATES = {"optimizer.learning_rate": (3e-4, 1e-3, 3e-3)}


def arm(**term: object) -> Arm:
    """A contrastive loss, which has a temperature."""
    grid = {**RATES, "objectives.sup_con.temperature": (0.1, 0.3, 1.0)}
    return Arm({"objectives": {"sup_con": term}}, grid=grid)


def cross_entropy() -> Arm:
    """A classifier on the encoder, linear or with a hidden layer.

    It has one view and twice the batch, which makes as many rows a step.
    """
    term = dict(type="classification", modalities=("x",), classes=20, dim=64)
    return Arm(
        {
            "data": {"batch_size": 256},
            "model": {"towers": {"x": {"head": {"type": "none"}}}},
            "objectives": {"sup_con": None, "cross_entropy": term},
        },
        grid={**RATES, "objectives.cross_entropy.hidden": ((), (128,), (512,))},
    )


def claim() -> Claim:
    """A linear classifier on features of each loss, fitted on all rows of training or on 100."""
    accuracy, few, rank = (
        "probe/all/accuracy",
        "probe/test/accuracy",
        "spectrum/test/effective_rank",
    )
    test = c.held_out(examples=2000)  # the rows of training are few, those of the test are not
    return Claim(
        paper="a linear classifier is better on features of a contrastive loss whose positives "
        "are all examples of the anchor's label than a network that is trained by cross-entropy "
        "of the same labels",
        statement="with 300 labelled examples of 20 classes of attributes, a linear probe that "
        "is fitted on all of them is a point better on features of SupCon than on those of "
        "cross-entropy, and 5 points better than on those of NT-Xent, without labels",
        changes={
            "data": {"source": {"examples": 300}},
            "evaluators": {
                "probe": {
                    **c.probe("all", test, modalities=("x",))["probe"],
                    "test": {"source": test},
                },
                "spectrum": {"test": {"source": test}},
            },
        },
        arms={
            "cross_entropy": cross_entropy(),
            "nt_xent": arm(type="nt_xent", views=("x", "x@2")),
            "sup_con": arm(),
            # The same loss with one view, so that all positives come from labels.
            "one view": Arm({"objectives": {"sup_con": {"views": ("x",)}}}, like="sup_con"),
            "untrained": Arm(
                c.UNTRAINED, untuned="features of the initial weights"
            ),
        },
        tuning=Tuning(accuracy),
        checks=(
            Check("its probe is a point better than that of cross-entropy", accuracy, "sup_con",
                  ">=", "cross_entropy", offset=0.01),
            Check("its probe is 5 points better than that of NT-Xent", accuracy, "sup_con", ">=",
                  "nt_xent", offset=0.05),
        ),
        controls=(Control("features of the initial weights", "untrained", "sup_con"),),
        extras=(
            Check("with 100 labels for the probe it is a point better than cross-entropy", few,
                  "sup_con", ">=", "cross_entropy", offset=0.01),
            Check("with 100 labels for the probe it is 5 points better than NT-Xent", few,
                  "sup_con", ">=", "nt_xent", offset=0.05),
            Check("two views are better than one", accuracy, "sup_con", ">=", "one view"),
        ),
        metrics=(accuracy, few, rank),
        seeds=(205, 206, 207, 208, 209),
        seed_keys=c.WORLD_SEED,
        paper_numbers="top-1 with ResNet-50: CIFAR-10, SimCLR 93.6, cross-entropy 95.0, SupCon "
        "96.0; CIFAR-100, 70.7, 75.3, 76.5",
        notes="Cross-entropy is trained on the features that are probed, without a projection "
        "head; whether its classifier has a hidden layer is tuned. It sees each row once where "
        "the others have two noisy views of it, in a batch of twice the size. A first form of this "
        "claim, on other seeds, had 300 rows of test. A world in which two classes have similar "
        "patterns is hard for every arm; differences are paired. That labels help is no surprise: "
        "NT-Xent has none. Of two arms with the same labels, the paper's claim is the first check. "
        "What SupCon has is that fewer labels are needed for the probe.",
    )  # fmt: skip
