"""Bridging vision and language spaces with assignment prediction (VLAP).

Park et al. 2024, arXiv 2404.09632. Between two frozen models one linear layer trains: image and
text are each assigned to the word vectors of a language model by optimal transport, with the words'
frequencies as the marginal, and each predicts the other's assignment. Useful where images should
land among the input vectors of a language model, and their nearest words be read: any gallery can
be the prototypes, and its `weight` says how often each should be used. Here it is these frequencies
that find words, with transport or as a prior; transport keeps images apart. Where every text is a
word, as emoji's names are, InfoNCE and plain cosines do as much.

    python -m mmjax.main --config=configs/vlap.py          # emoji features, a minute
    python -m mmjax.main --config=configs/vlap.py:bags     # generated bags of words, seconds
    python -m mmjax.main --config=configs/vlap.py:paper    # CC3M, CLIP ViT-L/14 and a table
    python -m mmjax.claims vlap                            # transport, its marginal, and none
    python -m mmjax.claims vlap:claim_emoji                # the same on emoji

`small` has the training names' sentence vectors for prototypes, each of which occurs once. Left
out: the captioning loss and the language model that answers.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Park et al. 2024, VLAP, arXiv 2404.09632"
PAIR = ("image", "text")


def objectives(marginal: str = "weights", **options: object) -> dict:
    """Assignment prediction with SwAV's constants."""
    told = dict(gallery="words", marginal=marginal, epsilon=0.05, temperature=0.1, **options)
    return {"map": dict(type="prototype_assignment", **told)}


def towers(image: int, dim: int) -> dict:
    """A linear layer from images to the vectors of texts, which stay."""
    return c.towers(
        image={"encoder": c.identity(image), "head": c.linear_head(dim, bias=True)},
        text=c.identity(dim),
    )


def small(half: str = "validation") -> dict:
    """Emoji: from EfficientNet-Lite0's features to MiniLM's vectors of names."""
    source, view = lit.features("train"), c.vector(lit.DIM)
    data = c.data(source, 256, image=view, text=view)
    return c.recipe(
        PAPER,
        steps=400,
        data={**data, "galleries": {"words": dict(source=source, view="text", size=1673)}},
        towers=towers(lit.DIM, lit.DIM),
        objectives=objectives("uniform"),
        optimizer=c.adamw(3e-3, weight_decay=0.02, warmup_steps=50),
        evaluators=lit.new_concepts(half, lit.features),
        checkpoints={"every": 400},
    )


def bags() -> dict:
    """Four of 200 words, drawn by Zipf's law, in a distorted image."""
    words = dict(source=c.held_out("vocabulary"), view="text", size=200, weight="count")
    data = c.data("word_bags", 256, image=c.vector(256), text=c.vector(64))
    named = dict(gallery="vocabulary", labels="words", gallery_labels="word", more=("P@k",))
    return c.recipe(
        PAPER,
        steps=600,
        data={**data, "galleries": {"words": words}},
        towers=towers(256, 64),
        objectives=objectives(iterations=5),
        optimizer=c.adamw(3e-3, warmup_steps=50),
        evaluators=[c.retrieval(), c.retrieval("words", ks=(1, 4), **named)],
        log_every=200,
    )


def paper() -> dict:
    """CC3M: CLIP ViT-L/14's images, and means of the word vectors of OPT-1.3B.

    Files are made by `python -m mmjax.embed`; `words` has the table, and how often each word occurs
    in the captions as the label `count`.
    """
    dims, folder = {"image": 1024, "text": 2048}, "features/cc3m"
    source = dict(type="features", files={m: f"{folder}/{m}-train.npz" for m in PAIR})
    table = dict(type="features", files={"text": f"{folder}/words.npz"},
                 labels=f"{folder}/words-labels.npz")  # fmt: skip
    test = dict(type="features", files={m: f"{folder}/{m}-val.npz" for m in PAIR})
    words = dict(source=table, view="text", size=50_272, weight="count")
    data = c.data(source, 128, **{m: c.vector(dim) for m, dim in dims.items()})  # assumed
    return c.recipe(
        PAPER,
        steps=94_000,  # assumed: 4 epochs
        data={**data, "galleries": {"words": words}},
        towers=towers(1024, 2048),
        objectives=objectives(),  # assumed: SwAV's constants
        optimizer=c.adamw(1e-4, warmup_steps=1000),  # assumed
        evaluators=[c.retrieval("val", test)],
        checkpoints={"every": 5000},
    )


get_config = c.variants("vlap", small, bags, paper)
