"""Contrasting with Symile: Simple Model-Agnostic Representation Learning for Unlimited Modalities.

Saporta et al. 2024, arXiv 2411.01053. Pairwise losses see what two modalities say about each other;
the multilinear inner product, the sum over dimensions of the product of all embeddings, sees what
only all of them say together. On exclusive-or data CLIP is at chance and Symile is perfect.

    python -m mmjax.main --config=configs/symile.py          # exclusive or
    python -m mmjax.main --config=configs/symile.py:paper    # Symile-M3, from stored features
    python -m mmjax.claims symile                            # against CLIP, on exclusive or
"""

from mmjax.configs import common as c

PAPER = "Saporta et al. 2024, Contrasting with Symile, arXiv 2411.01053"
THREE = ("a", "b", "c")


def small() -> dict:
    """The paper's exclusive-or data at p = 1, some seconds."""
    # Uniform biases: an input of zeros would be embedded as zero, which has no direction.
    tower = c.mlp(5, (), 16, init="uniform")
    return c.recipe(
        PAPER,
        steps=250,  # 25 epochs; the paper has 50, and little changes after the first
        data=c.data(
            dict(type="xor", p=1.0), 1000, on_error="fail", **dict.fromkeys(THREE, c.vector(5))
        ),
        towers=c.towers(**dict.fromkeys(THREE, tower)),
        objectives={"symile": dict(type="symile", modalities=THREE)},
        optimizer=c.adamw(0.1, weight_decay=0.01, schedule="constant"),
        evaluators=[
            c.tuple_retrieval(score, query=("a", "c"), answer=("b",), score=score)
            for score in ("multilinear", "cosine_sum")
        ],
        log_every=50,
    )


def paper() -> dict:
    """Symile-M3: sounds and images as stored features, a text tower that trains.

    The manifest names for each triple a file with Whisper-large-v3's mean feature (1280 numbers)
    and one with CLIP ViT-L/14's (1024), beside the text. The paper tunes width, learning rate,
    batch and scale, and does not state what it chose: those here are uncertain. Every tower ends in
    a layer norm, as the authors', and the loss takes what that gives, not unit vectors; the scale
    starts where scores of unrelated rows have a standard deviation of about 1. Retrieval takes unit
    vectors, and a right answer is the query's own row, where the paper asks for an image of its
    ImageNet class. The paper's text tower is XLM-R-large, frozen but for its embeddings and first
    layer, its mean one over padding, too; here it is a transformer of that layer's size, from
    scratch. Triples are whole: the paper's inputs for missing modalities are left out.
    """
    names, dim = ("audio", "image", "text"), 2048
    sizes = dict(vocab_size=250_002, length=64, width=1024, depth=1, heads=16)
    text = dict(type="text_transformer", **sizes, causal=False, pool="mean")
    return c.recipe(
        PAPER,
        steps=100_000,
        data=c.data(
            c.manifest("data/symile_m3/train.csv", "train", **{name: name for name in names}),
            1024,
            c.roberta_tokenizer("data/xlmr/tokenizer.json"),
            audio=c.vector(1280),
            image=c.vector(1024),
            text=dict(type="text", length=64),
            workers=16,
        ),
        towers=c.towers(
            c.linear_head(dim, bias=True, norm="layer"),
            audio=c.identity(1280),
            image=c.identity(1024),
            text=text,
        ),
        objectives={
            "symile": dict(type="symile", modalities=names, normalize=False, scale=dim**-0.5)
        },
        optimizer=c.adamw(1e-4, weight_decay=0.01, warmup_steps=1000),
        evaluators=[
            c.tuple_retrieval(
                "image", "val", query=("audio", "text"), answer=("image",), score="multilinear"
            )
        ],
        checkpoints={"every": 5000},
    )


get_config = c.variants("symile", small, paper)
