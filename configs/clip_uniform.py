"""It's Not a Modality Gap: Characterizing and Addressing the Contrastive Gap.

Fahim, Murphy and Fyshe 2024, arXiv 2405.18570. CLIP at temperature 0.01 keeps its two modalities
apart on the sphere. Uniformity and alignment terms (CUA, and CUAXU with the cross-modal term) are
to close most of this gap without lowering retrieval. On the latent here they do so at 0.01 only: at
the temperature that is best for retrieval CLIP alone has as small a gap, on emoji a smaller one.

    python -m mmjax.main --config=configs/clip_uniform.py           # emoji
    python -m mmjax.main --config=configs/clip_uniform.py:long      # the same for longer
    python -m mmjax.main --config=configs/clip_uniform.py:latent    # a Gaussian latent, seconds
    python -m mmjax.main --config=configs/clip_uniform.py:paper     # COCO, from CLIP's weights
    python -m mmjax.claims clip_uniform                             # CLIP's gap, on the latent
    python -m mmjax.claims clip_uniform:claim_emoji                 # on emoji

Left out: nothing of the losses; sets of classes are not evaluated.
"""

from functools import partial
from typing import get_args

from mmjax.configs import common as c
from mmjax.data.sets.emoji import Style

PAPER = "Fahim et al. 2024, It's Not a Modality Gap, arXiv 2405.18570"


def objectives(pair: tuple[str, str] = ("image", "text"), temperature: float = 0.01) -> dict:
    """CUAXU: all weights are 1, and the temperature is fixed."""
    fixed = dict(temperature=temperature, learn_temperature=False)
    return {
        "clip": dict(type="info_nce", pairs=(pair,), **fixed),
        "uniformity": dict(type="uniformity", modalities=pair),
        "alignment": dict(type="alignment", pairs=(pair,)),
        "cross_uniformity": dict(type="cross_uniformity", pairs=(pair,)),
    }


def small(new_style: str = "twitter") -> dict:
    """Emoji in all styles but one, and their names, minutes on two CPU cores.

    What is measured is in the style that is left out, `new_style` (`fluent` means both of Fluent's,
    which are one drawing): all concepts, and those that are new, among these and among all. The
    paper's temperature is for fine-tuning; towers trained from scratch learn better at a higher
    one.
    """
    trained = {"styles": tuple(s for s in get_args(Style) if not s.startswith(new_style))}
    measured = {"source": {"styles": (new_style,)}}
    every, new = (
        {"type": "emoji", "split": split, "styles": (new_style,)}
        for split in ("new_style", "new_style_new_concepts")
    )
    both = (("image", "text"), ("text", "image"))
    return c.changed(
        c.emoji(PAPER, objectives(temperature=0.07)),
        data={"source": trained},
        evaluators={
            "retrieval": {
                "new_style": measured,
                "new_concepts": measured,
                "new_among_all": {"source": new, "gallery": every, "pairs": both},
            },
            "zero_shot": {"group": measured, "subgroup": measured},
            "geometry": {"new_style": measured, "train": {"source": trained}},
        },
    )


def long() -> dict:
    """The same for three times as many steps."""
    return c.changed(small(), steps=7200)


def latent() -> dict:
    """Two MLPs see the same Gaussian latent, each with its own noise; 20 epochs."""
    pair, test = ("a", "b"), c.held_out(noise=0.5)
    return c.recipe(
        PAPER,
        steps=1280,
        data=c.data(
            dict(type="gaussian_latent", dim=32), 64, **dict.fromkeys(pair, c.vector(32, noise=0.5))
        ),
        towers=c.towers(**dict.fromkeys(pair, c.mlp(32, (256, 256), 64))),
        objectives=objectives(pair),
        optimizer=c.adamw(1e-3, schedule="constant"),
        evaluators=[c.geometry(source=test, pair=pair), c.retrieval(source=test, pairs=(pair,))],
        log_every=320,
    )


def paper() -> dict:
    """The paper's fine-tuning on COCO captions, 9 epochs of 82,783 images, batch size 64.

    Starts from OpenAI's ViT-B/32, whose weights are a local folder, with new 128-dimensional
    projection heads.
    """
    text = c.causal_text(**c.OPENAI)
    return c.recipe(
        PAPER,
        steps=11_640,
        data=c.data(
            c.coco("train"),
            64,
            text.tokenizer,
            image=c.clip_image(),  # assumed: CLIP's own view, without augmentation
            text=text.view,
            workers=8,
        ),
        towers=c.openai_towers(128, take_head=False),
        objectives=objectives(),
        optimizer=c.adamw(1e-6, weight_decay=0.1, schedule="constant"),
        evaluators=c.coco_evaluators(),
        checkpoints={"every": 1000},
    )


WITHOUT = {f"without_{s}": partial(small, s) for s in ("fluent", "google", "noto_v1", "emojione")}
get_config = c.variants("clip_uniform", small, long, latent, paper, **WITHOUT)
