"""From Word Vectors to Multimodal Embeddings: techniques, applications, and future directions.

2024, arXiv 2411.05036. A survey without a method of its own: what it lists to evaluate embeddings
by (alignment after training, retrieval without hubs, anisotropy, compression) are evaluators here,
and this recipe runs them. What a user can take from it: before towers are trained jointly,
Procrustes, ridge and CCA between them say how far a linear map gets; what they leave is what joint
training has to find.

    python -m mmjax.main --config=configs/word_to_multimodal_survey.py          # emoji, seconds
    python -m mmjax.main --config=configs/word_to_multimodal_survey.py:partly_linear
    python -m mmjax.main --config=configs/word_to_multimodal_survey.py:paper    # own features
    python -m mmjax.claims word_to_multimodal_survey     # closed forms against joint training

`small` trains linear heads on frozen features with SigLIP's loss; docs/embedding_zoo.md has its
numbers. Left out: analogies, WEAT and word similarities, which need word lists.
"""

from collections.abc import Mapping
from typing import Any

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


def heads(
    train: Mapping, test: Mapping, described: Mapping, dims: Mapping[str, int], **more: Any
) -> dict:
    """Linear heads on frozen features of two encoders, and both before and after measured.

    Args:
      train, test: sources of the features.
      described: that of the two whose structure is measured, all against all.
      dims: of the features.
      **more: batch_size, dim of the heads, and what `recipe` takes.
    """
    apart = dict(layer="encoder", alternatives="all")
    batch_size, dim = more.pop("batch_size"), more.pop("dim")
    return c.recipe(
        PAPER,
        data=c.data(train, batch_size, **{name: c.vector(own) for name, own in dims.items()}),
        towers=c.towers(c.linear_head(dim), **{n: c.identity(own) for n, own in dims.items()}),
        objectives={"siglip": dict(type="sigmoid")},
        evaluators=[
            *(c.retrieval(name, test, alternatives="all", **own) for name, own in STORED.items()),
            *(
                c.linear_map(solver, test, train, solver=solver, **apart)
                for solver in ("procrustes", "ridge", "cca")
            ),
            c.linear_map("procrustes_csls", test, train, solver="procrustes", csls=10, **apart),
            *(
                c.structure(name, described, measures=("cka", "knn"), layer=layer)
                for name, layer in (("apart", "encoder"), ("trained", "unit"))
            ),
            *(c.spectrum(modality, described, modality=modality) for modality in PAIR),
            c.geometry("test", test),
        ],
        **more,
    )


def small(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 and MiniLM, apart and after linear heads were trained."""
    train = lit.features("train")
    return heads(
        train, lit.features(f"{half}_concepts"), train, dict.fromkeys(PAIR, lit.DIM),
        batch_size=256,
        dim=lit.DIM,
        steps=400,
        optimizer=c.adamw(1e-3, weight_decay=0.02, warmup_steps=50),
        checkpoints={"every": 400},
    )  # fmt: skip


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


def paper() -> dict:
    """The same for COCO and two encoders of your own; the survey has no experiment.

    Files are made by `python -m mmjax.embed --layer=encoder`, here of DINOv2 ViT-B/14 and of
    all-mpnet-base-v2, each image with the vectors of its five captions.
    """
    files = "features/coco/{}-{}.npz"
    train, test = (
        dict(type="features", files={name: files.format(name, split) for name in PAIR})
        for split in ("train", "test")
    )
    return heads(
        train, test, test, dict(image=768, text=768),
        batch_size=16_384,
        dim=512,
        steps=3_000,  # assumed
        optimizer=c.adamw(1e-3, weight_decay=0.02, warmup_steps=200),  # assumed
        checkpoints={"every": 1_000},
    )  # fmt: skip


get_config = c.variants("word_to_multimodal_survey", small, partly_linear, paper)
