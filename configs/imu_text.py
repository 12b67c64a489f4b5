"""Inertial measurements of shoulder exercises and their names, in one space.

Two towers and InfoNCE on a small real set: seven exercises of ten people, measured by a smartwatch
on the wrist (Burns et al. 2018, arXiv 1802.01489), of whom two are held out. Equal captions are no
negatives of each other. Needs the extra `imu` (pip install 'mmjax[imu]') and its set as arrays,
once: python tools/convert_watch.py.

    python -m mmjax.main --config=configs/imu_text.py                       # persons 1, 2 held out
    python -m mmjax.main --config=configs/imu_text.py --config.data.source.fold=1       # 3 and 4

45 to 60 seconds on two busy cores. Folds 0, 1, 2 with seeds 0, 1, 2, each on two people never seen
(93 to 178 windows of 4 s): the exercise by its name .787, .903, .929 (mean .873 ± .076; chance
.143); the caption, which says the arm, too, R@1 .725, .903, .923 (.850 ± .109; chance .073), and
found by its caption .843, 1, 1. Burns et al., who train a convolutional recurrent network for the
exercise alone on more people: .889.
"""

from configs import base

PAPER = "Radford et al. 2021, CLIP, arXiv 2103.00020, with the data of Burns et al. 2018"
PAIR = (("imu", "text"),)


def small() -> dict:
    """Windows of 4 s in segments of 6 s, at 25 Hz."""
    imu = {
        "type": "signal_resnet",
        "channels": 6,
        "blocks": (1, 1, 1),
        "widths": (48, 64, 96),
        "stem": "patch",
        "patch": 2,
    }
    text = {
        "type": "text_transformer",
        "vocab_size": 8000,
        "length": 16,
        "width": 64,
        "depth": 1,
        "heads": 2,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    head = {"type": "linear", "dim": 64}
    test = base.held_out()
    return {
        "paper": PAPER,
        "steps": 400,
        "data": {
            "source": {"type": "shoulder_exercises"},
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "imu": {
                    "type": "signal",
                    "channels": 6,
                    "length": 100,
                    "rate": 25.0,
                    "augment": {
                        "rotate": 15.0,
                        "scale": (0.9, 1.1),
                        "scale_channels": 0.1,
                        "noise": 0.05,
                    },
                },
                "text": {"type": "text", "length": 16},
            },
            "batch_size": 64,
        },
        "model": {
            "towers": {
                "imu": {"encoder": imu, "head": head},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": {
            "clip": {"type": "info_nce", "pairs": PAIR, "temperature": 0.1, "duplicates": "mask"}
        },
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "warmup_steps": 40,
            "clip_norm": 1.0,
        },
        "evaluators": {
            "retrieval": {"test": {"source": test, "pairs": PAIR}},
            "zero_shot": {"exercise": {"source": test, "modality": "imu", "labels": "exercise"}},
        },
        "checkpoints": {"every": 200},
    }


get_config = base.variants("imu_text", {"small": small})
