"""Locked-image tuning (LiT): a text tower is trained to match a frozen image tower.

Zhai et al. 2022, arXiv 2111.07991. The pretrained image tower is frozen; the text tower is trained
from scratch with InfoNCE.

**On the emoji here a simple method is better**: ridge regression from the same locked features to
bags of the names' words, in closed form, finds more of the unseen concepts than the trained text
tower does, and on stamps of Tux Paint as many (docs/claims/lit.md).

    python -m mmjax.main --config=configs/lit.py              # emoji, a minute on two CPU cores
    python -m mmjax.main --config=configs/lit.py:tux_paint    # stamps of Tux Paint, see below
    python -m mmjax.main --config=configs/lit.py:paper        # ViT-B/16 of ImageNet-21k, on a pod
    python -m mmjax.claims lit                                # against unlocked, and from scratch
    python -m mmjax.claims lit:claim_tux_paint                # the same on Tux Paint

`small` locks EfficientNet-Lite0 (ImageNet; of its 1,280 features, 128 principal components of the
training images are kept). Its features of the emoji are in the package, so no image tower has to
run. Those of the Tux Paint stamps are built once, by the command at the top of
`tools/build_pretrained_features.py`, from the Debian package tuxpaint-stamps-default.

The concepts of the evaluation are held out from training. Hyperparameters were chosen on those of
`validation`; the claims report those of `test`, and their page lists every setting that was tried.
Left out: ViT-g/14 and the paper's pairs, which are not public.
"""

from collections.abc import Callable

from mmjax.configs import common as c

PAPER = "Zhai et al. 2022, LiT, arXiv 2111.07991"
DIM = 128  # of the features in the package


def objectives() -> dict:
    """CLIP's."""
    return {"clip": dict(type="info_nce", temperature=0.07, max_scale=100.0)}


def features(
    split: str, folder: str | None = None, raw: tuple[str, ...] = (), **options: object
) -> dict:
    """Features of frozen towers, EfficientNet-Lite0 and all-MiniLM-L6-v2.

    Args:
      split: of the emoji in the package, or of the files in `folder`.
      folder: of files <modality>-<split>.npz.
      raw: modalities to read as raw data instead of features.
      **options: further ones of the source, such as `labels`.
    """
    name = "emoji_pretrained:{1}" if folder is None else folder + "/{0}-{1}.npz"
    files = {modality: name.format(modality, split) for modality in ("image", "text")}
    return dict(type="features", files=files, raw=raw, **options)


def tux_paint_features(split: str, raw: tuple[str, ...] = ()) -> dict:
    """Tux Paint: the files that `tools/build_pretrained_features.py` has written."""
    return features(split, "features/tux_paint", raw)


def new_concepts(half: str, source: Callable[[str], dict], styles: bool = True) -> list[dict]:
    """Retrieval of unseen concepts, in the training styles and optionally in a new one.

    Args:
      half: of these concepts, `validation` or `test`.
      source: the source of a split.
      styles: whether the data have styles, as emoji do.
    """
    if not styles:
        return [c.retrieval("new_concepts", source(half))]
    splits = {"new_concepts": f"{half}_concepts", "new_style": f"new_style_{half}_concepts"}
    return [c.retrieval(name, source(split)) for name, split in splits.items()]


def small(half: str = "validation") -> dict:
    """Emoji: locked image features, names as text."""

    def source(split: str) -> dict:
        return features(split, raw=("text",))

    scratch = c.emoji(PAPER, objectives())
    return c.recipe(
        PAPER,
        steps=300,
        data={
            **scratch["data"],
            "source": source("train"),
            "views": {"image": c.vector(DIM), "text": dict(type="text", length=16)},
        },
        towers=c.towers(
            image=c.identity(DIM),
            text={**scratch["model"]["towers"]["text"], "head": c.linear_head(DIM)},
        ),
        objectives=objectives(),
        optimizer=scratch["optimizer"],
        evaluators=new_concepts(half, source),
        checkpoints={"every": 300},
    )


def tux_paint(half: str = "validation") -> dict:
    """Stamps of Tux Paint: locked image features, captions (sentences) as text."""

    def source(split: str) -> dict:
        return tux_paint_features(split, raw=("text",))

    return c.changed(
        small(),
        steps=100,
        data={"source": source("train"), "views": {"text": {"length": 32}}},
        model={"towers": {"text": {"encoder": {"length": 32}}}},
        optimizer={"learning_rate": 3e-3},
        evaluators=new_concepts(half, source, styles=False),
        checkpoints={"every": 100},
    )


def paper() -> dict:
    """ViT-B/16 locked, a text tower of the same size trained from scratch, batch size 16,384.

    You need the weights in Hugging Face's format (`google/vit-base-patch16-224-in21k`) and shards
    of your own: the paper's public data are CC12M and the subset of YFCC100M that CLIP used. The
    schedule is of the order of the paper's; it has not been compared with its tables.
    """
    image, text = c.vit(16, pool="cls", eps=1e-12), c.causal_text(768, 12, init="clip")
    view, shards = c.image(fit="squash"), c.webdataset("data/shards/*.tar")
    weights = "weights/vit-base-patch16-224-in21k"
    return c.recipe(
        PAPER,
        steps=60_000,  # assumed: of the order of the paper's
        data=c.data(shards, 16_384, text.tokenizer, image=view, text=text.view, workers=64),
        towers=c.towers(
            image=c.pretrained(weights, image, "image", head={"type": "none"}),
            text={"encoder": text.encoder, "head": c.linear_head(768, bias=True)},
        ),
        objectives=objectives(),
        optimizer=c.adamw(
            1e-3,
            # 1e-4 in the authors' code, which does not multiply it by the peak learning rate.
            weight_decay=0.1,
            warmup_steps=10_000,  # assumed: of the order of the paper's
            clip_norm=1.0,
            freeze=("towers/image/encoder/.*",),
        ),
        evaluators=c.coco_evaluators(),
        evaluate_every=5_000,
        checkpoints={"every": 1000},
    )


get_config = c.variants("lit", small, tux_paint, paper)
