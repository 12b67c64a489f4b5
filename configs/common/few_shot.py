"""A frozen CLIP that is adapted to a few images of some classes, and tested on these and others."""

from collections.abc import Mapping
from typing import Any

from mmjax.configs.common.data import LABEL, clip_image, data, held_out, manifest
from mmjax.configs.common.evaluators import zero_shot
from mmjax.configs.common.optimizers import adamw
from mmjax.configs.common.recipe import measured, recipe
from mmjax.configs.common.towers import (
    OPENAI,
    causal_text,
    linear_head,
    openai_image,
    pretrained,
    tiny_text,
    towers,
)
from mmjax.data.synthetic.token_classes import BASE, DIM, NOVEL, TOKENS, WORDS

GROUPS = {"base": BASE, "novel": NOVEL}
TEMPERATURE = 0.05  # of the small recipes
FROZEN = ("towers/.*/(encoder|head)/.*",)


def new_classes(
    paper: str, evaluators: list[dict], *, objectives: Mapping[str, Any], **adapt: Any
) -> dict:
    """A CLIP that is pretrained on 2,000 generated classes, and adapted to 20 others of 8 images.

    These are the base classes of another domain; 20 novel ones are of the same domain. The gallery
    `classes` has the names of the base classes. `zero_shot/test` tells each group among itself, and
    does so before, too: `pretrain/zero_shot/test/novel/top_1`.

    Args:
      paper: citation.
      evaluators: of the stage `adapt`, beside that one.
      objectives: of the stage.
      **adapt: further keys of the stage.
    """
    size = dict(width=64, depth=4, heads=4)
    text = tiny_text(WORDS, length=12, **size, bos=True, eos=True)
    text.encoder.update(causal=True, pool="eot", init="clip")
    image = dict(type="signal_transformer", channels=DIM, length=TOKENS, patch=1, pool="cls")
    view = dict(type="sequence", length=TOKENS, dim=DIM)
    gallery = dict(source=held_out("train"), view="text", by="label", size=len(BASE))
    stage = {
        "name": "adapt",
        "steps": 250,
        "data": {
            "source": {"split": "train"},
            "views": {"text": {"train": False}},
            "galleries": {"classes": gallery},
            "batch_size": 32,
        },
        "evaluators": measured(evaluators),
        "objectives": {"clip": None, **objectives},
    }
    fixed = dict(type="info_nce", temperature=TEMPERATURE, learn_temperature=False)
    return recipe(
        paper,
        steps=400,
        data=data("token_classes", 128, text.tokenizer, image=view, text=text.view, label=LABEL),
        towers=towers(linear_head(48), image={**image, **size}, text=text.encoder),
        objectives={"clip": fixed},
        optimizer=adamw(1e-3, warmup_steps=20),
        evaluators=[zero_shot("test", labels="text", groups=GROUPS)],
        stages=({"name": "pretrain"}, {**stage, **adapt}),
    )


def pets(
    paper: str,
    epochs: int,
    adapters: Mapping[str, Any],
    *,
    heads: Mapping[str, Any] | None = None,
    layer: str | Mapping[str, str] = "unit",
    **sections: Any,
) -> dict:
    """CLIP ViT-B/16 on the first 19 classes of Oxford Pets, 16 images each, in batches of 4.

    You need the weights in Hugging Face's format, the images, and tables of file, number and breed:
    of the images to train on, and of the test images of the first 19 classes and of the other 18.

    Args:
      paper: citation.
      epochs: of 76 steps.
      adapters: of the towers.
      heads: further ones of the image tower.
      layer: that base classes are told by.
      **sections: objectives, optimizer and others.
    """
    text, labels = causal_text(**OPENAI), {"label": "number", "breed": "breed"}
    template, size, weights = "a photo of a {}, a type of pet.", 19, "weights/clip-vit-base-patch16"

    def rows(name: str) -> dict:
        return manifest(f"data/oxford_pets/{name}.csv", None, labels, image="file", text="breed")

    image = pretrained(weights, openai_image(16), "image", heads=dict(heads or {}))
    gallery = dict(source={"like": "data.source"}, view="text", by="label", template=template)
    section = data(
        rows("base_16_shots"),
        4,
        text.tokenizer,
        image=clip_image(crop_scale=(0.5, 1.0), flip=0.5),
        text={**text.view, "train": False},
        label=LABEL,
        workers=8,
    )
    config = recipe(
        paper,
        steps=16 * size // 4 * epochs,
        data={**section, "galleries": {"classes": {**gallery, "size": size}}},
        towers=towers(
            linear_head(512), image=image, text=pretrained(weights, text.encoder, "text")
        ),
        evaluators=[
            zero_shot(half, rows(f"test_{half}"), labels="breed", templates=(template,), layer=own)
            for half, own in {"base": layer, "novel": "unit"}.items()
        ],
        mesh=dict(data=1, tensor=-1),  # more devices than rows of a batch split the towers
        **sections,
    )
    config["model"]["adapters"] = dict(adapters)
    return config
