"""Supervised Contrastive Learning (SupCon), a common baseline.

Khosla et al. 2020, arXiv 2004.11362. Every example with the anchor's label is a positive.

    python -m mmjax.main --config=configs/supcon.py          # classes of attributes, a minute
    python -m mmjax.main --config=configs/supcon.py:paper    # CIFAR-10
    python -m mmjax.claims supcon                            # the claim

The claim is shown, in a minute: over 3 seeds a probe with 100 labels is right in .947 ± .031 with
SupCon, .939 ± .030 with SupCon of one view, and .660 ± .058 with NT-Xent. The paper, CIFAR-10 with
ResNet-50: SimCLR 93.6, SupCon 96.0.
"""

from configs import base

PAPER = "Khosla et al. 2020, Supervised Contrastive Learning, arXiv 2004.11362"


def small() -> dict:
    """Classes that are patterns of attributes, two noisy views; a minute."""
    objectives = {"sup_con": {"type": "sup_con", "views": ("x", "x@2")}}
    # Few labels for the probe, so that the features have to bring the classes along.
    config = base.attribute_classes(objectives, examples=100)
    return {"paper": PAPER, **config, "steps": 1000, "log_every": 250}


def paper() -> dict:
    """CIFAR-10 with ResNet-50, batch 1024, 1000 epochs, temperature 0.1."""
    view = base.simclr_view(32, (0.2, 1.0))
    encoder = base.resnet(50, 32, stem="conv3")
    return {
        "paper": PAPER,
        "steps": 48_000,
        "data": {
            "source": base.cifar10_files(),
            "views": {"image": view, "image@2": view, "label": {"type": "label"}},
            "batch_size": 1024,
            "workers": 16,
        },
        "model": {
            "towers": {
                "image": {"encoder": encoder, "head": {"type": "mlp", "dim": 128, "hidden": 2048}}
            }
        },
        "objectives": {"sup_con": {"type": "sup_con", "views": ("image", "image@2")}},
        "optimizer": {
            "type": "sgd",
            "learning_rate": 0.5,
            "weight_decay": 1e-4,
            "warmup_steps": 480,
        },
        "evaluators": {
            "probe": {"val": {"source": base.held_out("val"), "train": base.held_out("train")}}
        },
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """Labels in the loss against none: a probe with 100 labels on the encoder's features."""
    accuracy = "probe/test/accuracy"
    return {
        **small(),
        "claim": {
            "statement": "a probe with 100 labels is better by 5 points or more on features of "
            "SupCon, which saw all labels, than on those of NT-Xent, which saw none",
            "arms": {
                "nt_xent": (
                    "objectives.sup_con={'type': 'nt_xent', 'views': ('x', 'x@2'), "
                    "'temperature': 0.1}",
                ),
                "sup_con": (),
                # A control: the same loss, with one view, so that only labels make positives.
                "one view": ("objectives.sup_con.views=('x',)",),
            },
            "checks": (
                {
                    "metric": accuracy,
                    "arm": "sup_con",
                    "compare": ">=",
                    "baseline": "nt_xent",
                    "offset": 0.05,
                },
            ),
            "metrics": (accuracy, "spectrum/test/effective_rank"),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "CIFAR-10 top-1 with ResNet-50: SimCLR 93.6, cross-entropy 95.0, "
            "SupCon 96.0",
        },
    }


get_config = base.variants("supcon", {"small": small, "paper": paper, "claim": claim})
