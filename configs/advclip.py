"""AdvCLIP: one patch that fools whatever stands on a public encoder of images and texts.

Zhou et al. 2023, arXiv 2308.07026. A patch, the same on every image, is fitted to a frozen encoder
so that embeddings leave their clean ones and their texts; zero-shot classification, retrieval and
probes on it fail together. What a user can take from it: the evaluator `attack` says of any saved
run how much of each metric one patch leaves, beside a random patch of its size and beside a second
model that the patch was not fitted to. The patch stays in memory and is never written anywhere.

    python -m mmjax.main --config=configs/advclip.py          # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/advclip.py:glyphs   # generated, two models, two minutes
    python -m mmjax.main --config=configs/advclip.py:paper    # OpenAI's ViT-B/16, COCO; no training
    python -m mmjax.evaluate --workdir=runs/clip-... --config=configs/advclip.py   # any saved run
    python -m mmjax.claims advclip                            # a fitted patch against random ones

Left out: the generative adversarial network that makes the patch, fine-tuned downstream networks.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.glyph_pairs import SIDE, WORDS

PAPER = "Zhou et al. 2023, AdvCLIP, arXiv 2308.07026"
LOSSES = {
    "contrastive": dict(distance=0.0, contrastive=10.0),
    "both": dict(distance=0.0, contrastive=10.0, topology=1.0),
    "topology": dict(distance=0.0, topology=1.0),
}


def attack(name: str, source: object, train: object, patch: dict, **options: object) -> dict:
    """A patch by one of `LOSSES`."""
    by = {"type": "patch", **LOSSES[name], **patch}
    return c.evaluator("attack", name, source, train=train, by=by, **options)


def small() -> dict:
    """Emoji in a style that is not trained; a patch of 3 % of the area, fitted to others."""
    base = c.emoji(PAPER, {"clip": dict(type="info_nce", temperature=0.05)})
    new_style, train = (dict(type="emoji", split=split) for split in ("new_style", "train"))
    patch, labels = dict(side=11, border=4), dict(labels="group")
    return c.changed(
        base,
        evaluators=[
            attack("both", new_style, train, patch, **labels),
            c.retrieval("new_style", new_style),
            c.zero_shot("group", new_style),
        ],
    )


def glyphs(split: str = "validation") -> dict:
    """Two models on the same generated images; the patch is fitted to the first of them."""
    text = c.bag_text(WORDS, length=4, embedding=64)
    pixels, head = dict(type="pixels", size=SIDE), c.mlp_head(64, 128)
    image = dict(type="cnn", image_size=(SIDE, SIDE), width=128)
    where = dict(labels="pair", answers="pair", transfer=(("other", "text_other"),))
    return c.recipe(
        PAPER,
        steps=1000,
        data=c.data("glyph_pairs", 64, text.tokenizer, image=pixels, text=text.view,
                    other={**pixels, "field": "image"}, text_other={**text.view, "field": "text"}),
        towers=c.towers(
            image={"encoder": {**image, "widths": (12, 24, 24)}, "head": c.linear_head(64)},
            other={"encoder": {**image, "widths": (16, 24, 24)}, "head": c.linear_head(64)},
            **{n: {"encoder": text.encoder, "head": head} for n in ("text", "text_other")},
        ),
        objectives={
            "clip": dict(type="info_nce"),
            "other": dict(type="info_nce", pairs=(("other", "text_other"),)),
        },
        optimizer=c.adamw(3e-3, weight_decay=0.1, warmup_steps=50),
        evaluators=[
            attack(name, split, "train", dict(side=6, border=1), **where) for name in LOSSES
        ],
    )  # fmt: skip


def paper() -> dict:
    """OpenAI's ViT-B/16, a patch of side 38 fitted for 20 epochs of batches of 16, on COCO.

    The paper's sets are NUS-WIDE, Pascal, Wikipedia and XmediaNet.
    """
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch16"
    encoders = {"image": c.openai_image(16), "text": text.encoder}
    patch = dict(side=38, border=14, batch_size=16, steps=1000, learning_rate=0.1)  # assumed: rate
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(c.coco("train"), 64, text.tokenizer, image=c.clip_image(), text=text.view,
                    workers=16),
        towers=c.towers(
            c.linear_head(512),
            **{n: c.pretrained(folder, e, take_head=True) for n, e in encoders.items()},
        ),
        evaluators=[
            attack("both", c.coco("val"), c.coco("train"), patch, examples=800),
            *c.coco_evaluators(),
        ],
    )  # fmt: skip


get_config = c.variants("advclip", small, glyphs, paper)
