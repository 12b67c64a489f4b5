"""Locked-image tuning (LiT): a text tower learns to read a picture tower that does not change.

Zhai et al. 2022, arXiv 2111.07991. The picture tower keeps the weights of its pretraining; the
text tower, from scratch, is trained against it with InfoNCE.

    python -m mmjax.main --config=configs/lit.py              # emoji, a minute on two CPU cores
    python -m mmjax.main --config=configs/lit.py:tux_paint    # stamps of Tux Paint, see below
    python -m mmjax.main --config=configs/lit.py:paper        # ViT-B/16 of ImageNet-21k, on a pod
    python -m mmjax.claims lit                                # against both towers from scratch
    python -m mmjax.claims lit:claim_tux_paint                # the same on Tux Paint

`small` locks EfficientNet-Lite0 (ImageNet, 1,280 numbers, of which 128 principal components of the
training pictures are kept): its features of the emoji are in the package, so a picture costs
nothing. Those of Tux Paint's stamps are built once, by the command at the top of
`tools/build_pretrained_features.py`, from the Debian package tuxpaint-stamps-default.

Concepts that are evaluated are in no pair of training. Settings were chosen on those of
`validation`; the claims report those of `test`.

Expected, R@10 of new concepts, picture to text, on `test`, mean ± deviation of three seeds: emoji
in the styles of training .567 ± .044 and in a new style .408 ± .031 (of 80, chance .125), where
towers from scratch have .408 ± .026 and .308 ± .031; Tux Paint .312 ± .029 (of 125, chance .080),
and from scratch .189 ± .012. `docs/weights.md` has the settings that were tried for every arm.
"""

from configs import base

PAPER = "Zhai et al. 2022, LiT, arXiv 2111.07991"
DIM = 128  # of the features in the package
TUX_PAINT = "features/tux_paint"  # where `tools/build_pretrained_features.py` has written them
R10 = "retrieval/{}/image_to_text/R@10"


def features(split: str, raw: tuple[str, ...] = (), folder: str | None = None) -> dict:
    """Features by frozen towers, EfficientNet-Lite0 and all-MiniLM-L6-v2.

    Args:
      split: of the emoji in the package, or of the files in `folder`.
      raw: modalities as they are, and not as features.
      folder: of files <modality>-<split>.npz.
    """
    name = "emoji_pretrained:{1}" if folder is None else folder + "/{0}-{1}.npz"
    files = {m: name.format(m, split) for m in ("image", "text")}
    return {"type": "features", "files": files, "raw": raw}


def objectives() -> dict:
    """CLIP's."""
    return {"clip": {"type": "info_nce", "temperature": 0.07, "max_scale": 100.0}}


def emoji_evaluators(half: str, source=features) -> dict:
    """Retrieval of concepts never seen, in the styles of training and in a new one.

    Args:
      half: of these concepts, `validation` or `test`.
      source: the source of a split.
    """
    splits = {"new_concepts": f"{half}_concepts", "new_style": f"new_style_{half}_concepts"}
    return {"retrieval": {name: {"source": source(split)} for name, split in splits.items()}}


def tux_paint_evaluators(half: str, source) -> dict:
    """Retrieval of captions never seen; `half` is `validation` or `test`."""
    return {"retrieval": {"new_concepts": {"source": source(half)}}}


def texts(split: str) -> dict:
    """Emoji: locked features of pictures, names as they are."""
    return features(split, raw=("text",))


def tux_paint_texts(split: str) -> dict:
    """Tux Paint: locked features of pictures, captions as they are."""
    return features(split, raw=("text",), folder=TUX_PAINT)


def small() -> dict:
    """Emoji: locked features of pictures, names as text."""
    return {
        "paper": PAPER,
        "steps": 300,
        "data": {
            "source": texts("train"),
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
                "text": base.emoji_towers(dim=DIM)["text"],
            }
        },
        "objectives": objectives(),
        "optimizer": base.emoji(objectives())["optimizer"],
        "evaluators": emoji_evaluators("validation", texts),
        "checkpoints": {"every": 300},
    }


