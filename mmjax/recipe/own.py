"""What another run takes from the recipe of a run, or of an export, of this package."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmjax.data.tokenizers import EMBEDDED
from mmjax.model.outputs import by_output
from mmjax.objectives import ObjectiveConfig, Term
from mmjax.recipe.sections import Recipe
from mmjax.weights.files import OWN_CONFIG, Folder, WeightsError
from mmjax.weights.own import OwnWeights
from mmjax.weights.preprocessing import Specs


def weights(
    recipe: Recipe,
    path: str,
    log_scale: float | None = None,
    bias: float | None = None,
    arrays: Mapping[str, Any] | None = None,
) -> OwnWeights:
    """The towers of a run or an export, with the views and the tokenizer of its recipe.

    Args:
      recipe: of its last stage, whole.
      path: the folder.
      log_scale: of its logits, where it is known.
      bias: likewise.
      arrays: path -> array, of all variables; None where only the config is asked for.
    """
    recipe = with_tokenizer(recipe, Folder(path))
    data, towers = recipe.data, recipe.model.towers
    of_towers = by_output(recipe.outputs, data.views)
    views = {name: of_towers[name].view.plain() for name in towers if name in of_towers}
    tokenizer = None if data.tokenizer is None else data.tokenizer.plain()
    term = next((each for each in recipe.objectives.values() if gives_logits(each)), None)
    return OwnWeights(
        path,
        towers,
        Specs(views, tokenizer),
        arrays or {},
        log_scale,
        bias,
        has_bias=term is not None and "bias" in term.term.options,
        scale_comes_late=term is not None and log_scale is None,
    )


def gives_logits(objective: ObjectiveConfig) -> bool:
    """Whether a term's scores are those of the model, a scale times cosines."""
    return getattr(objective.term.word, "logit_scale", Term.logit_scale) is not Term.logit_scale


def with_tokenizer(recipe: Recipe, folder: Folder) -> Recipe:
    """`recipe` with the tokenizer's file that lies in the folder of its run or export.

    Raises:
      WeightsError: for an export without it, of which no file outside is read.
    """
    spec = recipe.data.tokenizer
    path = None if spec is None else spec.options.get("path")
    if spec is None or path is None:
        return recipe
    for name in ("tokenizer.model", "tokenizer.json", tokenizer_copy(path)):
        file = folder.file(name)
        if file is not None:
            data = dataclasses.replace(recipe.data, tokenizer=spec.changed(path=str(file)))
            return dataclasses.replace(recipe, data=data)
    if path in EMBEDDED or folder.file(OWN_CONFIG) is None:
        return recipe
    raise WeightsError(
        f"{folder.path / OWN_CONFIG} names the tokenizer {path!r}, which is not in the folder: "
        "paths out of it are not followed"
    )


def tokenizer_copy(path: str) -> str:
    """The name in a run or an export of a tokenizer's file that has no form of its own there."""
    return f"tokenizer{Path(path).suffix}"
