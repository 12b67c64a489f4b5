"""Contrasting with Symile: Simple Model-Agnostic Representation Learning for Unlimited Modalities.

Saporta et al. 2024, arXiv 2411.01053. Pairwise losses capture what two modalities share; the
multilinear inner product, the sum over dimensions of the product of all embeddings, also captures
what only all of them together determine. On exclusive-or data CLIP is at chance and Symile is
perfect.

    python -m mmjax.main --config=configs/symile.py          # exclusive or
    python -m mmjax.main --config=configs/symile.py:paper    # Symile-M3, from stored features
    python -m mmjax.claims symile                            # against CLIP, on exclusive or

Left out: XLM-R-large as the text tower, in whose place one of its size trains, and inputs for
missing modalities.
"""

from mmjax.configs import common as c

PAPER = "Saporta et al. 2024, Contrasting with Symile, arXiv 2411.01053"
THREE = ("a", "b", "c")


def small() -> dict:
    """The paper's exclusive-or data at p = 1, seconds."""
    # Uniform biases: with zero biases, a zero input would be embedded as zero, without direction.
    tower = c.mlp(5, (), 16, init="uniform")
    return c.recipe(
        PAPER,
        steps=250,  # 25 epochs; the paper has 50, and little changes after the first
        data=c.data(dict(type="xor"), 1000, on_error="fail", **dict.fromkeys(THREE, c.vector(5))),
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
    """Symile-M3: audio and images as stored features, and a text tower that is trained.

    The manifest has for each triple a file with Whisper-large-v3's mean feature (1280 dimensions)
    and one with CLIP ViT-L/14's (1024), and the text. The paper tunes width, learning rate, batch
    size and scale, and does not state the chosen values: those here are guesses. Every tower ends
    in a layer norm, as in the authors' code, whose output the loss takes without normalization to
    unit length; the scale is initialized such that scores of unrelated rows have a standard
    deviation of about 1. Retrieval uses unit vectors, and the right answer is the query's own row,
    where the paper accepts any image of its ImageNet class. The paper's text tower is XLM-R-large,
    frozen except for its embeddings and first layer, with a mean over all positions, including
    padding; here it is a transformer of that layer's size, trained from scratch. All triples are
    complete: the paper's inputs for missing modalities are left out.
    """
    names = ("audio", "image", "text")
    dim = 2048  # assumed: the paper's is tuned and not stated
    length = 64  # assumed
    scale = dim**-0.5  # assumed: scores then have a standard deviation of about 1
    asked = dict(query=("audio", "text"), answer=("image",), score="multilinear")
    sizes = dict(vocab_size=250_002, length=length, width=1024, depth=1, heads=16)
    text = dict(type="text_transformer", **sizes, causal=False, pool="mean")
    return c.recipe(
        PAPER,
        steps=100_000,  # assumed
        data=c.data(
            c.manifest("data/symile_m3/train.csv", "train", **{name: name for name in names}),
            batch_size=1024,  # assumed: the paper's is tuned and not stated
            tokenizer=c.roberta_tokenizer("data/xlmr/tokenizer.json"),
            audio=c.vector(1280),
            image=c.vector(1024),
            text=dict(type="text", length=length),
            workers=16,
        ),
        towers=c.towers(
            c.linear_head(dim, bias=True, norm="layer"),
            audio=c.identity(1280),
            image=c.identity(1024),
            text=text,
        ),
        objectives={"symile": dict(type="symile", modalities=names, normalize=False, scale=scale)},
        optimizer=c.adamw(
            learning_rate=1e-4,  # assumed: the paper's is tuned and not stated
            weight_decay=0.01,
            warmup_steps=1000,  # assumed
        ),
        evaluators=[c.tuple_retrieval("image", "val", **asked)],
        checkpoints={"every": 5000},
    )


get_config = c.variants("symile", small, paper)
