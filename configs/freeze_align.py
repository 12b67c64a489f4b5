"""From Unimodal to Multimodal: Scaling up Projectors to Align Modalities (freeze-align).

Maniparambil et al. 2025, arXiv 2409.19425. An image and a text encoder that were pretrained
separately stay frozen; only projection heads are trained, with CLIP's loss.

**A simple method does what is claimed, too**: ridge regression from the features of one frozen
encoder to those of the other, in closed form; as well on the emoji, and on stamps of Tux Paint less
well than trained projectors, but better than towers from scratch (docs/claims/freeze_align.md).

    python -m mmjax.main --config=configs/freeze_align.py              # emoji, seconds
    python -m mmjax.main --config=configs/freeze_align.py:tux_paint    # stamps of Tux Paint
    python -m mmjax.main --config=configs/freeze_align.py:paper        # DINOv2-L and RoBERTa-large
    python -m mmjax.claims freeze_align    # against `configs/lit.py`; also :claim_tux_paint, and
                                           # :claim_cka, which encoders to align

`small` uses features of the emoji from EfficientNet-Lite0 and all-MiniLM-L6-v2, 128 principal
components each, and a linear projection of both; MLPs are not better, with so few pairs. `lit.py`
explains the features of Tux Paint and which concepts are evaluated. `paper` has the paper's
projectors, which work on tokens. Left out: captions selected by concept.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Maniparambil et al. 2025, From Unimodal to Multimodal, arXiv 2409.19425"
DIM = lit.DIM


def objectives() -> dict:
    """CLIP's, with the temperature itself as the parameter, in [0.001, 0.5], as in the paper."""
    return {"clip": dict(type="info_nce", temperature=0.07, max_scale=1000.0)}


def small(half: str = "validation") -> dict:
    """Emoji: features of both towers, with a linear projection head each."""
    view, tower = c.vector(DIM), c.identity(DIM)
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data(lit.features("train"), 256, image=view, text=view),
        towers=c.towers(c.linear_head(DIM), image=tower, text=tower),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.02, warmup_steps=50),
        evaluators=lit.new_concepts(half, lit.features),
        checkpoints={"every": 400},
    )


def tux_paint(half: str = "validation") -> dict:
    """Stamps of Tux Paint: features of both towers."""
    source = lit.tux_paint_features
    optimizer, evaluators = {"learning_rate": 3e-3}, lit.new_concepts(half, source, styles=False)
    sections = dict(data={"source": source("train")}, checkpoints={"every": 100})
    return c.changed(small(), steps=100, optimizer=optimizer, evaluators=evaluators, **sections)


def paper() -> dict:
    """DINOv2-L and all-roberta-large-v1, locked, on augmented images; 1,800 pairs a device of 8."""
    side = 252  # the paper's 256, of which 18 x 18 patches of 14 pixels see 252
    image = c.vit(14, side, size="large", pool="cls", eps=1e-6, layer_scale=1.0)
    weights = {"image": "weights/dinov2-large", "text": "weights/all-roberta-large-v1"}
    tokenizer = c.roberta_tokenizer(f"{weights['text']}/tokenizer.json", unk="<unk>")
    sizes = dict(vocab_size=50_265, width=1024, depth=24, heads=16, segments=1)
    length = 128  # assumed
    text = c.bert_text(length, tokenizer, **sizes, pool="mean", pad_id=1, eps=1e-5)
    augmented = dict(crop_scale=(0.2, 1.0), flip=0.5, random_ops=2, magnitude=7.0)
    normal = dict(mean=c.IMAGENET_MEAN, std=c.IMAGENET_STD)  # assumed: DINOv2's
    projector = dict(type="token_projector", dim=1024, dropout=0.1)
    of_class, refined = {**projector, "skip": 1, "first": True}, {**projector, "refine": True}
    towers = c.towers(
        image=c.pretrained(weights["image"], image, "image", head=of_class),
        text=c.pretrained(weights["text"], text.encoder, "text", head=refined),
    )
    views = dict(image=c.image(side, **augmented, **normal), text=text.view)
    source, rates = c.webdataset("data/shards/*.tar"), dict(warmup_steps=1000, final_fraction=0.01)
    return c.recipe(
        PAPER,
        steps=17_700,  # 15 epochs of 17 million pairs
        data=c.data(source, 14_400, text.tokenizer, **views, workers=64),
        towers=towers,
        objectives=objectives(),
        optimizer=c.adamw(1e-3, weight_decay=0.02, **rates, freeze=("towers/.*/encoder/.*",)),
        evaluators=c.coco_evaluators(),
        evaluate_every=2000,
        checkpoints={"every": 1000},
    )


get_config = c.variants("freeze_align", small, tux_paint, paper)