def longer_texts(config: dict) -> dict:
    """`config` with 32 tokens a text: the captions of Tux Paint are sentences."""
    config["data"]["views"]["text"]["length"] = 32
    config["model"]["towers"]["text"]["encoder"]["length"] = 32
    return config


def tux_paint() -> dict:
    """Stamps of Tux Paint: locked features of pictures, captions as text."""
    config = longer_texts(small())
    config["data"]["source"] = tux_paint_texts("train")
    config["optimizer"]["learning_rate"] = 3e-3
    evaluators = tux_paint_evaluators("validation", tux_paint_texts)
    return {**config, "steps": 100, "evaluators": evaluators, "checkpoints": {"every": 100}}


def from_scratch(kind: str, half: str, steps: int, learning_rate: float) -> tuple[str, ...]:
    """What makes of a config here `configs/clip.py`: both towers from scratch, real pictures.

    Args:
      kind: of the source, `emoji` or `tux_paint`.
      half: of the new concepts, for evaluation.
      steps: how many.
      learning_rate: of both towers.
    """

    def source(split: str) -> dict:
        return {"type": kind, "split": split}

    config = base.emoji(objectives())
    evaluators = emoji_evaluators(half, source)
    if kind == "tux_paint":
        config = longer_texts(config)
        config["data"]["source"] = source("train")
        config["data"]["views"]["image"]["flip"] = 0.5  # some stamps are there in both directions
        evaluators = tux_paint_evaluators(half, source)
    return (
        f"steps={steps}",
        f"optimizer.learning_rate={learning_rate}",
        f"checkpoints.every={steps}",
        f"data={config['data']!r}",
        f"model.towers={config['model']['towers']!r}",
        f"evaluators={evaluators!r}",
    )


def claim() -> dict:
    """Emoji: a locked picture tower against one from scratch, on concepts of `test`."""
    return {
        **small(),
        "evaluators": emoji_evaluators("test", texts),
        "claim": {
            "statement": "on emoji concepts that no pair of training had, a locked picture tower "
            "of ImageNet finds the name among the first 10 of 80 at least 3 points more often than "
            "a tower that was trained on the same pairs from scratch",
            "arms": {"scratch": from_scratch("emoji", "test", 150, 3e-3), "locked picture": ()},
            "checks": (
                {
                    "metric": R10.format("new_concepts"),
                    "arm": "locked picture",
                    "compare": ">=",
                    "baseline": "scratch",
                    "offset": 0.03,
                },
            ),
            "metrics": (R10.format("new_concepts"), R10.format("new_style")),
            "paper_numbers": "ImageNet zero-shot 85.2 with a locked ViT-g/14",
        },
    }


def claim_tux_paint() -> dict:
    """Tux Paint: the same, on captions of `test`."""
    return {
        **tux_paint(),
        "evaluators": tux_paint_evaluators("test", tux_paint_texts),
        "claim": {
            "statement": "of captions that no stamp of training had, a locked picture tower of "
            "ImageNet finds the right one among the first 10 at least 3 points more often than a "
            "tower that was trained on the same stamps from scratch",
            "arms": {"scratch": from_scratch("tux_paint", "test", 100, 1e-3), "locked picture": ()},
            "checks": (
                {
                    "metric": R10.format("new_concepts"),
                    "arm": "locked picture",
                    "compare": ">=",
                    "baseline": "scratch",
                    "offset": 0.03,
                },
            ),
            "metrics": (R10.format("new_concepts"),),
        },
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
            # The authors' code has 1e-4, which it does not multiply by the learning rate's peak.
            "weight_decay": 0.1,
            "warmup_steps": 10_000,
            "clip_norm": 1.0,
            "freeze": ("towers/image/encoder/.*",),
        },
        "evaluators": base.coco_evaluators(),
        "evaluate_every": 5_000,
        "checkpoints": {"every": 1000},
    }


VARIANTS = {
    "small": small,
    "tux_paint": tux_paint,
    "paper": paper,
    "claim": claim,
    "claim_tux_paint": claim_tux_paint,
}
get_config = base.variants("lit", VARIANTS)
