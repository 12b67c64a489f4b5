"""From Unimodal to Multimodal: Scaling up Projectors to Align Modalities (freeze-align).

Maniparambil et al. 2025, arXiv 2409.19425. A picture and a text encoder that were trained apart
stay as they are; only projectors learn, with CLIP's loss.

    python -m mmjax.main --config=configs/freeze_align.py          # emoji, a minute on two cores
    python -m mmjax.main --config=configs/freeze_align.py:paper    # DINOv2-L and RoBERTa-large

`small` has the features of the emoji by EfficientNet-Lite0 and all-MiniLM-L6-v2, 128 principal
components each, and trains a linear map on both: with this few pairs MLPs overfit (R@10 .36 after
600 steps). The paper's projectors work on tokens (`paper` here has MLPs on pooled vectors), and its
captions are chosen by concept.

Expected of `small`, R@10 among 161 concepts never seen, picture to text (chance .06): .61 in the
styles of training, .47 in a new style, where `configs/clip.py`, from scratch, has about .25. One
seed; a ridge regression from one tower's features to the other's has .60 and .52.
"""

from configs import base
from configs.lit import DIM, evaluators, features

PAPER = "Maniparambil et al. 2025, From Unimodal to Multimodal, arXiv 2409.19425"


def objectives() -> dict:
    """CLIP's, with the temperature in [0.001, 0.5]; the paper learns it and not its logarithm."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 1000.0}}


def projector(dim: int, hidden: int) -> dict:
    """Linear, GELU, linear."""
    return {"type": "mlp", "dim": dim, "hidden": hidden, "activation": "gelu"}


def small() -> dict:
    """Emoji: features of both towers, a linear projector each."""
    head = {"type": "linear", "dim": DIM}
    tower = {"encoder": {"type": "identity", "inputs": DIM}, "head": head}
    view = {"type": "vector", "dim": DIM}
    return {
        "paper": PAPER,
        "steps": 200,
        "data": {
            "source": features("train"),
            "views": {"image": view, "text": view},
            "batch_size": 256,
        },
        "model": {"towers": {"image": tower, "text": tower}},
        "objectives": objectives(),
        "optimizer": {"learning_rate": 1e-3, "weight_decay": 0.02, "warmup_steps": 50},
        "evaluators": evaluators(),
        "checkpoints": {"every": 200},
    }


def paper() -> dict:
    """DINOv2-L and all-roberta-large-v1, locked; batch 14,400 as 1,800 on each of 8 devices.

    The towers run, since the pictures are augmented; with `python -m mmjax.embed --layer=encoder`
    and a source of type `features` they need to run once only.
    """
    image = {
        **base.vit(14, image_size=224, size="large", pool="cls", eps=1e-6, layer_scale=1.0),
    }
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
                "type": "huggingface", "path": "weights/all-roberta-large-v1/tokenizer.json",
                "bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>",
            },
            "views": {
                "image": {
                    "type": "image", "size": 224, "crop_scale": (0.2, 1.0), "flip": 0.5,
                    "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225),
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
                    "encoder": image, "head": head,
                },
                "text": {
                    "init_from": {"path": "weights/all-roberta-large-v1", "part": "text"},
                    "encoder": text, "head": head,
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
    }  # fmt: skip


get_config = base.variants("freeze_align", {"small": small, "paper": paper})
