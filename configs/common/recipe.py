"""Builds a recipe from its parts; the small recipe on the emoji in the package."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from mmjax.configs.common.data import data as data_section
from mmjax.configs.common.data import image
from mmjax.configs.common.evaluators import geometry, retrieval, zero_shot
from mmjax.configs.common.optimizers import adamw
from mmjax.configs.common.towers import linear_head, tiny_resnet, tiny_text, towers
from mmjax.recipe.changes import Replace, merge


def variants(
    name: str, *functions: Callable[[], dict], **more: Callable[[], dict]
) -> Callable[..., ConfigDict]:
    """`get_config` of a recipe; its attribute `variants` lists the variants.

    Args:
      name: of the recipe, as its file.
      *functions: one per variant, with the name of the variant; the first is the default.
      **more: further variants.
    """
    table = {function.__name__: function for function in functions} | more

    def get_config(variant: str = functions[0].__name__) -> ConfigDict:
        return ConfigDict({"recipe": name, "variant": variant, **table[variant]()})

    get_config.variants = tuple(table)
    return get_config


def recipe(
    paper: str,
    *,
    steps: int,
    data: Mapping[str, Any],
    towers: Mapping[str, Any],
    objectives: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, Any] | None = None,
    evaluators: Iterable[Mapping[str, Mapping[str, Any]]] = (),
    fusions: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict:
    """A config from its parts; `more` are further sections, such as `teacher` and `stages`.

    With `steps=0`, which only evaluates, there are neither objectives nor an optimizer.
    """
    training = {"objectives": objectives, "optimizer": optimizer}
    return {
        "paper": paper,
        "steps": steps,
        "data": data,
        "model": {"towers": towers, **({} if fusions is None else {"fusions": fusions})},
        **{key: value for key, value in training.items() if value is not None},
        "evaluators": measured(evaluators),
        **more,
    }


def stage(
    name: str,
    steps: int,
    *,
    without: Iterable[str] = (),
    idle: Iterable[str] = (),
    data: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict:
    """A stage without some terms and views; a tower none of whose views trains stays as it is.

    Args:
      name: of the stage.
      steps: of its training.
      without: names of terms.
      idle: views that only evaluators read.
      data: further changes of the data.
      **changes: of other sections.
    """
    views = {view: {"train": False} for view in idle}
    return {
        "name": name,
        "steps": steps,
        "data": {"views": views, **(data or {})},
        "objectives": dict.fromkeys(without),
        **changes,
    }


def measured(evaluators: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict:
    """The section `evaluators`."""
    found: dict[str, dict] = {}
    for each in evaluators:
        for kind, named in each.items():
            found.setdefault(kind, {}).update(named)
    return found


def changed(config: Mapping[str, Any], **sections: Any) -> dict:
    """A config with changes, in the form of stages (`mmjax.recipe.changes`).

    Evaluators given as a list, as for `recipe`, replace all others.
    """
    evaluators = sections.get("evaluators", {})
    if not isinstance(evaluators, Mapping):
        sections["evaluators"] = Replace(measured(evaluators))
    return merge(config, sections)


def emoji(paper: str, objectives: Mapping[str, Any], length: int = 16) -> dict:
    """The small variant of recipes for images and text: emoji and their names, minutes.

    Images of the Fluent and Google styles, 64 pixels. Augmentation is weak: emoji are centred,
    colours have a meaning (flags, hearts, fruit), and so do left and right (arrows, hands), so
    there is no flipping. Evaluators: retrieval in an unseen style and of unseen concepts, zero-shot
    classification of groups, and the modality gap, also on training images, because in a new style
    it includes the shift between styles.

    Args:
      paper: citation.
      objectives: of `image` and `text`.
      length: number of tokens.
    """
    crop = dict(crop_scale=(0.8, 1.2), crop_ratio=(0.9, 1.1))
    colours = dict(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05, jitter=0.3)
    view = image(64, **crop, **colours, interpolation="bilinear", cache_decoded=True)
    text = tiny_text("emoji_8k", length, width=128, caption="random")
    train, new_style, new_concepts = (
        dict(type="emoji", split=split)
        for split in ("train", "new_style", "new_style_new_concepts")
    )
    return recipe(
        paper,
        steps=2400,
        data=data_section(train, 128, text.tokenizer, image=view, text=text.view),
        towers=towers(linear_head(256), image=tiny_resnet(64, "patch8", 64), text=text.encoder),
        objectives=objectives,
        optimizer=adamw(
            1e-3,
            # Every word occurs in few batches only.
            learning_rate_rules=(("towers/text/encoder/token", 10.0),),
            weight_decay=0.1,
            warmup_steps=50,
            clip_norm=1.0,
        ),
        evaluators=[
            retrieval("new_style", new_style),
            retrieval("new_concepts", new_concepts),
            zero_shot("group", new_style),
            zero_shot("subgroup", new_style),
            geometry("new_style", new_style),
            geometry("train", train),
        ],
        checkpoints={"every": 600},
    )
