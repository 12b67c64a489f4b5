"""SITTA: a semantic image-text alignment for image captioning, by a linear map in closed form.

Paischer et al. 2023, arXiv 2307.05591. One matrix maps an image's embedding into the table of word
vectors of a language model; it is fitted by least squares, or by orthogonal Procrustes where pairs
are few, and the nearest words say what the image shows. What a user can take from it: words for
images, from two frozen models, without training; but with few pairs the penalty of ridge
regression has to be tuned before Procrustes is preferred (docs/claims/sitta.md).

    python -m mmjax.main --config=configs/sitta.py             # emoji features and names, seconds
    python -m mmjax.main --config=configs/sitta.py:mixtures    # images of generated words
    python -m mmjax.main --config=configs/sitta.py:paper       # COCO, CLIP and LLaMA
    python -m mmjax.claims sitta                               # Procrustes against least squares
    python -m mmjax.claims sitta:claim_emoji                   # on the emoji features

Nothing trains. Left out: captions by a language model, and a map by lexical matching of prompts.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Paischer et al. 2023, SITTA, arXiv 2307.05591"
PAIR = ("image", "text")
MAPS = {
    "ols": dict(solver="ols"),
    "ridge_1": dict(solver="ridge", alpha=1.0),  # the paper's penalty
    "ridge": dict(solver="ridge"),
    "procrustes": dict(solver="procrustes", scaled=True),
    "robust": dict(solver="robust_procrustes", scaled=True),
}
# Of every image all its words; held-out images have statistics of their own, as in the paper.
WORDS = dict(layer="encoder", alternatives="all", limit=None, statistics="own", more=("nDCG",))
LABELS = dict(labels="words", gallery_labels="word")


def small(half: str = "validation") -> dict:
    """Emoji: from EfficientNet-Lite0's features to MiniLM's vectors of names."""
    source, train = lit.features(f"{half}_concepts"), lit.features("train")
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(train, 256, **dict.fromkeys(PAIR, c.vector(lit.DIM))),
        towers=c.towers(**dict.fromkeys(PAIR, c.identity(lit.DIM))),
        evaluators=[
            c.linear_map(name, source, train, **WORDS, **own) for name, own in MAPS.items()
        ],
    )


def mixtures(images: int = 5000) -> dict:
    """Images that are mixtures of five words of 2,000, distorted; words are searched for."""
    train, gallery = c.held_out("train"), c.held_out("vocabulary", examples=None)
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(dict(type="word_mixtures", examples=images), 256,
                    **dict.fromkeys(PAIR, c.vector(64))),
        towers=c.towers(**dict.fromkeys(PAIR, c.identity(64))),
        evaluators=[
            c.linear_map(name, c.held_out(examples=500), train, gallery=gallery, **WORDS, **LABELS,
                         **own)
            for name, own in MAPS.items()
        ],
    )  # fmt: skip


def paper() -> dict:
    """COCO: CLIP RN50x64's images, of each the vectors of its captions' words in LLaMA-7B.

    Files are made by `python -m mmjax.embed --layer=encoder`; of `text`, every image has as many
    vectors as words. `vocabulary` has the 32,000 vectors of the table, with the label `word`.
    """
    dims, files = {"image": 1024, "text": 4096}, "features/coco/{}-{}.npz"

    def source(split: str, *modalities: str) -> dict:
        labels = f"features/coco/labels-{split}.npz"
        paths = {name: files.format(name, split) for name in modalities}
        return dict(type="features", files=paths, labels=labels)

    train, test = (source(split, *PAIR) for split in ("train", "test"))
    words = dict(**WORDS, labels="word", gallery=source("vocabulary", "text"))
    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(train, 1024, **{name: c.vector(dim) for name, dim in dims.items()}),
        towers=c.towers(**{name: c.identity(dim) for name, dim in dims.items()}),
        evaluators=[c.linear_map(name, test, train, **words, **own) for name, own in MAPS.items()],
    )


get_config = c.variants("sitta", small, mixtures, paper)
