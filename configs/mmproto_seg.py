"""Multi-modal prototypes for open-world semantic segmentation.

Yang et al. 2023, IJCV 2024, arXiv 2307.02003. A class is a set of prototypes, of parts of an
example's mask and of texts on its aspects, and one head reads masks off any of them. What a user
can take from it: the evaluator `segmentation` says how well the tokens of any contrastive image
tower find objects by words, by one example and by both, of which both should be best; on emoji,
where an example tells far more than a name, it is best almost alone.

    python -m mmjax.main --config=configs/mmproto_seg.py         # emoji on a ground, minutes
    python -m mmjax.main --config=configs/mmproto_seg.py:parts   # generated objects of two parts
    python -m mmjax.main --config=configs/mmproto_seg.py:paper   # PASCAL-5i, a frozen CLIP
    python -m mmjax.claims mmproto_seg                           # both sides against one, on parts
    python -m mmjax.claims mmproto_seg:claim_emoji               # on emoji

Towers learn from captions of whole scenes; masks are seen by the small head alone. Left out: fusion
of prototypes by cross-attention, the decoder that refines masks, and the language model that writes
descriptions. The head is our reading of the paper's summary.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.part_scenes import SHOWN, SIDE, WORDS

PAPER = "Yang et al. 2023, Multi-Modal Prototypes, arXiv 2307.02003"
# What is known of a class: prototypes of its example, and those of its texts.
SIDES = {
    "name": dict(visual="none", texts="mean"),
    "aspects": dict(visual="none", texts="each"),
    "mean": dict(visual="mean", texts="none"),
    "split": dict(visual="split", texts="none"),
    "name_mean": dict(visual="mean", texts="mean"),
    "aspects_split": dict(visual="split", texts="each"),
}


def measured(novel: object, train: object, gallery: object, **options: object) -> list[dict]:
    """New classes by each side and by both."""
    common = dict(train=train, gallery=gallery, **options)
    return [c.evaluator("segmentation", name, novel, **sides, **common)
            for name, sides in SIDES.items()]  # fmt: skip


def objectives() -> dict:
    """Scenes with their captions."""
    return {"clip": dict(type="info_nce")}


def collage(split: str, rows: int | None, **options: object) -> dict:
    """Scenes of emoji, with the masks of their transparency."""
    source = dict(type="emoji", split=split, **options.pop("emoji", {}))
    return dict(type="collage", source=source, examples=rows, cache_decoded=True, **options)


def small(styles: tuple[str, ...] = ("fluent_flat", "noto_v1")) -> dict:
    """Emoji, four in a scene: masks of concepts in styles that are not trained.

    Args:
      styles: of the scenes whose masks are asked for; names are known, as to CLIP.
    """
    train, base = collage("train", 50_000), collage("train", 3346)
    novel = collage("train", 3200, emoji={"styles": styles})
    # Names and keywords of all concepts, whose images nobody looks at.
    single = dict(objects=1, cells=1, size=8, grid=(1, 1), emoji={"keywords": True})
    encoder = dict(type="bag_of_tokens", vocab_size=8000, length=40, embedding=64, window=2,
                   hidden=(128,), width=128)  # fmt: skip
    text = c.tiny_text("emoji_8k", 40).view
    phrase = {"text@phrase": {**text, "field": "phrase", "train": False}}
    data = c.data(train, 128, dict(type="sentencepiece", path="emoji_8k"),
                  image=dict(type="pixels", size=64), text=text)  # fmt: skip
    image = {**c.tiny_resnet(64, "patch8", 96), "pool": "mean"}
    return c.recipe(
        PAPER,
        steps=1000,
        data={**data, "views": {**data["views"], **phrase}},
        towers=c.towers(c.linear_head(64, tokens=True), image=image, text=encoder),
        objectives=objectives(),
        optimizer=c.adamw(2e-3, weight_decay=0.1, warmup_steps=50),
        evaluators=[
            c.retrieval("scenes", novel),
            *measured(novel, base, collage("train", None, **single), labels="target",
                      text="text@phrase", episodes=1, train_episodes=1000),
        ],
    )  # fmt: skip


def parts() -> dict:
    """Scenes of three objects of two textured parts; classes are pairs of parts."""
    text = c.bag_text(WORDS, 2 * SHOWN, embedding=32, hidden=(64,), width=48)
    image = dict(type="resnet", block="basic", blocks=(1,), widths=(64,), stem="patch4",
                 image_size=(SIDE, SIDE), norm="layer")  # fmt: skip
    novel, base, names = (c.held_out(split) for split in ("novel", "base", "names"))
    own = dict(labels="class", support="support")
    return c.recipe(
        PAPER,
        steps=450,
        data=c.data("part_scenes", 128, text.tokenizer, image=dict(type="pixels", size=SIDE),
                    text=text.view),
        towers=c.towers(c.linear_head(48, tokens=True), image=image, text=text.encoder),
        objectives=objectives(),
        optimizer=c.adamw(1e-3),
        evaluators=[
            *measured(novel, base, names, **own),
            c.evaluator("segmentation", "seen", "seen", train=base, gallery=names, **own),
        ],
        log_every=150,
    )  # fmt: skip


def paper() -> dict:
    """PASCAL-5i, fold 0: CLIP ViT-B/16 as it is, 15 base classes and 5 novel ones.

    Each row of the JSON lines has the file of an image, a class, and of each of the 14 x 14 patches
    the share that the class covers; `texts.jsonl` has a class and a sentence on one of its aspects.
    """
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch16"
    labels = {"class": "class", "mask": "patches"}
    novel, base = (
        c.manifest(f"data/pascal5i/{split}_0.jsonl", None, labels, image="file")
        for split in ("novel", "base")
    )
    texts = c.manifest("data/pascal5i/texts.jsonl", None, {"class": "class"}, text="sentence")
    view = {**text.view, "train": False}
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(base, 256, text.tokenizer, image=c.clip_image(), text=view, workers=8),
        towers=c.towers(
            c.linear_head(512, tokens=True),
            image=c.pretrained(folder, c.openai_image(16), "image"),
            text=c.pretrained(folder, text.encoder, "text"),
        ),
        evaluators=measured(novel, base, texts, labels="class", count=5, episodes=200,  # assumed
                            train_episodes=2000, skip=1),
    )  # fmt: skip


get_config = c.variants("mmproto_seg", small, parts, paper)
