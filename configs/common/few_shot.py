"""A frozen CLIP that is adapted to a few images of some classes, and tested on these and others."""

import dataclasses
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
from mmjax.data.synthetic import digit_domains, token_classes

TEMPERATURE = 0.05  # of the small recipes
FROZEN = ("towers/.*/(encoder|head)/.*",)
SIZE = dict(width=64, depth=4, heads=4)


@dataclasses.dataclass(frozen=True)
class Domains:
    """Named classes to pretrain on, and another domain with base and novel ones.

    Attributes:
      source: with the splits 'pretrain', 'train' (base classes) and 'test' (all).
      words: of its texts.
      length: of these, in tokens.
      view: of its images.
      encoder: of these, but for the sizes.
      base, novel: the classes of the other domain.
      steps: of pretraining.
    """

    source: str
    words: tuple[str, ...]
    length: int
    view: Mapping[str, Any]
    encoder: Mapping[str, Any]
    base: tuple[int, ...]
    novel: tuple[int, ...]
    steps: int

    @property
    def groups(self) -> dict:
        """Of classes that are told among themselves."""
        return {"base": self.base, "novel": self.novel}


GENERATED = Domains(
    "token_classes",
    token_classes.WORDS,
    12,
    dict(type="sequence", length=token_classes.TOKENS, dim=token_classes.DIM),
    dict(
        type="signal_transformer", channels=token_classes.DIM, length=token_classes.TOKENS, patch=1
    ),
    token_classes.BASE,
    token_classes.NOVEL,
    400,
)
DIGITS = Domains(
    "digit_domains",
    digit_domains.WORDS,
    8,
    dict(type="pixels", size=8, channels=1, peak=1.0, shift=1),
    dict(type="vit", image_size=(8, 8), channels=1, patch=2),
    digit_domains.BASE,
    digit_domains.NOVEL,
    800,
)


def new_classes(
    paper: str,
    domains: Domains,
    evaluators: list[dict],
    *,
    objectives: Mapping[str, Any],
    **adapt: Any,
) -> dict:
    """A CLIP that is pretrained on one domain, and adapted to base classes of another by 8 images.

    There are 2,000 generated classes before, and then 20 base classes and as many novel ones; or
    the same ten digits before and then, five of which are base classes. The gallery `classes` has
    the names of the base classes. `zero_shot/test` tells each group among itself, and does so
    before, too: `pretrain/zero_shot/test/novel/top_1`.

    Args:
      paper: citation.
      domains: `GENERATED` or `DIGITS`.
      evaluators: of the stage `adapt`, beside that one.
      objectives: of the stage.
      **adapt: further keys of the stage.
    """
    text = tiny_text(domains.words, length=domains.length, **SIZE, bos=True, eos=True)
    text.encoder.update(causal=True, pool="eot", init="clip")
    names = dict(source=held_out("train"), view="text", by="label", size=len(domains.base))
    stage = {
        "name": "adapt",
        "steps": 250,
        "data": {
            "source": {"split": "train"},
            "views": {"text": {"train": False}},
            "galleries": {"classes": names},
            "batch_size": 32,
        },
        "evaluators": measured(evaluators),
        "objectives": {"clip": None, **objectives},
    }
    fixed = dict(type="info_nce", temperature=TEMPERATURE, learn_temperature=False)
    views = dict(image=dict(domains.view), text=text.view)
    return recipe(
        paper,
        steps=domains.steps,
        data=data(domains.source, 128, text.tokenizer, **views, label=LABEL),
        towers=towers(
            linear_head(48), image={**domains.encoder, "pool": "cls", **SIZE}, text=text.encoder
        ),
        objectives={"clip": fixed},
        optimizer=adamw(1e-3, warmup_steps=20),
        evaluators=[zero_shot("test", labels="text", groups=domains.groups)],
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
