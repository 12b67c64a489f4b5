"""Locked-image tuning (LiT): a text tower learns to read a picture tower that does not change.

Zhai et al. 2022, arXiv 2111.07991. The picture tower keeps the weights of its pretraining; the
text tower, from scratch, is trained against it with InfoNCE.

    python -m mmjax.main --config=configs/lit.py          # emoji, a minute on two CPU cores
    python -m mmjax.main --config=configs/lit.py:paper    # ViT-B/16 of ImageNet-21k, on a pod

`small` locks EfficientNet-Lite0 (ImageNet, 1,280 numbers, of which 128 principal components of the
training pictures are kept): its features of the emoji are in the package, so a picture costs
nothing (`tools/build_pretrained_features.py`).

Expected of `small`, R@10 among 161 concepts never seen, picture to text (chance .06): .36 in the
styles of training, .30 in a new style, where `configs/clip.py`, both towers from scratch, has
about .25. One seed.
"""

from configs import base

PAPER = "Zhai et al. 2022, LiT, arXiv 2111.07991"
DIM = 128  # of the features in the package


def features(split: str, raw: tuple[str, ...] = ()) -> dict:
    """Features of the emoji by frozen towers: EfficientNet-Lite0, all-MiniLM-L6-v2."""
    name = f"emoji_pretrained:{split}"
    return {"type": "features", "files": {"image": name, "text": name}, "raw": raw}


def objectives() -> dict:
    """CLIP's."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 100.0}}


def evaluators(raw: tuple[str, ...] = ()) -> dict:
    """Retrieval of concepts never seen, in the styles of training and in a new one."""
    splits = ("new_concepts", "new_style_new_concepts")
    return {"retrieval": {split: {"source": features(split, raw)} for split in splits}}


def small() -> dict:
    """Emoji: locked features of pictures, names as text."""
    text = base.emoji_towers(dim=DIM)["text"]
    return {
        "paper": PAPER,
        "steps": 300,
        "data": {
            "source": features("train", raw=("text",)),
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "image": {"type": "vector", "dim": DIM},
                "text": {"type": "text", "length": 16},
            },
            "batch_size": 128,
        },
        "model": {
            "towers": {
                "image": {"encoder": {"type": "identity", "inputs": DIM}},
                "text": text,
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-3,
            "learning_rate_rules": (("towers/text/encoder/token", 10.0),),
            "weight_decay": 0.1,
            "warmup_steps": 50,
            "clip_norm": 1.0,
        },
        "evaluators": evaluators(raw=("text",)),
        "checkpoints": {"every": 300},
    }


def paper() -> dict:
    """ViT-B/16 locked, a text tower of the same size from scratch, batch 16,384.

    Bring the weights in Hugging Face's layout (`google/vit-base-patch16-224-in21k`) and shards of
    your own: CC12M and the part of YFCC100M that CLIP used are the paper's public data. The
    schedule is of the order of the paper's; it has not been compared with its tables.
    """
    vit = base.vit(16, pool="cls", eps=1e-12)
    text = {
        "type": "text_transformer",
        "vocab_size": 49408,
        "length": 77,
        "width": 768,
        "depth": 12,
        "heads": 12,
        "causal": True,
        "pool": "eot",
        "eos_id": 49407,
        "mask_padding": False,
        "init": "clip",
    }
    return {
        "paper": PAPER,
        "steps": 60_000,
        "data": {
            "source": base.webdataset("data/shards/*.tar"),
            "tokenizer": base.clip_tokenizer(),
            "views": {
                "image": {"type": "image", "size": 224, "fit": "squash"},
                "text": {"type": "text", "length": 77},
            },
            "batch_size": 16_384,
            "workers": 64,
        },
        "model": {
            "towers": {
                "image": {
                    "init_from": {"path": "weights/vit-base-patch16-224-in21k", "part": "image"},
                    "encoder": vit,
                    "head": {"type": "none"},
                },
                "text": {"encoder": text, "head": {"type": "linear", "dim": 768, "bias": True}},
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "warmup_steps": 10_000,
            "clip_norm": 1.0,
            "freeze": ("towers/image/encoder/.*",),
        },
        "evaluators": base.coco_evaluators(),
        "evaluate_every": 5_000,
        "checkpoints": {"every": 1000},
    }


get_config = base.variants("lit", {"small": small, "paper": paper})
