"""Escaping Plato's Cave: towards the alignment of 3D and text latent spaces (Plato3D).

Hadgi et al. 2025, arXiv 2503.05283. Encoders that were trained apart are aligned afterwards, in
closed form, from some pairs as anchors: a linear map of the whole spaces does poorly, and both
projected to the shared subspace that canonical correlation analysis (CCA) finds do much better.
What a user can take from it: before a projector is trained between two frozen encoders,
`linear_map` with `subspace='cca'` shows in seconds what a closed form reaches; its number of
components and its penalty have to be chosen on held-out pairs. On the emoji features here the
subspace is no better than ridge regression of the whole spaces.

    python -m mmjax.main --config=configs/plato3d.py          # emoji features, seconds
    python -m mmjax.main --config=configs/plato3d.py:latent   # a generated latent
    python -m mmjax.main --config=configs/plato3d.py:paper    # features of 3D and text encoders
    python -m mmjax.claims plato3d                            # the subspace against the whole
    python -m mmjax.claims plato3d:claim_many                 # the same with 5,000 anchors
    python -m mmjax.claims plato3d:claim_emoji                # on the emoji features

Nothing trains (`steps=0`). The evaluators run on any saved run with two towers, too:
`python -m mmjax.evaluate --workdir=runs/... --config=configs/plato3d.py`. Left out: local CKA of
RBF kernels, the quadratic assignment of the whole set, and relative representations.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Hadgi et al. 2025, Escaping Plato's Cave, arXiv 2503.05283"
# Class centres and a spread in 20 dimensions, under 60 dimensions of each modality's own.
SEEN = dict(dim=256, nuisance=60, nuisance_scale=2.0, noise=0.1)
LATENT = dict(type="latent_views", latent=20, clusters=40, views={"points": SEEN, "text": SEEN})
MAPS = {
    "affine": dict(solver="ols"),
    "ridge": dict(solver="ridge"),
    "pca": dict(solver="ols", subspace="pca", components=80),
    "cca": dict(solver="ols", subspace="cca", components=20),
    "cca_cosine": dict(solver="none", subspace="cca", components=20),
    "cca_local_cka": dict(solver="none", subspace="cca", components=20, score="local_cka"),
}


def measured(pair: tuple[str, str], source: object, train: object, maps: dict = MAPS) -> list:
    """Retrieval and matching by each of the maps, of what the encoders give."""
    options = dict(pairs=(pair,), layer="encoder", matching=500)
    return [c.linear_map(name, source, train, **options, **own) for name, own in maps.items()]


def features(data: dict, dims: dict[str, int], evaluators: list) -> dict:
    """A recipe on features of encoders that are not here: nothing trains."""
    towers = {name: c.identity(dim) for name, dim in dims.items()}
    return c.recipe(PAPER, steps=0, data=data, towers=c.towers(**towers), evaluators=evaluators)


def small(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 of images and MiniLM of names, two encoders that never met."""
    pair, view = ("image", "text"), c.vector(lit.DIM)
    source, train = lit.features(f"{half}_concepts"), lit.features("train")
    data = c.data(train, 256, image=view, text=view)
    own = [*measured(pair, source, train), c.structure(source=train, measures=("cka", "knn"))]
    return features(data, dict.fromkeys(pair, lit.DIM), own)


def latent(anchors: int = 1000) -> dict:
    """Two modalities of a latent of 20 dimensions, each with 60 of its own."""
    pair, view = ("points", "text"), c.vector(256)
    data = c.data({**LATENT, "examples": anchors}, 256, points=view, text=view)
    own = measured(pair, c.held_out(examples=500), c.held_out("train"))
    return features(data, dict.fromkeys(pair, 256), own)


def paper() -> dict:
    """Objaverse: features by `python -m mmjax.embed --layer=encoder`, of your own encoders.

    Points by a Point-BERT that saw no other modality (384 features), captions by RoBERTa (1,024).
    """
    files = {name: f"features/objaverse/{name}-{{}}.npz" for name in ("points", "text")}
    train, test = (
        dict(type="features", files={name: file.format(split) for name, file in files.items()})
        for split in ("train", "test")
    )
    dims = {"points": 384, "text": 1024}  # assumed
    data = c.data(train, 1024, **{name: c.vector(dim) for name, dim in dims.items()})
    maps = {
        name: own if "components" not in own else {**own, "components": 50}  # assumed
        for name, own in MAPS.items()
    }
    return features(data, dims, measured(("points", "text"), test, train, maps))


get_config = c.variants("plato3d", small, latent, paper)
