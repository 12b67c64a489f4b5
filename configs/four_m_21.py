"""4M-21: masked modelling of any modality by any others, all of them discrete tokens.

Bachmann et al. 2024, NeurIPS, arXiv 2406.09406. Every modality becomes tokens; an encoder sees some
of an example's tokens, a decoder says what some others are, and how many of which modality is drawn
anew for each example. The tokens of a global feature are a modality, too: told from any query, they
are decoded to a vector that is searched for. What a user can take from it: one model that searches
from any modality, from several at once and without those that are missing, with the word
`masked_slots` on tokens from a file; and `tokenised`, which makes such tokens of images, texts,
labels and features. There is no contrastive loss.

    python -m mmjax.main --config=configs/four_m_21.py          # emoji: patches, words, colours
    python -m mmjax.main --config=configs/four_m_21.py:latents  # eight generated modalities
    python -m mmjax.main --config=configs/four_m_21.py:paper    # base size, tokens from files
    python -m mmjax.claims four_m_21                            # queries of one and of three

Left out: the tokenisers and their training, generation of images, RGB pixels and T5 vectors as
inputs beside tokens, the span masking and the autoregressive decoding of sequences, the settings
that prefer captions, text without other modalities, and the start from the model of 7 modalities.
"""

from collections.abc import Mapping
from typing import Any

from mmjax.configs import common as c

PAPER = "Bachmann et al. 2024, 4M-21, NeurIPS, arXiv 2406.09406"
# The first of them, and the three, that queries of the generated modalities show.
CLEAN, NOISY = ("m0", "m1", "m2"), ("m3", "m4", "m5")


def any_to_any(
    data: dict,
    slots: Mapping[str, tuple[int, int]],
    queries: Mapping[str, tuple[str, ...]],
    vector: tuple[str, str, int],
    budgets: tuple[int, int],
    transformer: tuple[int, int, int],
    alphas: tuple[float, ...] = (0.1, 1.0, 10.0),
    **encoder: Any,
) -> dict:
    """Sections for tokens of all modalities, and a vector that is searched from some of them.

    Args:
      data: the section without views.
      slots: modality -> (tokens, codes).
      queries: name -> the modalities that the view `slots@NAME` shows.
      vector: its field, the modality that are its tokens, and its size.
      budgets: the most tokens of an example that are seen, and that are asked for.
      transformer: width, heads and layers of the decoder.
      alphas: of the shares of modalities.
      **encoder: further options.
    """
    (field, decodes, dim), (inputs, targets), (width, heads, depth) = vector, budgets, transformer
    views = {"slots@masked": dict(type="slots", slots=slots), field: c.vector(dim)}
    for name, show in queries.items():
        views[f"slots@{name}"] = dict(type="slots", slots=slots, show=show, train=False)
    masked = dict(type="mask_slots", slots=slots, inputs=inputs, targets=targets, alphas=alphas)
    body = dict(type="slot_transformer", slots=slots, width=width, heads=heads, **encoder)
    none = {"type": "none"}
    tower = {"encoder": body, "head": none, "augment": {**masked, "views": ("slots@masked",)}}
    term = dict(type="masked_slots", slots=slots, inputs={"slots@masked": width}, width=width,
                heads=heads, depth=depth, targets=targets, vector=field, decodes=decodes,
                size=dim)  # fmt: skip
    return {
        "data": {**data, "views": views},
        "towers": {"slots": tower, field: {"encoder": c.identity(dim), "head": none}},
        "objectives": {"tokens": term},
    }


def search(name: str, source: object, field: str, *queries: str) -> dict:
    """Vectors that are told from the views `slots@NAME` of some names."""
    pairs = tuple((f"slots@{query}", field) for query in queries)
    return c.retrieval(name, source, pairs=pairs, term="tokens")


