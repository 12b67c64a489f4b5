"""From Word Vectors to Multimodal Embeddings: techniques, applications, and future directions.

2024, arXiv 2411.05036. A survey without a method of its own: what it lists to evaluate embeddings
by (alignment after training, retrieval without hubs, anisotropy, compression) are evaluators here,
and this recipe runs them. What a user can take from it: before towers are trained jointly,
Procrustes, ridge and CCA between them say how far a linear map gets; what they leave is what joint
training has to find.

    python -m mmjax.main --config=configs/word_to_multimodal_survey.py          # emoji, seconds
    python -m mmjax.main --config=configs/word_to_multimodal_survey.py:partly_linear
    python -m mmjax.claims word_to_multimodal_survey     # closed forms against joint training

`small` trains linear heads on frozen features with SigLIP's loss; docs/embedding_zoo.md has its
numbers. Left out: analogies, WEAT and word similarities, which need word lists.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "2024, From Word Vectors to Multimodal Embeddings, arXiv 2411.05036"
PAIR = ("image", "text")
STORED = {
    "float32": {},
    "int8": dict(bits=8),
    "sign": dict(bits=1),
    **{f"first_{n}": dict(prefix=n) for n in (64, 32, 16, 8)},
    "csls": dict(csls=10),
}


def small(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 and MiniLM, apart and after linear heads were trained."""
    source, train = lit.features(f"{half}_concepts"), lit.features("train")
    view, tower = c.vector(lit.DIM), c.identity(lit.DIM)
    apart = dict(layer="encoder", alternatives="all")
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data(train, 256, image=view, text=view),
        towers=c.towers(c.linear_head(lit.DIM), image=tower, text=tower),
        objectives={"siglip": dict(type="sigmoid")},
        optimizer=c.adamw(1e-3, weight_decay=0.02, warmup_steps=50),
        evaluators=[
            *(c.retrieval(name, source, alternatives="all", **own) for name, own in STORED.items()),
            *(
                c.linear_map(solver, source, train, solver=solver, **apart)
                for solver in ("procrustes", "ridge", "cca")
            ),
            c.linear_map("procrustes_csls", source, train, solver="procrustes", csls=10, **apart),
            *(
                c.structure(name, train, measures=("cka", "knn"), layer=layer)
                for name, layer in (("apart", "encoder"), ("trained", "unit"))
            ),
            *(c.spectrum(modality, train, modality=modality) for modality in PAIR),
            c.geometry("test", source),
        ],
        checkpoints={"every": 400},
    )


def partly_linear(linear: int = 8) -> dict:
    """Two spaces that share 16 dimensions, of which some are related by an even function."""
    mlp = c.mlp(16, (128,), 16, activation="gelu")
    solvers = ("none", "procrustes", "ridge", "cca")
    return c.recipe(
        PAPER,
        steps=1500,
        data=c.data(dict(type="partly_linear", linear=linear), 256,
                    **dict.fromkeys(PAIR, c.vector(16))),
        towers=c.towers(**dict.fromkeys(PAIR, mlp)),
        objectives={"clip": dict(type="info_nce", temperature=0.07)},
        optimizer=c.adamw(2e-3, weight_decay=0.01),
        evaluators=[
            c.retrieval(),
            *(c.linear_map(solver, read="statistics", solver=solver) for solver in solvers),
            c.linear_map("csls", read="statistics", solver="procrustes", csls=10),
        ],
        log_every=500,
    )  # fmt: skip


get_config = c.variants("word_to_multimodal_survey", small, partly_linear)
