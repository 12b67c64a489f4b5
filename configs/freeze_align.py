"""From Unimodal to Multimodal: Scaling up Projectors to Align Modalities (freeze-align).

Maniparambil et al. 2025, arXiv 2409.19425. A picture and a text encoder that were trained apart
stay as they are; only projectors learn, with CLIP's loss.

    python -m mmjax.main --config=configs/freeze_align.py              # emoji, seconds
    python -m mmjax.main --config=configs/freeze_align.py:tux_paint    # stamps of Tux Paint
    python -m mmjax.main --config=configs/freeze_align.py:paper        # DINOv2-L and RoBERTa-large
    python -m mmjax.claims freeze_align                    # against `configs/lit.py`, emoji
    python -m mmjax.claims freeze_align:claim_tux_paint    # and Tux Paint

`small` has the features of the emoji by EfficientNet-Lite0 and all-MiniLM-L6-v2, 128 principal
components each, and trains a linear map on both: with this few pairs MLPs overfit. `configs/lit.py`
says where the features of Tux Paint come from, and which concepts are evaluated. The paper's
projectors work on tokens (`paper` here has MLPs on pooled vectors), and its captions are chosen by
concept.

Expected, R@10 of new concepts, picture to text, on `test`, mean ± deviation of three seeds: emoji
in the styles of training .783 ± .026 and in a new style .608 ± .036 (of 80, chance .125); Tux Paint
.504 ± .021 (of 125, chance .080). A ridge regression from one tower's features to the other's has
.788, .612 and .528; `configs/lit.py`, whose text tower is from scratch, .567, .408 and .312.
"""

from configs import base, lit
from configs.lit import DIM, R10, TUX_PAINT, features

PAPER = "Maniparambil et al. 2025, From Unimodal to Multimodal, arXiv 2409.19425"


