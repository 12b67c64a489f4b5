"""Discrete codes without a table, from a thesis on generative models of video (MAGVIT-v2).

Yu 2024, Towards Multi-Task Multi-Modal Models: A Video Generative Perspective, arXiv 2405.16728.
Lookup-free quantization makes a code of the signs of an embedding, without a table to search, and
an entropy penalty asks for confident bits in even use. Useful where embeddings have to be small:
the heads `lfq` and `vq` let any tower give codes, which retrieval compares by Hamming distance. On
a latent signs use more codes than a table does, and need no penalty for it: it makes the codes of a
pair agree, at the cost of fewer of them. With few pairs, on emoji, both are the other way about.

    python -m mmjax.main --config=configs/video_generative_thesis.py           # generated pairs
    python -m mmjax.main --config=configs/video_generative_thesis.py:features  # of emoji
    python -m mmjax.main --config=configs/video_generative_thesis.py:emoji     # 24 bits, minutes
    python -m mmjax.main --config=configs/video_generative_thesis.py:paper     # Kinetics-600
    python -m mmjax.claims video_generative_thesis                             # lfq, vq and floats
    python -m mmjax.claims video_generative_thesis:claim_emoji                 # on the features

Left out: decoders and what generates codes, which are learned here by a contrastive loss.
"""

from mmjax.configs import common as c
from mmjax.configs import lit
from mmjax.recipe.changes import Replace

PAPER = "Yu 2024, a thesis with MAGVIT-v2, arXiv 2405.16728"
PAIR = ("video", "text")


def objectives(pair: tuple[str, str]) -> dict:
    """InfoNCE of codes, and a tenth of the entropy penalty, the mean of both modalities."""
    codes = dict(type="code_regularizer", measure="entropy", group=6, views=pair, weight=0.05)
    return {"clip": dict(type="info_nce", pairs=(pair,), temperature=0.1), "codes": codes}


def measured(name: str, source: object, pair: tuple[str, str], **options: object) -> list[dict]:
    """Retrieval by codes and by what they were made of."""
    same = dict(source=source, pairs=(pair,), **options)
    return [c.retrieval(name, **same), c.retrieval(f"{name}_floats", **same, layer="continuous")]


def vectors(source: dict, dim: int, pair: tuple[str, str], steps: int, evaluators: list) -> dict:
    """Pairs of vectors; codes of 12 bits."""
    encoder = c.mlp(dim, (), 128, activation="gelu", final_activation=True)
    return c.recipe(
        PAPER,
        steps=steps,
        data=c.data(source, 256, **dict.fromkeys(pair, c.vector(dim))),
        towers=c.towers(dict(type="lfq", dim=12), **dict.fromkeys(pair, encoder)),
        objectives=objectives(pair),
        optimizer=c.adamw(2e-3, warmup_steps=50),
        evaluators=evaluators,
    )


def small() -> dict:
    """Two linear maps of 20,000 latents in 256 clusters."""
    seen = dict(form="linear", dim=32, noise=0.1)
    latent = dict(latent=32, clusters=256, spread=0.3, views=dict.fromkeys(PAIR, seen))
    source = dict(type="latent_views", examples=20_000, **latent)
    test = c.held_out(examples=1000)
    cluster = c.retrieval("cluster", test, pairs=(PAIR,), labels="label")
    usage = c.evaluator("code_usage", "train", "train", pair=PAIR, whole=True)
    return vectors(source, 32, PAIR, 800, [*measured("test", test, PAIR), cluster, usage])


def features(half: str = "validation") -> dict:
    """Emoji: EfficientNet-Lite0 of images and MiniLM of names; seconds."""
    pair, source = ("image", "text"), lit.features("train")
    usage = c.evaluator("code_usage", "train", source, pair=pair, whole=True)
    test = lit.features(f"{half}_concepts")
    return vectors(source, lit.DIM, pair, 400, [*measured("test", test, pair), usage])


def emoji() -> dict:
    """Emoji and their names in 24 bits each."""
    pair, new = ("image", "text"), dict(type="emoji", split="new_style")
    usage = c.evaluator("code_usage", "new_style", new, whole=True)
    head = {"head": Replace(dict(type="lfq", dim=24))}
    return c.changed(
        c.emoji(PAPER, objectives(pair)),
        model={"towers": dict.fromkeys(pair, head)},
        evaluators=[*measured("new_style", new, pair), usage],
    )


def paper() -> dict:
    """Kinetics-600 in MAGVIT-v2's 17 frames of 128 pixels, and class names; codes of 18 bits."""
    text = c.bert_text(32, lowercase=True)
    sizes = dict(patch=16, width=768, depth=12, heads=12, temporal_depth=4)  # assumed
    video = dict(type="frame_transformer", frames=17, image_size=(128, 128), **sizes)
    rows = [f"data/kinetics600/{split}.csv" for split in ("train", "val")]
    clips, test = (c.manifest(path, None, video="file", text="label") for path in rows)
    return c.recipe(
        PAPER,
        steps=90_000,  # assumed
        data=c.data(clips, 256, text.tokenizer, video=dict(type="video", frames=17, size=128),
                    text=text.view, workers=32),
        towers=c.towers(dict(type="lfq", dim=18), video=video,
                        text=c.pretrained("weights/bert-base-uncased", text.encoder, "text")),
        objectives=objectives(PAIR),  # assumed: the weight of the penalty
        optimizer=c.adamw(1e-4, weight_decay=0.01, warmup_steps=2000),  # assumed
        evaluators=measured("val", test, PAIR),
        checkpoints={"every": 2000},
    )  # fmt: skip


get_config = c.variants("video_generative_thesis", small, features, emoji, paper)
