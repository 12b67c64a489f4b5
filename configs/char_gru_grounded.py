"""Sentence representations from visually grounded language without lexical knowledge.

Merkx and Frank 2019, arXiv 1903.11393. A bidirectional GRU over characters learns from images and
captions alone, by a hinge loss, and its sentence embeddings follow human ratings of similarity.
What a user can take from it: texts that share no spelling, such as two languages, meet in what they
describe; `sts` measures it where there are ratings.

    python -m mmjax.main --config=configs/char_gru_grounded.py        # emoji in two languages
    python -m mmjax.main --config=configs/char_gru_grounded.py:facts  # generated facts, a minute
    python -m mmjax.main --config=configs/char_gru_grounded.py:paper  # COCO's features and captions
    python -m mmjax.claims char_gru_grounded                          # is it the pictures?

The learning rate is a cosine after a warm-up. Left out: cycles of it with an ensemble of their
ends, the term that keeps several poolings apart, and clipping by tower.
"""

from mmjax.configs import common as c
from mmjax.recipe.changes import Replace

PAPER = (
    "Merkx and Frank 2019, Learning semantic sentence representations from visually grounded "
    "language without lexical knowledge, arXiv 1903.11393"
)
CHARACTERS, PRINTABLE = {"type": "characters"}, 99  # of ASCII, and four marks


def objectives(*texts: str) -> dict:
    """Sums of hinges over all negatives, in both directions."""
    pairs = tuple(("image", text) for text in texts or ("text",))
    return {"hinge": dict(type="hinge", pairs=pairs, margin=0.2)}


def gru(length: int, vocab_size: int = PRINTABLE, **sizes: int) -> dict:
    """A GRU over characters."""
    return dict(type="text_gru", vocab_size=vocab_size, length=length, **sizes)


def texts(length: int) -> dict:
    """Captions, and in evaluation a second one that is rated."""
    view = dict(type="text", length=length, bos=False, eos=False)
    return {"text": view, "text@2": {**view, "field": "text_2", "train": False}}


def towers(dim: int, text: dict) -> dict:
    """A linear map of features, and an encoder of texts as it is."""
    image = dict(encoder=c.identity(dim), head=c.linear_head(dim))
    return c.towers(image=image, text=dict(encoder=text, head=dict(type="none")))


def small() -> dict:
    """Emoji and their English and German names, which nothing but images brings together."""
    base = c.emoji(PAPER, objectives("text", "text@de"))
    source = dict(type="emoji", apart=True, languages=("en", "de"))
    view = dict(type="text", length=32, bos=False, eos=False, lowercase=True)
    views = {"text": Replace({**view, "field": "text_en"}), "text@de": {**view, "field": "text_de"}}
    pairs = (("text", "text@de"), ("image", "text"))
    return c.changed(
        base,
        steps=1200,
        data={"source": source, "tokenizer": Replace({"type": "bytes"}), "views": views},
        model={"towers": {"text": {"encoder": gru(32, 260, hidden=64, attention=32)}}},
        optimizer={"learning_rate": 3e-3, "learning_rate_rules": ()},
        evaluators=[c.retrieval("new_concepts", {**source, "split": "validation_concepts"},
                                pairs=pairs)],
    )  # fmt: skip


def facts() -> dict:
    """Scenes of three facts, each of which has two unrelated spellings."""
    return c.recipe(
        PAPER,
        steps=1400,
        data=c.data("spelled_facts", 64, CHARACTERS, image=c.vector(128), **texts(40)),
        towers=towers(128, gru(40, hidden=64, attention=32)),
        objectives=objectives(),
        optimizer=c.adamw(3e-3, weight_decay=1e-4, warmup_steps=50),
        evaluators=[c.retrieval("test"), c.evaluator("sts", "pairs", "pairs", ngrams=3)],
    )


def paper() -> dict:
    """COCO: 2,048 features of ResNet-152 in `.npy` files, five captions of each; 32 epochs."""
    columns = dict(image="file", text=tuple(f"caption_{k}" for k in range(1, 6)))
    train, val = (c.manifest(f"data/coco_features/{s}.csv", **columns) for s in ("train", "val"))
    rated = dict(labels={"score": "score"}, text="sentence_1", text_2="sentence_2")
    return c.recipe(
        PAPER,
        steps=566_400,
        data=c.data(train, 32, CHARACTERS, image=c.vector(2048), **texts(300), workers=8),
        towers=towers(2048, gru(300)),
        objectives=objectives(),
        optimizer=c.adamw(1e-4),
        evaluators=[
            c.retrieval("val", val, alternatives="all"),
            c.evaluator("sts", "sts_b", c.manifest("data/sts_b.csv", **rated), ngrams=3),
        ],
    )


get_config = c.variants("char_gru_grounded", small, facts, paper)