def objectives() -> dict:
    """CLIP's, with the temperature in [0.001, 0.5]; the paper learns it and not its logarithm."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 1000.0}}


def projector(dim: int, hidden: int) -> dict:
    """Linear, GELU, linear."""
    return {"type": "mlp", "dim": dim, "hidden": hidden, "activation": "gelu"}


def tux_paint_features(split: str) -> dict:
    """Tux Paint: features of stamps and captions."""
    return features(split, folder=TUX_PAINT)


def small() -> dict:
    """Emoji: features of both towers, a linear projector each."""
    head = {"type": "linear", "dim": DIM}
    tower = {"encoder": {"type": "identity", "inputs": DIM}, "head": head}
    view = {"type": "vector", "dim": DIM}
    return {
        "paper": PAPER,
        "steps": 400,
        "data": {
            "source": features("train"),
            "views": {"image": view, "text": view},
            "batch_size": 256,
        },
        "model": {"towers": {"image": tower, "text": tower}},
        "objectives": objectives(),
        "optimizer": {"learning_rate": 1e-3, "weight_decay": 0.02, "warmup_steps": 50},
        "evaluators": lit.emoji_evaluators("validation"),
        "checkpoints": {"every": 400},
    }


def tux_paint() -> dict:
    """Stamps of Tux Paint: features of both towers."""
    config = small()
    config["data"]["source"] = tux_paint_features("train")
    config["optimizer"]["learning_rate"] = 3e-3
    evaluators = lit.tux_paint_evaluators("validation", tux_paint_features)
    return {**config, "steps": 100, "evaluators": evaluators, "checkpoints": {"every": 100}}


def locked_picture(config: dict) -> tuple[str, ...]:
    """What makes of a config here that of `configs/lit.py`, whose text tower is from scratch."""
    keys = ("steps", "data", "optimizer", "evaluators", "checkpoints")
    towers = (f"model.towers={config['model']['towers']!r}",)
    return (*(f"{key}={config[key]!r}" for key in keys), *towers)


def claim() -> dict:
    """Emoji: both towers locked against the picture tower alone, on concepts of `test`."""
    return {
        **small(),
        "evaluators": lit.emoji_evaluators("test"),
        "claim": {
            "statement": "on emoji concepts that no pair of training had, linear projectors on a "
            "locked picture and a locked text tower find the name among the first 10 of 80 at "
            "least 10 points more often than a locked picture tower with texts from scratch",
            "arms": {"locked picture": locked_picture(lit.claim()), "locked both": ()},
            "checks": (
                {
                    "metric": R10.format("new_concepts"),
                    "arm": "locked both",
                    "compare": ">=",
                    "baseline": "locked picture",
                    "offset": 0.1,
                },
            ),
            "metrics": (R10.format("new_concepts"), R10.format("new_style")),
        },
    }


def claim_tux_paint() -> dict:
    """Tux Paint: the same, on captions of `test`."""
    return {
        **tux_paint(),
        "evaluators": lit.tux_paint_evaluators("test", tux_paint_features),
        "claim": {
            "statement": "of captions that no stamp of training had, linear projectors on a "
            "locked picture and a locked text tower find the right one among the first 10 at "
            "least 10 points more often than a locked picture tower with texts from scratch",
            "arms": {"locked picture": locked_picture(lit.claim_tux_paint()), "locked both": ()},
            "checks": (
                {
                    "metric": R10.format("new_concepts"),
                    "arm": "locked both",
                    "compare": ">=",
                    "baseline": "locked picture",
                    "offset": 0.1,
                },
            ),
            "metrics": (R10.format("new_concepts"),),
        },
    }


def paper() -> dict:
    """DINOv2-L and all-roberta-large-v1, locked; batch 14,400 as 1,800 on each of 8 devices.

    The towers run, since the pictures are augmented; with `python -m mmjax.embed --layer=encoder`
    and a source of type `features` they need to run once only.
    """
    image = {**base.vit(14, image_size=224, size="large", pool="cls", eps=1e-6, layer_scale=1.0)}
    text = {
        "type": "text_transformer",
        "vocab_size": 50265,
        "length": 128,
        "width": 1024,
        "depth": 24,
        "heads": 16,
        "causal": False,
        "pool": "mean",
        "pad_id": 1,
        "norm": "post",
        "embedding_norm": True,
        "segments": 1,
        "eps": 1e-5,
    }
    head = projector(1024, 1024)
    return {
        "paper": PAPER,
        "steps": 20_000,  # 15 epochs of about 20 million pairs
        "data": {
            "source": base.webdataset("data/shards/*.tar"),
            "tokenizer": {
                "type": "huggingface",
                "path": "weights/all-roberta-large-v1/tokenizer.json",
                "bos": "<s>",
                "eos": "</s>",
                "pad": "<pad>",
                "unk": "<unk>",
            },
            "views": {
                "image": {
                    "type": "image",
                    "size": 224,
                    "crop_scale": (0.2, 1.0),
                    "flip": 0.5,
                    "mean": (0.485, 0.456, 0.406),
                    "std": (0.229, 0.224, 0.225),
                },
                "text": {"type": "text", "length": 128},
            },
            "batch_size": 14_400,
            "workers": 64,
        },
        "model": {
            "towers": {
                "image": {
                    "init_from": {"path": "weights/dinov2-large", "part": "image"},
                    "encoder": image,
                    "head": head,
                },
                "text": {
                    "init_from": {"path": "weights/all-roberta-large-v1", "part": "text"},
                    "encoder": text,
                    "head": head,
                },
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 0.02,
            "warmup_steps": 1000,
            "final_fraction": 0.01,
            "freeze": ("towers/.*/encoder/.*",),
        },
        "evaluators": base.coco_evaluators(),
        "evaluate_every": 2000,
        "checkpoints": {"every": 1000},
    }


VARIANTS = {
    "small": small,
    "tux_paint": tux_paint,
    "paper": paper,
    "claim": claim,
    "claim_tux_paint": claim_tux_paint,
}
get_config = base.variants("freeze_align", VARIANTS)
