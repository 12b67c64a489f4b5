"""Vocabulary-free image classification (CaSED).

Conti et al. 2023, arXiv 2306.00917. An image is named without a list of classes: the captions of a
database nearest to it give candidate words, and the word that fits both the image and these
captions is the answer. What a user can take from it: the evaluator `open_vocabulary` runs on any
model of images (or sounds, ...) and texts, and says what its neighbourhoods are called; a database
of a few thousand captions of the right domain is enough.

    python -m mmjax.main --config=configs/cased.py             # emoji, a minute
    python -m mmjax.main --config=configs/cased.py:database    # generated embeddings, seconds
    python -m mmjax.main --config=configs/cased.py:paper       # Food-101, CLIP ViT-L/14
    python -m mmjax.evaluate --workdir=runs/... --config=configs/cased.py    # on your own run
    python -m mmjax.claims cased                               # against simpler answers
    python -m mmjax.claims cased:claim_emoji                   # on emoji

`small` trains LiT's text tower beside locked image features first; the other variants train
nothing. Left out: the tagger of parts of speech, so that all words stay candidates.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Conti et al. 2023, Vocabulary-free Image Classification, arXiv 2306.00917"


def named(source: object, database: object, **options: object) -> dict:
    """Answers of the words of a database of captions."""
    return c.evaluator("open_vocabulary", "test", source, database=database, **options)


def small(half: str = "validation") -> dict:
    """Emoji: names of unseen concepts, by the names and keywords of the others."""
    source = lit.features(f"{half}_concepts", raw=("text",))
    words = dict(type="emoji", split="train", keywords=True)
    return c.changed({**lit.small(half), "paper": PAPER}, evaluators=[named(source, words)])


def database() -> dict:
    """Generated embeddings: 40,000 captions of 600 concepts, and 5,000 words."""
    vocabulary, captions = c.held_out("vocabulary"), c.held_out("captions")
    told = dict(labels="word", words="words", word="word", vocabulary=vocabulary)
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data("caption_database", 256, image=c.vector(64), text=c.vector(64)),
        towers=c.towers(image=c.identity(64), text=c.identity(64)),
        evaluators=[named(c.held_out("test"), captions, **told)],
    )


def paper() -> dict:
    """Food-101 with CLIP ViT-L/14 and the captions of a subset of PMD, as tar shards.

    The image folder is one folder a class, whose names are the truth. The weights are a folder in
    Hugging Face's layout.
    """
    source = dict(type="tfds", name="food101", split="validation", columns={"image": "image"},
                  labels={"label": "label"})  # fmt: skip
    text = c.causal_text(768, 12, **c.OPENAI)
    weights = "weights/clip-vit-large-patch14"
    image = c.vit(14, size="large", pool="cls", pre_norm=True, patch_bias=False, **c.OPENAI)
    parts = {"image": image, "text": text.encoder}
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(source, 64, text.tokenizer, image=c.clip_image(), text=text.view, workers=16),
        towers=c.towers(
            c.linear_head(768), **{name: c.pretrained(weights, e) for name, e in parts.items()}
        ),
        evaluators=[named(source, c.webdataset("data/pmd/*.tar"), labels="label")],
    )


get_config = c.variants("cased", small, database, paper)
