"""IRRA: implicit relation reasoning and aligning for person retrieval by text.

Jiang and Ye 2023, arXiv 2303.12501. CLIP is fine-tuned with a divergence of the softmax over a
batch from the identities in it (similarity distribution matching), with captions whose masked words
are asked from the image, and with a classifier of identities. What a user can take from it: where
several rows of a batch are of one thing, targets by labels: `divergence='reverse'`, or as well here
the cross-entropy to them at a temperature of its own; and the loss `masked_tokens` beside any
contrastive one, in which tokens of one modality see those of another.

    python -m mmjax.main --config=configs/irra.py             # emoji, minutes on two CPU cores
    python -m mmjax.main --config=configs/irra.py:identities  # generated persons, seconds
    python -m mmjax.main --config=configs/irra.py:paper       # CUHK-PEDES, OpenAI's ViT-B/16
    python -m mmjax.claims irra                               # the divergence, on generated persons

Left out: random erasing, doubled rates of biases, a fusion whose first block only crosses.
"""

from mmjax.configs import common as c

PAPER = "Jiang and Ye 2023, Cross-Modal Implicit Relation Reasoning and Aligning, arXiv 2303.12501"
MASKED = "text@masked"
CLASSES = dict(type="classification", label="identity", fuse="each", hidden=())  # one for both


def matching(label: str) -> dict:
    """SDM: both directions summed, at a fixed temperature."""
    fixed = dict(temperature=0.02, learn_temperature=False, direction_weights=(1.0, 1.0))
    labels = dict(weights="labels", reference=label, divergence="reverse")
    return {"type": "soft_info_nce", **labels, **fixed}


def small() -> dict:
    """Emoji: images of one concept in several styles are one identity; words are hidden."""
    words = c.masked_words({MASKED: 128, "image": 64}, 8000, width=128, depth=2, heads=4)
    base = c.emoji(PAPER, {"matching": matching("id"), "words": words})
    views = {MASKED: base["data"]["views"]["text"]}
    text = {"encoder": {"vocab_size": 8001}, **c.hides(MASKED, 8000)}
    return c.changed(base, steps=1200, data={"views": views}, model={"towers": {"text": text}})


def identities(split: str = "validation") -> dict:
    """Generated persons, of whom a batch has several rows; those of the test are others."""
    seen, net = c.vector(64), c.mlp(64, (256,), 64)
    return c.recipe(
        PAPER,
        steps=1200,
        data=c.data("identities", 64, image=seen, text=seen, identity=c.LABEL),
        towers=c.towers({"type": "none"}, image=net, text=net),
        objectives={
            "matching": matching("identity"),
            "identity": dict(CLASSES, classes=60, dim=64),
        },
        optimizer=c.adamw(1e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=[c.retrieval("test", split, labels="identity", more=("mINP",))],
    )


def paper() -> dict:
    """CUHK-PEDES: 60 epochs of 68,126 pairs of 11,003 persons; the mask is the paper's id."""
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch16"
    columns = dict(labels={"identity": "person"}, image="file", text="caption")
    train, test = (c.manifest(f"data/cuhk_pedes/{s}.csv", **columns) for s in ("train", "test"))
    image = {**c.openai_image(16), "image_size": (384, 128)}
    view = c.clip_image((384, 128), flip=0.5, crop_scale=(0.8, 1.0))  # assumed: its pad and crop
    hides = c.hides(MASKED, 49_408, 49_405, special=(0, 49_406, 49_407))
    return c.recipe(
        PAPER,
        steps=63_870,
        data=c.data(train, 64, text.tokenizer, image=view, identity=c.LABEL, workers=16,
                    text=text.view, **{MASKED: text.view}),
        towers=c.towers(c.linear_head(512), image=c.pretrained(folder, image, take_head=True),
                        text=c.pretrained(folder, text.encoder, take_head=True, **hides)),
        objectives={
            "matching": matching("identity"),
            "words": c.masked_words({MASKED: 512, "image": 768}, 49_408, 512, depth=4, heads=8),
            "identity": dict(CLASSES, classes=11_003, dim=512),
        },
        optimizer=c.adamw(1e-5, eps=1e-3, weight_decay=4e-5, warmup_steps=5_322,
                          learning_rate_rules=(("objectives/.*", 5.0),)),
        evaluators=[c.retrieval("test", test, labels="identity", more=("mINP",))],
    )  # fmt: skip


get_config = c.variants("irra", small, identities, paper)
