"""ULIP: images, point clouds and text in one embedding space.

Xue et al. 2023, "ULIP: learning a unified representation of language, images, and point clouds for
3D understanding", arXiv 2212.05171: a point cloud tower is trained with images and texts of the
same objects, with a contrastive term for every pair of modalities.

**On the furniture here a simple method finds the names as well**: ridge regression between mean
colours and words (docs/claims/image_points_text.md). With so few pieces the towers gain on it only
between images and point clouds.

    python -m mmjax.main --config=configs/image_points_text.py          # furniture, a minute or two
    python -m mmjax.main --config=configs/image_points_text.py:paper    # frozen CLIP, ShapeNet
    python -m mmjax.claims image_points_text                            # against ridge regression

`small` trains all three towers from scratch on the 111 pieces of CC0 furniture of the split
`train`, and is evaluated on the 36 of `test`. The 28 of `validation` are for choosing settings.
Left out: PointNet++, PointBERT and PointMLP, in whose place `paper` has PointNet.
"""

from mmjax.configs import common as c

PAPER = "Xue et al. 2023, ULIP, arXiv 2212.05171"
PAIRS = (("image", "points"), ("image", "text"), ("points", "text"))


def objectives(pairs: tuple[tuple[str, str], ...] = PAIRS) -> dict:
    """The paper's loss: pairs of modalities with equal weights (equation 2 of section 3.3)."""
    options = dict(duplicates="mask", temperature=0.07, max_scale=100.0)
    return {"pairs": dict(type="info_nce", pairs=pairs, **options)}


def small() -> dict:
    """Furniture, small towers trained from scratch."""
    text = c.tiny_text("emoji_8k", 12)
    image = c.tiny_resnet(64, "patch4", 32, 64, norm="layer")
    points = dict(type="point_net", channels=6, widths=(64, 64, 256), hidden=(128,), width=128)
    crop = dict(crop_scale=(0.8, 1.3), crop_ratio=(0.9, 1.1), flip=0.5)
    colours = dict(brightness=0.2, contrast=0.2, saturation=0.2)
    # A random subset of the points each time.
    cloud = dict(type="points", count=256, channels=6, mirror=0.5, scale=0.15, jitter=0.01)
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data(
            dict(type="furniture", split="train"),
            64,
            text.tokenizer,
            image=c.image(64, **crop, **colours, interpolation="bilinear", cache_decoded=True),
            points=cloud,
            text=text.view,
        ),
        towers=c.towers(c.linear_head(64), image=image, points=points, text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.1, warmup_steps=50, clip_norm=1.0),
        evaluators=[
            c.retrieval("new_pieces", pairs=PAIRS),
            c.retrieval("validation", "validation", pairs=PAIRS),
        ],
    )


def paper() -> dict:
    """PointNet with frozen CLIP ViT-B/16 towers, on renders and names of ShapeNet55.

    The paper's point cloud towers are PointNet++, PointBERT and PointMLP; here it is PointNet. Its
    image and text towers are SLIP's ViT-B/16 and text transformer; here they are CLIP's, of the
    same size: you need the weights in open_clip's format. Batch size (eight times 64), epochs,
    optimizer and augmentation are those of the authors' code for PointNet++, except that it also
    shifts point clouds by up to a tenth. It has no term for images and texts, which are both
    frozen.
    """
    text, weights = c.causal_text(**c.OPENAI), "weights/clip-vit-b-16"
    points = dict(type="point_net", channels=3, hidden=(512,), width=256)
    cloud = dict(type="points", count=8192, scale=0.2, keep=0.125, rotate="up")
    path = "data/shapenet55/train.csv"
    return c.recipe(
        PAPER,
        steps=25_500,  # 250 epochs of 52,500 objects
        data=c.data(
            c.manifest(path, "train", image="render", points="points", text="caption"),
            512,
            text.tokenizer,
            image=c.clip_image(crop_scale=(0.5, 1.0)),
            points=cloud,
            text=text.view,
            workers=16,
        ),
        towers=c.towers(
            c.linear_head(512),
            image=c.pretrained(weights, c.openai_image(16), "image"),
            text=c.pretrained(weights, text.encoder, "text"),
            points=points,
        ),
        objectives=objectives((("image", "points"), ("points", "text"))),
        optimizer=c.adamw(
            3e-3,
            b2=0.98,
            weight_decay=0.1,
            warmup_steps=102,
            final_fraction=1 / 300,
            freeze=("towers/image/.*", "towers/text/.*"),
        ),
        evaluators=[c.retrieval("val", "val", pairs=PAIRS)],
        checkpoints={"every": 5000},
    )


get_config = c.variants("image_points_text", small, paper)
