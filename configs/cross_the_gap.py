"""Cross the Gap: exposing the intra-modal misalignment in CLIP via modality inversion.

Mistretta et al. 2025, arXiv 2502.04263. CLIP's loss constrains similarities across modalities only,
so those within one say less. A query that is inverted, into pseudo-tokens of the other modality
that are fitted to its embedding, finds more; a contrastive term within a modality makes that
needless. Neither is reproduced here: on generated classes a tuned CLIP finds images by images as
well, and the term within images does harm. What a user can take from it: `inversion` says of a
model whether its similarities within a modality can be trusted. Left out: the inversion of texts.

    python -m mmjax.main --config=configs/cross_the_gap.py           # emoji, minutes
    python -m mmjax.main --config=configs/cross_the_gap.py:classes   # generated classes, a minute
    python -m mmjax.main --config=configs/cross_the_gap.py:paper     # SLIP's towers and data
    python -m mmjax.claims cross_the_gap                             # inversion, on the classes
    python -m mmjax.claims cross_the_gap:claim_within                # the term within a modality
    python -m mmjax.evaluate --workdir=runs/... --config=configs/cross_the_gap.py  # on your own run
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.worded_classes import WORDS

PAPER = "Mistretta et al. 2025, Cross the Gap, arXiv 2502.04263"


def objectives(temperature: float = 0.07, weight: float = 1.0) -> dict:
    """CLIP's loss and, as SLIP has it (Mu et al. 2021), SimCLR's of two views of an image."""
    fixed = dict(temperature=temperature, learn_temperature=False)
    within = dict(type="nt_xent", views=("image", "image@2"), temperature=0.1, head="within")
    return {"clip": dict(type="info_nce", **fixed), "within": {**within, "weight": weight}}


def measured(labels: str, source: object, **options: object) -> list[dict]:
    """Retrieval within images, by themselves and inverted; and zero-shot classification."""
    same = dict(pairs=(("image", "image"),), labels=labels, more=("mAP@R",))
    return [
        c.retrieval("images", source, **same),
        c.zero_shot(labels, source),
        c.evaluator("inversion", "test", source, labels=labels, **options),
        c.geometry("test", source),
    ]


def small() -> dict:
    """Emoji and their names; images are searched for by subgroup, in a style not trained on."""
    emoji = c.emoji(PAPER, objectives())
    views = emoji["data"]["views"]
    emoji["data"]["views"] = {**views, "image@2": views["image"]}
    emoji["model"]["towers"]["image"]["heads"] = {"within": c.mlp_head(128, 256)}
    source = dict(type="emoji", split="new_style_train_concepts")
    return c.changed(emoji, steps=800, evaluators=measured("subgroup", source))


def classes() -> dict:
    """40 classes in images with a strong nuisance, and captions with words of the class."""
    text, view = c.tiny_text(WORDS, length=6, width=64, depth=1), c.vector(64)
    image = {"encoder": c.mlp(64, (256,), 64, final_activation=True),
             "heads": {"within": c.mlp_head(32, 64)}}  # fmt: skip
    return c.recipe(
        PAPER,
        steps=480,  # 30 epochs
        data=c.data("worded_classes", 256, text.tokenizer, image=(view, view), text=text.view),
        towers=c.towers(c.linear_head(32), image=image, text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-3, warmup_steps=20),
        evaluators=measured("name", c.held_out(), value="filler0"),
        log_every=120,
    )


def paper() -> dict:
    """SLIP's ViT-B/16 (Mu et al. 2021, arXiv 2112.12750) on 15 million pairs, 25 epochs."""
    text, crop = c.causal_text(512, 8, init="clip"), c.simclr_view(224, (0.08, 1.0), blur=0.5)
    image = {"encoder": c.vit(16, pool="cls", init="clip"),
             "heads": {"within": c.mlp_head(256, 4096, layers=3, norm="batch")}}  # fmt: skip
    shards = c.webdataset("data/yfcc15m/*.tar")
    weak = c.image(224, crop_scale=(0.5, 1.0))
    within = {**objectives()["within"], "views": ("image@2", "image@3")}
    return c.recipe(
        PAPER,
        steps=91_500,
        data=c.data(shards, 4096, text.tokenizer, image=(weak, crop, crop), text=text.view,
                    workers=64),
        towers=c.towers(c.linear_head(512), image=image, text=text.encoder),
        objectives={"clip": dict(type="info_nce", temperature=0.07), "within": within},
        optimizer=c.adamw(3e-3, b2=0.98, eps=1e-8, weight_decay=0.1, warmup_steps=3_660),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 1000},
    )  # fmt: skip


get_config = c.variants("cross_the_gap", small, classes, paper)
