"""Multimodal Contrastive Learning with Hard Negative Sampling for Human Activity Recognition.

Choi et al. 2023, arXiv 2309.01262, on the loss of Robinson et al. 2021 (arXiv 2010.04592).
Negatives close to the anchor weigh more (beta), and a class prior (tau_plus) corrects for those
that are not negatives at all.

    python -m mmjax.main --config=configs/har_hardneg.py          # groups of near-by classes
    python -m mmjax.main --config=configs/har_hardneg.py:paper    # UTD-MHAD
    python -m mmjax.claims har_hardneg                            # the claim

The claim is shown, in 2 minutes on two idle cores; a probe with 400 labels, the class of the
nearest row of the other modality, and the row itself, over 3 seeds:

    beta 0     .886 ± .014   .850 ± .025   .247 ± .018    (plain CMC: .882, .856, .247)
    beta 1/2   .929 ± .009   .942 ± .009   .329 ± .014
    beta 1     .927 ± .012   .964 ± .009   .365 ± .026

With few classes and a sharp softmax, where many negatives are false, beta = 1 does harm: the class
of the nearest row falls from .969 to .848.
"""

from configs import base

PAPER = "Choi et al. 2023, Hard Negative Sampling for Human Activity Recognition, arXiv 2309.01262"
PAIR = ("skeleton", "imu")


def objective(beta: float, tau_plus: float, temperature: float) -> dict:
    """Hard negative sampling between the two modalities."""
    return {
        "type": "hard_info_nce",
        "pairs": (PAIR,),
        "beta": beta,
        "tau_plus": tau_plus,
        "temperature": temperature,
    }


def small() -> dict:
    """100 activities in 25 groups; a minute."""

    def tower(inputs: int) -> dict:
        head = {"type": "mlp", "dim": 128, "hidden": 256}
        return base.mlp(inputs, (128,), 128, final_activation=True, head=head)

    test, pair = base.held_out(), (PAIR,)
    return {
        "paper": PAPER,
        "steps": 1875,  # 30 epochs
        "data": {
            "source": {"type": "grouped_classes"},
            "views": {
                "skeleton": {"type": "vector", "dim": 60},
                "imu": {"type": "vector", "dim": 36},
            },
            "batch_size": 64,
        },
        "model": {"towers": {"skeleton": tower(60), "imu": tower(36)}},
        "objectives": {"hard": objective(1.0, 0.05, 0.5)},
        "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
        "evaluators": {
            "retrieval": {
                "test": {"source": test, "pairs": pair},
                "classes": {"source": base.held_out(ids="class"), "pairs": pair},
            },
            "probe": {
                "test": {"source": test, "train": base.held_out("probe"), "modalities": PAIR}
            },
        },
        "log_every": 500,
    }


def paper() -> dict:
    """UTD-MHAD: 27 actions, skeletons of 50 frames x 20 joints and inertial sequences of 50.

    The base code's towers are a co-occurrence CNN and a convolutional transformer; here the frames
    go side by side into an MLP. beta and tau_plus are the hard negative loss's own defaults, and
    the temperature the base code's, because the paper's are not known. The manifest names one file
    with the recentred sequence, flattened, for each modality, and the action.
    """

    def tower(inputs: int) -> dict:
        head = {"type": "mlp", "dim": 128, "hidden": 256}
        return base.mlp(inputs, (1024, 512), 256, final_activation=True, head=head)

    return {
        "paper": PAPER,
        "steps": 700,  # 100 epochs of some 430 sequences
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/utd_mhad/train.csv",
                "split": "train",
                "columns": {"skeleton": "skeleton", "imu": "imu"},
                "labels": {"label": "action"},
            },
            "views": {
                "skeleton": {"type": "vector", "dim": 3000, "noise": 0.1},
                "imu": {"type": "vector", "dim": 300, "noise": 0.1},
            },
            "batch_size": 64,
            "workers": 4,
        },
        "model": {"towers": {"skeleton": tower(3000), "imu": tower(300)}},
        "objectives": {"hard": objective(1.0, 0.1, 0.1)},
        "optimizer": {"learning_rate": 1e-3},
        "evaluators": {
            "probe": {
                "subjects": {
                    "source": base.held_out("val"),
                    "train": base.held_out("train"),
                    "modalities": PAIR,
                }
            }
        },
        "checkpoints": {"every": 500},
    }


def claim() -> dict:
    """Card 09's experiment: does weight on near-by classes help to tell them apart?"""
    probe, nearest = "probe/test/accuracy", "retrieval/classes/skeleton_to_imu/R@1"

    def arm(beta: float, tau_plus: float = 0.05, temperature: float = 0.5) -> tuple[str, ...]:
        return (f"objectives.hard={objective(beta, tau_plus, temperature)!r}",)

    few = ("data.source.classes=20",)
    checks = tuple(
        {"metric": metric, "arm": "beta 1", "compare": ">=", "baseline": "beta 0", "offset": more}
        for metric, more in ((probe, 0.02), (nearest, 0.05))
    )
    return {
        **small(),
        "claim": {
            "statement": "beta = 1 is better than beta = 0 by 2 points of a probe with 400 labels "
            "and by 5 points of the class of the nearest row of the other modality",
            "arms": {
                "cmc": arm(0.0, 0.0),
                "beta 0": arm(0.0),
                "beta half": arm(0.5),
                "beta 1": arm(1.0),
                # A control that turns the order round: many false negatives, a sharp softmax.
                "few classes, beta 0": (*few, *arm(0.0, temperature=0.1)),
                "few classes, beta 1": (*few, *arm(1.0, temperature=0.1)),
            },
            "checks": checks,
            "metrics": (probe, nearest, "retrieval/test/skeleton_to_imu/R@1"),
            "seed_keys": base.WORLD_SEED,
            "paper_numbers": "best on UTD-MHAD and MMAct's cross-session split; numbers not known",
        },
    }


get_config = base.variants("har_hardneg", {"small": small, "paper": paper, "claim": claim})
