"""CLSR: contrastive latent space reconstruction for audio-text retrieval.

Luo et al. 2023, ICTAI, arXiv 2309.08839. To a contrastive loss come negatives of the anchor's own
modality, a temperature of its own for each example, higher where many captions are similar, and
decoders that rebuild each modality's latent from the other's. The authors' formulas are not public;
these are a reading of the named parts. What a user can take from it: a per-example temperature
needs no tuning where captions repeat themselves. On features of emoji it retrieves clearly more
than one fixed temperature that was tuned, and of the wrong sign it does not; on a generated latent
no addition gains anything.

    python -m mmjax.main --config=configs/clsr.py          # emoji features, seconds
    python -m mmjax.main --config=configs/clsr.py:latent   # a generated latent of 100 classes
    python -m mmjax.main --config=configs/clsr.py:paper    # AudioCaps, HTS-AT and RoBERTa
    python -m mmjax.claims clsr                            # each addition, on the latent
    python -m mmjax.claims clsr:claim_emoji                # the same on emoji

The guide, whose similarities say how ambiguous an example is, are the frozen features of its text.
Left out: rebuilding a tower's own features, and augmented spectrograms.
"""

from collections.abc import Mapping

from mmjax.configs import common as c
from mmjax.configs import lit

PAPER = (
    "Luo et al. 2023, Contrastive Latent Space Reconstruction Learning for Audio-Text Retrieval, "
    "ICTAI, arXiv 2309.08839"
)


def objectives(pair: tuple[str, str], dim: int) -> dict:
    """Both parts; the weight of the second is between .01 and .1."""
    sizes = dict(dim=dim, hidden=2 * dim, norm=False)
    return {
        "clsr": dict(type="adaptive_info_nce", pairs=(pair,), guide="guide", same_side=True),
        "rebuild": dict(type="predictive", pairs=(pair,), loss="mse", weight=0.01, **sizes),
    }


def vectors(
    source: Mapping, dims: Mapping[str, int], batch_size: int, steps: int, test: Mapping
) -> dict:
    """MLPs of two modalities that are vectors, the second of them a text's."""
    pair, guided = tuple(dims), dims[tuple(dims)[1]]
    views = {name: c.vector(dim) for name, dim in dims.items()}
    guide = {**c.vector(guided), "field": pair[1]}
    towers = {name: c.mlp(dim, (256,), 128) for name, dim in dims.items()}
    return c.recipe(
        PAPER,
        steps=steps,
        data=c.data(source, batch_size, **views, guide=guide),
        towers={**c.towers(c.mlp_head(64, 128), **towers), **c.towers(guide=c.identity(guided))},
        objectives=objectives(pair, 64),
        optimizer=c.adamw(1e-3),
        evaluators=[c.retrieval("test", test, pairs=(pair,)), c.geometry("test", test, pair=pair)],
    )


def small(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 of images and MiniLM of names."""
    train, test = lit.features("train"), lit.features(f"{half}_concepts")
    return vectors(train, dict(image=lit.DIM, text=lit.DIM), 128, 600, test)


def latent() -> dict:
    """Audio and text of a latent of 24 dimensions with 100 classes."""
    views = {"audio": dict(dim=64, nuisance=6, noise=0.3), "text": dict(dim=48, noise=0.3)}
    source = dict(type="latent_views", latent=24, clusters=100, spread=0.35, views=views)
    return vectors(source, dict(audio=64, text=48), 128, 1000, c.held_out(examples=1000))


def paper() -> dict:
    """AudioCaps with HTS-AT and RoBERTa, whose pooled text features are in the table, too."""
    pair, text = ("audio", "text"), c.bert_text(
        77, c.roberta_tokenizer("data/roberta/tokenizer.json"), vocab_size=50_265, segments=0,
        pad_id=1, eps=1e-5, dropout=0.1,
    )  # fmt: skip
    audio = dict(type="htsat", width=128, depths=(2, 2, 12, 2), drop_path=0.1)  # assumed
    pairs = c.manifest("data/audiocaps/train.csv", audio="file", text="caption", guide="features")
    test = c.manifest("data/audiocaps/test.csv", audio="file", text="caption", guide="features")
    guide = dict(type="array", shape=(768,))
    head = c.mlp_head(1024, 1024)  # assumed
    roberta = c.pretrained("weights/roberta-base", text.encoder, "text", head=head)
    return c.recipe(
        PAPER,
        steps=3_900,  # assumed: ten epochs
        data=c.data(pairs, 128, text.tokenizer, audio=dict(type="log_mel"), text=text.view,
                    guide=guide, workers=16),
        towers={**c.towers(head, audio=audio, text=roberta), **c.towers(guide=c.identity(768))},
        objectives=objectives(pair, 1024),
        optimizer=c.adamw(1e-4),  # assumed
        evaluators=[c.retrieval("test", test, pairs=(pair,))],
        checkpoints={"every": 500},
    )  # fmt: skip


get_config = c.variants("clsr", small, latent, paper)
