"""Relevance score: rerank what a search found by a learned score, and keep up to k answers.

Mortaheb et al. 2025, arXiv 2501.04695. The nearest images by CLIP's cosine are often only alike, so
a second model that reads query and image together scores the first N of them, orders them, and a
threshold on its probability drops what does not answer the query, so that a reader gets up to k
images and not always k. What a user can take from it: the term `relevance`, a small scorer on
frozen towers from labelled pairs or from a batch's own near misses; and the evaluator `rerank` with
`gallery` and `threshold`, which says what order and threshold bring and whether the probabilities
are calibrated.

    python -m mmjax.main --config=configs/rs_rerank.py         # generated, half a minute
    python -m mmjax.main --config=configs/rs_rerank.py:emoji   # emoji, near misses of the batch
    python -m mmjax.main --config=configs/rs_rerank.py:paper   # your labelled pairs, ViT-B/32
    python -m mmjax.claims rs_rerank                           # against cosine and its threshold

Left out: the fine-tuned vision-language model that scores in the paper, and the reader's answers.
"""

from mmjax.configs import common as c
from mmjax.data.synthetic.pair_queries import DIM, WORDS

PAPER = "Mortaheb et al. 2025, Re-ranking the Context, arXiv 2501.04695"
FROZEN = ("towers/.*",)


def scorer(inputs: dict[str, int], hidden: tuple[int, ...] = (256, 128), **options: object) -> dict:
    """The relevance of an image for a text."""
    common = dict(type="relevance", pair=("text", "image"), hidden=hidden)
    return {"relevance": {**common, "inputs": inputs, **options}}


def reranked(name: str, source: object, ks: tuple[int, ...], **options: object) -> dict:
    """A search by text, its first answers ordered anew, and up to the largest k of them kept."""
    common = dict(pairs=(("text", "image"),), term="relevance", ks=ks, threshold=0.5)
    return c.evaluator("rerank", name, source, **common, **options)


def bases(split: str) -> list[dict]:
    """A base with many answers of every query, and a small one with some three."""
    large, small = c.held_out("index"), c.held_out("index", examples=60)
    return [
        reranked("large", split, (5, 10, 20), labels="pair", gallery=large, candidates=100),
        reranked("small", split, (10,), labels="pair", gallery=small, candidates=60),
    ]


def small(split: str = "validation") -> dict:
    """Captions say what is in a scene, queries ask what belongs together; towers, then a scorer."""
    towers = dict(image=c.identity(DIM), text=c.identity(WORDS))
    views = dict(image=c.vector(DIM), text=c.vector(WORDS))
    towers_stage = c.stage(
        "towers", 800, without=("relevance",), evaluators={"rerank": None},
        data={"source": {"split": "train"}, "views": {"relevant": None}},
    )  # fmt: skip
    return c.recipe(
        PAPER,
        steps=2500,
        data=c.data(dict(type="pair_queries", split="labelled"), 256, **views, relevant=c.LABEL),
        towers=c.towers(c.mlp_head(64, 256), **towers),
        objectives={
            "clip": dict(type="info_nce", temperature=0.1),
            **scorer(dict(image=DIM, text=WORDS), label="relevant"),
        },
        optimizer=c.adamw(1e-3),
        evaluators=bases(split),
        stages=(
            towers_stage,
            c.stage("scorer", 2500, without=("clip",), optimizer={"freeze": FROZEN}),
        ),
    )


def emoji() -> dict:
    """Emoji: nearest images of a batch as candidates, one in four scored at a time."""
    objectives = {
        "clip": dict(type="info_nce", temperature=0.05),
        **scorer(dict(text=256, image=256), layer="unit", read="products", candidates=16,
                 loss="pointwise"),
    }  # fmt: skip
    new_style = dict(type="emoji", split="new_style")
    found = reranked("new_style", new_style, (1, 5, 10), candidates=16)
    return c.changed(c.emoji(PAPER, objectives), evaluators=[found])


def paper() -> dict:
    """101,000 triplets as a table of pairs with the column `relevant`, and COCO's images.

    `data/relevance/train.csv` has a row for an image and its statement, and one for the image and a
    statement that is wrong.
    """
    text, folder = c.causal_text(**c.OPENAI), "weights/clip-vit-base-patch32"
    columns = dict(labels={"relevant": "relevant"}, image="file", text="statement")
    train = c.manifest("data/relevance/train.csv", **columns)
    towers = {"image": c.openai_image(), "text": text.encoder}
    return c.recipe(
        PAPER,
        steps=7_900,  # assumed: ten epochs of 202,000 pairs
        data=c.data(train, 256, text.tokenizer, image=c.clip_image(), text=text.view,
                    relevant=c.LABEL, workers=16),
        towers=c.towers(
            c.linear_head(512),
            **{n: c.pretrained(folder, e, take_head=True) for n, e in towers.items()},
        ),
        objectives=scorer(dict(image=768, text=512), (1024, 256), label="relevant"),
        optimizer=c.adamw(1e-4, weight_decay=0.1, warmup_steps=500, freeze=FROZEN),  # assumed
        evaluators=[reranked("coco", c.coco("val"), (1, 5), candidates=50)],  # assumed: N
    )  # fmt: skip


get_config = c.variants("rs_rerank", small, emoji, paper)
