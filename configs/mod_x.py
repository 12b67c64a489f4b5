"""Mod-X: Continual Vision-Language Representation Learning with Off-Diagonal Information.

Ni et al. 2023, arXiv 2305.07437. Fine-tuning on one domain after another rotates both embedding
spaces differently, so that earlier domains are forgotten. Mod-X distils from a frozen copy of the
previous model: those rows of the similarity matrix of a new batch in which it ranks the right pair
first. In the claim here, most of what this keeps is kept by a lower learning rate, too.

    python -m mmjax.main --config=configs/mod_x.py          # two domains, the second in 5 phases
    python -m mmjax.main --config=configs/mod_x.py:paper    # COCO, then Flickr30k in 5 phases
    python -m mmjax.claims mod_x                            # forgetting of the first domain

The weight applies to a SUM over the batch, so it scales with the batch size. Left out:
ECommerce-T2I, and linear probes on ImageNet.
"""

from collections.abc import Callable

from mmjax.configs import common as c

PAPER = "Ni et al. 2023, Continual Vision-Language Representation Learning, arXiv 2305.07437"
PAIR = ("image", "text")
# Left out of the first stage, which has no previous model.
ALONE = {"objectives": {"offdiag": None}, "teacher": None}


def objectives(weight: float) -> dict:
    """InfoNCE on the new domain, and the previous model's rows; 1/temperature is in [1, 100]."""
    return {
        "clip": dict(type="info_nce", min_scale=1.0),
        "offdiag": dict(type="offdiag_distill", weight=weight),
    }


def phases(source: Callable[[int], dict]) -> list[dict]:
    """Five stages, each with its own part of the source."""
    return [{"name": f"phase{i}", "data": {"source": source(i)}} for i in range(1, 6)]


def small() -> dict:
    """Two domains of one latent: 30 epochs of the first, then five parts of the second."""
    second = dict(type="domain_pairs", domain="b", part=0, parts=5)
    whole = {"part": 0, "parts": 1}
    first = {"name": "pretrain", "steps": 930, "data": {"source": {"domain": "a", **whole}}}
    test_a, test_b = (c.held_out("test", domain=domain, **whole) for domain in "ab")
    return c.recipe(
        PAPER,
        steps=120,  # per phase: 20 epochs of 800 rows
        data=c.data(second, 128, image=c.vector(64), text=c.vector(48)),
        towers=c.towers(image=c.mlp(64, (256, 256), 32), text=c.mlp(48, (256, 256), 32)),
        teacher=c.frozen(PAIR),
        objectives=objectives(5.0),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            c.retrieval("first", test_a),
            c.retrieval("second", test_b),
            # How far both spaces have rotated since the first domain, and whether alike.
            c.evaluator("rotation", "first", test_a, reference="pretrain"),
        ],
        stages=({**first, **ALONE}, *phases(lambda i: {"part": i - 1})),
        log_every=120,
        checkpoints=dict(every=0, keep_last=1),
    )


def paper() -> dict:
    """COCO for 35 epochs, then five parts of Flickr30k in turn, 35 epochs and one model each.

    CLIP's ResNet-50 and its text tower with 6 layers; no image augmentation; one of the captions is
    drawn at random each time. `data/flickr30k/phase<i>.csv` has images and captions of one fifth of
    train and validation in file order, `test.csv` those of the test set.
    """
    clip_form = dict(stem="clip", antialias=True, pool="attention", heads=32, pool_width=1024)
    image, text = {**c.resnet(50, 224), **clip_form}, c.causal_text(depth=6, **c.OPENAI)

    def part(name: str) -> dict:
        return c.manifest(f"data/flickr30k/{name}.csv", image="file", text="caption")

    first = {
        "name": "pretrain",
        "steps": 10_325,  # 35 epochs of 82,783 images
        "data": {"source": c.coco("train")},
        "optimizer": {"warmup_steps": 2065},
    }
    return c.recipe(
        PAPER,
        steps=735,  # per phase: 35 epochs of 6,002 images
        data=c.data(
            part("phase1"), 280, text.tokenizer, image=c.clip_image(), text=text.view, workers=16
        ),
        towers=c.towers(image=image, text={"encoder": text.encoder, "head": c.linear_head(1024)}),
        teacher=c.frozen(PAIR),
        objectives=objectives(20.0),
        optimizer=c.adamw(5e-4, weight_decay=0.1, warmup_steps=147),
        evaluators=[
            c.retrieval("coco", c.coco("val"), alternatives="all"),
            c.retrieval("flickr30k", part("test"), alternatives="all"),
            c.evaluator("rotation", "coco", c.coco("val"), reference="pretrain"),
        ],
        stages=({**first, **ALONE}, *phases(lambda i: part(f"phase{i}"))),
        checkpoints={"every": 1000},
    )


get_config = c.variants("mod_x", small, paper)