def small(half: str = "validation") -> dict:
    """Emoji as patches, words of names, colours and group; searched are EfficientNet's features."""
    kinds = {
        "image": dict(field="image", kind="patches", tokens=64, codes=64),
        "palette": dict(field="image", kind="palette", tokens=6, codes=64),
        "text": dict(field="text", kind="words", tokens=4, codes=512),
        "group": dict(field="group", kind="label", tokens=1, codes=9),
        "feature": dict(field="vector", kind="vector", tokens=8, codes=256),
    }

    def emoji(split: str) -> dict:
        each = {"source": split, "fit": "train"}
        named = {key: dict(type="emoji", split=own) for key, own in each.items()}
        for key, own in (("vectors", split), ("fit_vectors", "train")):
            named[key] = dict(type="features", files={"image": f"emoji_pretrained:{own}"})
        return dict(type="tokenised", parts=kinds, **named)

    slots = {name: (kind["tokens"], kind["codes"]) for name, kind in kinds.items()}
    shown = {"image": ("image",), "text": ("text",), "palette": ("palette", "group")}
    shown["all"] = ("image", "palette", "text", "group")
    return c.recipe(
        PAPER,
        steps=1500,
        **any_to_any(c.data(emoji("train"), 64), slots, shown, ("vector", "feature", 128),
                     (32, 16), (96, 4, 1), depth=2, mlp_width=192, scan=False),
        optimizer=c.adamw(2e-3, weight_decay=0.05, warmup_steps=100),
        evaluators=[search("new_concepts", emoji(f"{half}_concepts"), "vector", *shown)],
    )  # fmt: skip


def latents() -> dict:
    """Eight generated modalities of one latent, 4 tokens each; 3 of a teacher who sees it."""
    slots = {f"m{i}": (4, 64) for i in range(8)} | {"teacher": (3, 48)}
    shown = {"one": CLEAN[:1], "three": CLEAN, "one_noisy": NOISY[:1], "three_noisy": NOISY}
    data = c.data(dict(type="tokenised_latents", senses=8), 64)
    return c.recipe(
        PAPER,
        steps=2000,
        **any_to_any(data, slots, shown, ("teacher", "teacher", 6), (8, 8), (32, 4, 1),
                     length=12, depth=2, mlp_width=64, scan=False),
        optimizer=c.adamw(3e-3, weight_decay=0.05, warmup_steps=100),
        evaluators=[search("test", c.held_out(examples=500), "teacher", *shown)],
        log_every=500,
    )  # fmt: skip


def paper() -> dict:
    """4M-21 B: 12 + 12 layers over tokens that the released tokenisers have written to files."""
    codes = dict.fromkeys(("depth", "normals", "clip", "sam_edges", "canny_edges"), 8_192)
    slots = {name: (196, own) for name, own in (codes | {"rgb": 16_384, "semantic": 4_096}).items()}
    slots |= dict.fromkeys(("dinov2", "imagebind"), (256, 8_192))
    slots |= dict.fromkeys(("dinov2_global", "imagebind_global"), (16, 8_192))
    slots["caption"] = (256, 30_000)
    train, val = (c.manifest(f"data/cc12m/{split}.csv", None, slots="tokens", dinov2="dinov2")
                  for split in ("train", "val"))  # fmt: skip
    shown = {"rgb": ("rgb",), "caption": ("caption",), "both": ("rgb", "caption")}
    return c.recipe(
        PAPER,
        steps=240_000,  # 500 B tokens of inputs and targets
        **any_to_any(c.data(train, 4096, workers=32), slots, shown,
                     ("dinov2", "dinov2_global", 768), (256, 256), (768, 12, 12),
                     (0.01, 0.1, 1.0, 10.0), length=512, depth=12, remat="dots_no_batch"),
        optimizer=c.adamw(1.6e-3, weight_decay=0.05, b2=0.95, warmup_steps=4_800),
        evaluators=[search("cc12m", val, "dinov2", *shown)],
        checkpoints={"every": 10_000},
    )  # fmt: skip


get_config = c.variants("four_m_21", small, latents, paper)
