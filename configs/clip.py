"""Learning Transferable Visual Models From Natural Language Supervision (CLIP).

Radford et al. 2021, arXiv 2103.00020. Two towers, symmetric InfoNCE over the batch, a learned
temperature.

    python -m mmjax.main --config=configs/clip.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/clip.py:paper    # ViT-B/32, batch 32,768, on a pod
"""

from configs import base

PAPER = "Radford et al. 2021, CLIP, arXiv 2103.00020"


def objectives() -> dict:
    """Symmetric InfoNCE; the temperature starts at 0.07 and 1/temperature stays below 100."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 100.0}}


def small() -> dict:
    """Emoji with their names."""
    return {"paper": PAPER, **base.emoji(objectives())}


def paper() -> dict:
    """Table 18 and 19 of the paper: 32 epochs of 400 million pairs.

    The paper's pairs (WIT) are not public: bring shards of your own, such as LAION or DataComp.
    """
    return {
        "paper": PAPER,
        "steps": 390_625,
        "data": {
            "source": base.webdataset("data/shards/*.tar"),
            "tokenizer": base.clip_tokenizer(),
            "views": {
                # A random square of the resized picture is the paper's only augmentation.
                "image": {
                    "type": "image",
                    "size": 224,
                    "crop_scale": (0.9, 1.0),
                    "crop_ratio": (1.0, 1.0),
                    "mean": base.CLIP_MEAN,
                    "std": base.CLIP_STD,
                },
                "text": {"type": "text", "length": 77},
            },
            "batch_size": 32_768,
            "workers": 64,
        },
        "model": {"towers": base.clip_towers(patch=32)},
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 5e-4,
            "b2": 0.98,
            "eps": 1e-6,
            "weight_decay": 0.2,
            "warmup_steps": 2000,
            "clip_norm": 1.0,  # not in the paper; large batches of web data want it
        },
        "evaluators": base.coco_evaluators(),
        "evaluate_every": 10_000,
        "checkpoints": {"every": 1000},
    }


get_config = base.variants("clip", {"small": small, "paper": paper})
