"""I Can't Believe There's No Images! Learning visual tasks using only language supervision (CLOSE).

Gu et al. 2023, arXiv 2211.09778. A head that is trained on the text vectors of a contrastive model,
with Gaussian noise added to cover the modality gap, is used on its image vectors. What a user can
take from it: the `probe` with `tested` says how well labels that only texts have carry over to
images; a smaller gap, by the temperature of the contrastive loss, is worth trying before noise.

    python -m mmjax.main --config=configs/close.py          # emoji features, seconds
    python -m mmjax.main --config=configs/close.py:latent   # a Gaussian latent
    python -m mmjax.main --config=configs/close.py:paper    # visual entailment, CLIP ViT-L/14
    python -m mmjax.claims close                            # noise against none, on the latent
    python -m mmjax.claims close:claim_emoji                # on emoji

`small` trains linear heads on frozen features of images and names, and then a classifier of 98
subgroups on names alone, which is tested on images of unseen concepts. The evaluators run on any
saved run: `python -m mmjax.evaluate --workdir=runs/... --config=configs/close.py`. Left out: the
language model that writes captions and answers.
"""

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Gu et al. 2023, CLOSE, arXiv 2211.09778"


def objectives(pair: tuple[str, str], temperature: float = 0.01) -> dict:
    """CLIP's, at the temperature where it ends, which leaves a gap."""
    fixed = dict(temperature=temperature, learn_temperature=False)
    return {"clip": dict(type="info_nce", pairs=(pair,), **fixed)}


def transfer(fitted: str, tested: str, **options: object) -> list[dict]:
    """Probes of one modality on another: without noise, with it, moved, and on its own side."""
    told = dict(modalities=(fitted,), tested=(tested,), layer="unit")
    noisy = dict(noise=0.1, copies=8)
    probes = {
        "no_noise": told,
        "noise": {**told, **noisy},
        "shift": {**told, "adapter": "shift", "paired": options["train"]},
        "own_side": {**told, "modalities": (tested,)},
    }
    return [c.probe(name, **own, **options) for name, own in probes.items()]


def small(half: str = "validation") -> dict:
    """Emoji: linear heads on features of EfficientNet-Lite0 and MiniLM."""
    view, tower = c.vector(lit.DIM), c.identity(lit.DIM)
    labelled = {
        split: lit.features(split, labels="emoji_pretrained")
        for split in ("train", f"{half}_concepts")
    }
    train, test = labelled.values()
    return c.recipe(
        PAPER,
        steps=400,
        data=c.data(lit.features("train"), 256, image=view, text=view),
        towers=c.towers(c.linear_head(lit.DIM), image=tower, text=tower),
        objectives=objectives(("image", "text")),
        optimizer=c.adamw(1e-3, weight_decay=0.02, warmup_steps=50),
        evaluators=[
            *transfer("text", "image", labels="subgroup", source=test, train=train, hidden=128),
            c.geometry(source=test),
        ],
        checkpoints={"every": 400},
    )


def latent() -> dict:
    """Two MLPs see the same Gaussian latent, each with its own noise; 20 epochs."""
    pair = ("image", "text")
    views = {name: {"form": "identity"} for name in pair}
    noisy = {name: {"form": "identity", "noise": 0.5} for name in pair}
    train, test = (c.held_out(split, views=noisy) for split in ("probe", "test"))
    return c.recipe(
        PAPER,
        steps=1280,
        data=c.data(
            dict(type="latent_views", latent=32, views=views),
            64,
            **dict.fromkeys(pair, c.vector(32, noise=0.5)),
        ),
        towers=c.towers(**dict.fromkeys(pair, c.mlp(32, (256, 256), 64))),
        objectives=objectives(pair),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[
            *transfer("text", "image", labels="quadrant", source=test, train=train, hidden=128),
            c.geometry(source=test),
        ],
        log_every=320,
    )


def paper() -> dict:
    """Visual entailment (SNLI-VE): a caption as the premise in training, the image in the test.

    Features of CLIP ViT-L/14 by `python -m mmjax.embed`, and `labels` in files of their own; the
    head is an MLP here, and T5-base in the paper.
    """
    dims = dict.fromkeys(("image", "text", "hypothesis"), 768)

    def source(split: str) -> dict:
        files = {name: f"features/snli_ve/{name}-{split}.npz" for name in dims}
        return dict(type="features", files=files, labels=f"features/snli_ve/labels-{split}.npz")

    return c.recipe(
        PAPER,
        steps=0,
        data=c.data(source("train"), 1024, **{name: c.vector(dim) for name, dim in dims.items()}),
        towers=c.towers(**{name: c.identity(dim) for name, dim in dims.items()}),
        evaluators=[
            c.probe(
                source=source("test"), train=source("train"), labels="label", layer="unit",
                modalities=("text", "hypothesis"), tested=("image", "hypothesis"),
                noise=0.08, copies=8, hidden=3072,
            )
        ],
    )  # fmt: skip


get_config = c.variants("close", small, latent, paper)
