"""Segment everything everywhere all at once (SEEM): prompts of several kinds in one space.

Zou et al. 2023, arXiv 2304.06718. A region is found by words, by an example of it, or by both at
once, whose scores add up. What a user can take from it: `region_nce` trains regions against prompts
of any kind without pairs of two kinds; and if both share one space of regions, words find examples
and examples words, though no record has both, which the paper's two spaces do not give. On emoji,
after few steps, names find objects but hardly examples yet, and an example alone does as well as
both.

    python -m mmjax.main --config=configs/seem.py           # emoji in scenes, minutes
    python -m mmjax.main --config=configs/seem.py:regions   # generated regions, half a minute
    python -m mmjax.main --config=configs/seem.py:paper     # RefCOCOg with examples, ViT-B/16
    python -m mmjax.claims seem                             # one space against two
    python -m mmjax.claims seem:claim_emoji                 # the same on emoji

Regions are given, as boxes or as tokens. Left out: the decoder that makes masks of queries and its
matching, panoptic segmentation, memory prompts and simulated clicks.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.prompted_regions import DIM, LENGTH, REGIONS, WORDS

PAPER = "Zou et al. 2023, SEEM, arXiv 2304.06718"
PROMPTS = ("text", "visual")


def objectives(**options: object) -> dict:
    """Regions for each kind of prompt, of rows that have it."""
    common = dict(type="region_nce", tokens=("image",), **options)
    return {name: {**common, "pair": ("image", name)} for name in PROMPTS}


def found(source: object = "test", **options: object) -> list[dict]:
    """Which region a prompt finds: each kind alone, and both mixed."""
    mixed = {"mixed": dict(text="text", also=("visual",))}
    kinds = {name: dict(text=name) for name in PROMPTS} | mixed
    return [c.evaluator("grounding", n, source, **own, **options) for n, own in kinds.items()]


def collage(split: str, rows: int | None = None, **options: object) -> dict:
    """Scenes of emoji with boxes; `example` is the target in another style."""
    source = dict(type="emoji", split=split, **options.pop("emoji", {}))
    return dict(type="collage", source=source, examples=rows, cache_decoded=True, **options)


def small(styles: tuple[str, ...] = ("fluent_flat", "noto_v1")) -> dict:
    """Emoji, four in a scene, by name or by an image in another style.

    Args:
      styles: of the test, which are not trained.
    """
    own, single = {"emoji": {"styles": styles}}, dict(objects=1, cells=1, size=8, grid=(1, 1))
    tokenizer = dict(type="sentencepiece", path="emoji_8k")
    text = dict(type="bag_of_tokens", vocab_size=8000, length=16, embedding=64, window=2,
                hidden=(128,), width=128)  # fmt: skip
    views = {
        "image": dict(type="pixels", size=64),
        "text": dict(type="text", length=16, field="phrase"),
        "visual": {**c.image(64), "field": "example", "cache_decoded": True},
        "boxes": dict(type="array", shape=(4, 4), tower=False),
        "objects": dict(type="array", shape=(4,), tower=False),
        "target": c.LABEL,
    }
    scenes = c.data(collage("train", 50_000, prompts="either"), 128, tokenizer)
    look = {**c.tiny_resnet(64, "patch8", 64), "pool": "mean"}
    return c.recipe(
        PAPER,
        steps=1000,
        data={**scenes, "views": views},
        towers=c.towers(c.linear_head(64, tokens=True), image={**look, "widths": (96,)},
                        text=text, visual=look),
        objectives=objectives(scope="batch", boxes="boxes", grid=(8, 8),
                              labels=("objects", "target")),
        optimizer=c.adamw(2e-3, weight_decay=0.1, warmup_steps=50),
        evaluators=[
            *found(collage("train", 3200, **own)),
            c.retrieval("prompts", collage("train", **own, **single), pairs=(PROMPTS,)),
        ],
    )  # fmt: skip


def regions() -> dict:
    """Four regions, each a token, with a shape and a colour; prompts may leave one of them open."""
    text = c.bag_text(WORDS, LENGTH, embedding=32, width=None)
    head = {"text": c.mlp_head(32, 128), "visual": c.linear_head(32, bias=True)}
    views = {
        "image": dict(type="sequence", length=REGIONS, dim=DIM),
        "text": text.view,
        "visual": c.vector(DIM),
        "fits": dict(type="array", shape=(REGIONS,), tower=False),
    }
    region = dict(type="token_mlp", inputs=DIM, hidden=(128,), width=64)
    return c.recipe(
        PAPER,
        steps=1200,
        data={**c.data("prompted_regions", 128, text.tokenizer), "views": views},
        towers=c.towers(
            image={"encoder": region, "head": c.linear_head(32, tokens=True)},
            text={"encoder": text.encoder, "head": head["text"]},
            visual={"encoder": c.mlp(DIM, (), 128), "head": head["visual"]},
        ),
        objectives=objectives(matches="fits", direction_weights=(0, 1), temperature=0.1,
                              learn_temperature=False),
        optimizer=c.adamw(2e-3),
        evaluators=[
            *found(),
            *[{"grounding": {f"conflict_{name}": own["grounding"][name]}}
              for own in found("conflict") for name in own["grounding"]],
            c.retrieval("prompts", "identities", pairs=(PROMPTS,)),
        ],
        log_every=200,
    )  # fmt: skip


def paper() -> dict:
    """RefCOCOg: images with up to 16 boxes, and a sentence on one of them or a crop like it."""
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch16"
    columns = dict(image="file", text="sentence", visual="example")
    labels = {"boxes": "boxes", "fits": "fits", "region": "patches"}
    train, test = (
        c.manifest(f"data/refcocog/{split}.jsonl", None, labels, **columns)
        for split in ("train", "val")
    )
    image, head = c.openai_image(16), c.linear_head(512)
    views = {
        "image": c.clip_image(),
        "text": text.view,
        "visual": c.clip_image(crop_scale=(0.5, 1.0), flip=0.5),  # assumed
        "boxes": dict(type="array", shape=(16, 4), tower=False),
        "fits": dict(type="array", shape=(16,), tower=False),
    }
    return c.recipe(
        PAPER,
        steps=66_000,  # assumed
        data={**c.data(train, 64, text.tokenizer, workers=16), "views": views},  # assumed
        towers=c.towers(
            image=c.pretrained(folder, image, "image", head=c.linear_head(512, tokens=True)),
            text=c.pretrained(folder, text.encoder, "text", head=head),
            visual=c.pretrained(folder, image, "image", head=head),
        ),
        objectives=objectives(boxes="boxes", grid=(14, 14), matches="fits", skip={"image": 1},
                              direction_weights=(0, 1)),
        optimizer=c.adamw(1e-4, weight_decay=0.05, clip_norm=5.0,
                          learning_rate_rules=(("towers/(image|text|visual)/encoder/.*", 0.1),)),
        evaluators=found(test, skip=1),
    )  # fmt: skip


get_config = c.variants("seem", small, regions, paper)
