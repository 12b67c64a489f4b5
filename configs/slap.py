"""SLAP: Siamese language-audio pretraining without negative samples.

Guinot et al. 2025, arXiv 2506.17815. Each modality has a predictor, which matches the momentum
teacher's embeddings of both modalities: the other's and, with the same weight, its own. No example
is a negative, and the modality gap closes. What a user can take from it: where batches have to be
small, a joint space without negatives; and the balance `within` is to be left at one half. Here a
contrastive loss at a higher temperature retrieves more, and on the latent closes the gap as well.

    python -m mmjax.main --config=configs/slap.py          # emoji features, seconds
    python -m mmjax.main --config=configs/slap.py:latent   # a generated latent
    python -m mmjax.main --config=configs/slap.py:paper    # music and captions, HTS-AT
    python -m mmjax.claims slap                            # the gap and retrieval, on the latent
    python -m mmjax.claims slap:claim_emoji                # on the emoji features

Evaluators compare what the predictors say, as the paper's do. Embeddings of the two towers need not
be alike: each predictor maps its own to the mean of both modalities' targets.
Left out: the paper's 260,000 pairs of music and captions, which are private, and probes for tags.
"""

from collections.abc import Mapping

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = "Guinot et al. 2025, SLAP, arXiv 2506.17815"


def objectives(pair: tuple[str, str], dim: int, hidden: int) -> dict:
    """λ = 1/2; the predictors have no batch norm, as in the released configuration."""
    sizes = dict(dim=dim, hidden=hidden, norm=False)
    return {"slap": dict(type="predictive", pairs=(pair,), target="teacher", within=0.5, **sizes)}


def measured(name: str, source: object, pair: tuple[str, str]) -> list[dict]:
    """Retrieval and the gap, both between predictions."""
    return [c.retrieval(name, source, pairs=(pair,), term="slap"),
            c.geometry(name, source, pair=pair, term="slap")]  # fmt: skip


def vectors(
    source: Mapping, dims: Mapping[str, int], batch_size: int, steps: int, test: Mapping
) -> dict:
    """MLPs of two modalities that are vectors; the towers see noise, the teacher does not."""
    pair, clean = tuple(dims), tuple(f"{name}@2" for name in dims)
    views = {name: (c.vector(dim, noise=0.1), c.vector(dim)) for name, dim in dims.items()}
    towers = {name: c.mlp(dim, (256, 256), 128) for name, dim in dims.items()}
    return c.recipe(
        PAPER,
        steps=steps,
        data=c.data(source, batch_size, **views),
        towers=c.towers(c.mlp_head(64, 128), **towers),
        objectives=objectives(pair, 64, 256),
        teacher={**c.ema(clean, 0.99), "train": False},
        optimizer=c.adamw(1e-3),
        evaluators=measured("test", test, pair),
        checkpoints={"every": steps},
    )


def small(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 of images and MiniLM of names; 30 epochs."""
    train, test = lit.features("train"), lit.features(f"{half}_concepts")
    return vectors(train, dict(image=lit.DIM, text=lit.DIM), 64, 800, test)


def latent() -> dict:
    """Audio and text of a latent of 8 dimensions, each with 4 of its own; 12 epochs."""
    seen = dict(nuisance=4, gain=1.0, noise=0.1)
    dims = dict(audio=64, text=48)
    views = {name: {**seen, "dim": dim} for name, dim in dims.items()}
    source = dict(type="latent_views", latent=8, views=views, examples=4000)
    return vectors(source, dims, 64, 750, c.held_out(examples=1000))


def paper() -> dict:
    """Music and captions: HTS-AT and RoBERTa, batch 768, 60 epochs of 260,000 pairs."""
    pair, text = ("audio", "text"), c.bert_text(
        77, c.roberta_tokenizer("data/roberta/tokenizer.json"), vocab_size=50_265, segments=0,
        pad_id=1, eps=1e-5, dropout=0.1,
    )  # fmt: skip
    audio = dict(type="htsat", width=128, depths=(2, 2, 12, 2), drop_path=0.1)  # assumed: drop_path
    pairs = c.manifest("data/music/train.csv", "train", audio="file", text="caption")
    view, head = dict(type="log_mel"), c.mlp_head(512, 512)
    roberta = c.pretrained("weights/roberta-base", text.encoder, "text", head=head)
    return c.recipe(
        PAPER,
        steps=20_300,
        data=c.data(pairs, 768, text.tokenizer, audio=view, text=text.view, workers=16),
        towers=c.towers(head, audio=audio, text=roberta),
        objectives=objectives(pair, 512, 4096),
        teacher=c.ema(pair, 0.95),
        optimizer=c.adamw(4e-4, weight_decay=1e-6, warmup_steps=2_030, clip_norm=3.0),
        evaluators=measured("val", "val", pair),
        checkpoints={"every": 1000},
    )  # fmt: skip


get_config = c.variants("slap", small, latent, paper)
