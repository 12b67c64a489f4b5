"""Pictures, point clouds and names of things in one space (ULIP).

Xue et al. 2023, "ULIP: learning a unified representation of language, images, and point clouds for
3D understanding", arXiv 2212.05171: a tower of point clouds is trained against pictures and texts
of the same objects by contrastive terms of every pair.

    python -m mmjax.main --config=configs/image_points_text.py          # furniture, a minute or two
    python -m mmjax.main --config=configs/image_points_text.py:paper    # frozen CLIP, ShapeNet
    python -m mmjax.claims image_points_text                            # three seeds

`small` trains all three towers from scratch on the 139 pieces of CC0 furniture of the split
`train`, and is evaluated on the 36 others, of which training saw nothing.

Expected, among 36, over three seeds (chance R@1 .028, R@5 .139): picture to cloud R@1 .426 ± .070,
R@5 .713 ± .042; cloud to picture .417 ± .048, .704 ± .042; picture to name .134 ± .032, .301 ±
.069; name to cloud .102 ± .042, .296 ± .016. 139 pieces are enough to see that the three modalities
meet, and too few to tell two good objectives apart: one piece of the 36 is .028. Names are the
hardest: 28 of those held out were never read. The paper's own evaluation, zero-shot ModelNet40,
needs data that are not here.
"""

from configs import base

PAPER = "Xue et al. 2023, ULIP, arXiv 2212.05171"
PAIRS = (("image", "points"), ("image", "text"), ("points", "text"))


def objectives(pairs: tuple[tuple[str, str], ...] = PAIRS) -> dict:
    """The paper's loss: pairs of modalities, weighed alike (equation 2 of section 3.3)."""
    pair = {"type": "info_nce", "pairs": pairs, "duplicates": "mask"}
    return {"pairs": {**pair, "temperature": 0.07, "max_scale": 100.0}}


def small() -> dict:
    """Furniture, small towers from scratch."""
    head = {"type": "linear", "dim": 64}
    image = {
        "type": "resnet",
        "block": "basic",
        "blocks": (1, 1),
        "widths": (32, 64),
        "stem": "patch4",
        "norm": "layer",
        "pool": "flatten",
        "image_size": (64, 64),
    }
    text = {
        "type": "text_transformer",
        "vocab_size": 8000,
        "length": 12,
        "width": 64,
        "depth": 1,
        "heads": 4,
        "causal": False,
        "pool": "mean",
        "init": "xavier",
    }
    points = {
        "type": "point_net",
        "channels": 6,
        "widths": (64, 64, 256),
        "hidden": (128,),
        "width": 128,
    }
    test = base.held_out()
    return {
        "paper": PAPER,
        "steps": 400,
        "data": {
            "source": {"type": "furniture", "split": "train"},
            "tokenizer": {"type": "sentencepiece", "path": "emoji_8k"},
            "views": {
                "image": {
                    "type": "image",
                    "size": 64,
                    "crop_scale": (0.8, 1.3),
                    "crop_ratio": (0.9, 1.1),
                    "flip": 0.5,
                    "brightness": 0.2,
                    "contrast": 0.2,
                    "saturation": 0.2,
                    "interpolation": "bilinear",
                    "cache_decoded": True,
                },
                # Fewer points than there are: each visit sees others.
                "points": {
                    "type": "points",
                    "count": 256,
                    "channels": 6,
                    "mirror": 0.5,
                    "scale": 0.15,
                    "jitter": 0.01,
                },
                "text": {"type": "text", "length": 12},
            },
            "batch_size": 64,
        },
        "model": {
            "towers": {
                "image": {"encoder": image, "head": head},
                "points": {"encoder": points, "head": head},
                "text": {"encoder": text, "head": head},
            }
        },
        "objectives": objectives(),
        "optimizer": {
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "warmup_steps": 50,
            "clip_norm": 1.0,
        },
        "evaluators": {"retrieval": {"new_pieces": {"source": test, "pairs": PAIRS}}},
    }


def paper() -> dict:
    """PointNet against frozen CLIP ViT-B/16 towers, on renders and names of ShapeNet55.

    The paper's point towers are PointNet++, PointBERT and PointMLP; PointNet is the one here. Its
    picture and text towers are SLIP's ViT-B/16 and text transformer; here they are CLIP's, of the
    same size: bring the weights in open_clip's layout. Batch (eight times 64), epochs, optimizer,
    and changes of pictures and points are those of the authors' code with PointNet++, but that it
    moves clouds by a tenth, too. It has no term of pictures with texts, which are both frozen.
    """
    towers = base.clip_towers(patch=16)
    points = {"type": "point_net", "channels": 3, "hidden": (512,), "width": 256}
    start = {name: {"path": "weights/clip-vit-b-16", "part": name} for name in ("image", "text")}
    return {
        "paper": PAPER,
        "steps": 25_500,  # 250 epochs of 52,500 objects
        "data": {
            "source": {
                "type": "manifest",
                "path": "data/shapenet55/train.csv",
                "split": "train",
                "columns": {"image": "render", "points": "points", "text": "caption"},
            },
            "tokenizer": base.clip_tokenizer(),
            "views": {
                "image": {
                    "type": "image",
                    "size": 224,
                    "crop_scale": (0.5, 1.0),
                    "mean": base.CLIP_MEAN,
                    "std": base.CLIP_STD,
                },
                "points": {
                    "type": "points",
                    "count": 8192,
                    "scale": 0.2,
                    "keep": 0.125,
                    "rotate": "up",
                },
                "text": {"type": "text", "length": 77},
            },
            "batch_size": 512,
            "workers": 16,
        },
        "model": {
            "towers": {
                **{name: {"init_from": start[name], **towers[name]} for name in start},
                "points": {"encoder": points, "head": {"type": "linear", "dim": 512}},
            }
        },
        "objectives": objectives((("image", "points"), ("points", "text"))),
        "optimizer": {
            "learning_rate": 3e-3,
            "b2": 0.98,
            "weight_decay": 0.1,
            "warmup_steps": 102,
            "final_fraction": 1 / 300,
            "freeze": ("towers/image/.*", "towers/text/.*"),
        },
        "evaluators": {"retrieval": {"val": {"source": base.held_out("val"), "pairs": PAIRS}}},
        "checkpoints": {"every": 5000},
    }


def claim() -> dict:
    """What `small` reaches over three seeds, next to chance."""
    found = "retrieval/new_pieces/{}/R@{}"
    directions = [f"{a}_to_{b}" for pair in PAIRS for a, b in (pair, pair[::-1])]
    first, fifth = ([found.format(direction, k) for direction in directions] for k in (1, 5))
    arm = "three modalities"
    return {
        **small(),
        "claim": {
            "statement": "of 36 pieces that training never saw, the cloud of a picture and the "
            "picture of a cloud are among the first five at least three times as often as by "
            "chance (.139), and a name finds its cloud at least twice as often (R@1, chance .028)",
            "arms": {arm: ()},
            "checks": (
                {"metric": fifth[0], "arm": arm, "compare": ">=", "offset": 0.42},
                {"metric": fifth[1], "arm": arm, "compare": ">=", "offset": 0.42},
                {"metric": first[5], "arm": arm, "compare": ">=", "offset": 0.056},
            ),
            "metrics": (*first, *fifth),
            "paper_numbers": "ModelNet40 zero-shot top-1 of PointBERT: 60.4, against 23.8 of "
            "PointCLIP",
        },
    }


get_config = base.variants("image_points_text", {"small": small, "paper": paper, "claim": claim})
