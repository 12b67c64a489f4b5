"""`weights`: a folder of pretrained weights that completes what a recipe leaves out.

    {"weights": "weights/clip-vit-base-patch32",
     "data": {"source": {"type": "folder", "path": "pictures"}, "batch_size": 64},
     "optimizer": {"learning_rate": 1e-5}, "steps": 500, ...}

The folder has foreign weights (`mmjax.weights`), or is a run or an export of this package. It says

* the towers (`model.towers.<m>.init_from`), except for those that the recipe gives the `type` of an
  encoder, an `init_from` of their own, or None, which leaves one out;
* their views, and the tokenizer; what the recipe says of a view changes single options;
* the loss, where the recipe has none: `sigmoid` for weights with a logit bias, else `info_nce`;
* temperature and bias of the term that gives the logits, where the recipe leaves them out;
* that a frozen encoder encodes as in evaluation (`deterministic`), in training too;
* which towers are compared, where terms and evaluators would by default compare image and text.

The size of an image, or the length of a text, that the recipe gives the view is that of the
encoder, too, and the other way round; positions are interpolated. All of it stands in the completed
recipe, which needs the folder no more than any `init_from` does.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.errors import ConfigError
from mmjax.evaluators import EVALUATORS
from mmjax.objectives import TERMS, Term
from mmjax.schema.names import views_of
from mmjax.schema.registry import Registry
from mmjax.weights.foreign import Weights, complete, tower_shapes
from mmjax.weights.start import Open

# Options of a view and of an encoder that mean the same.
_SIZES = {"size": "image_size", "length": "length"}
_DEFAULT_PAIR = ("image", "text")
Pairs = tuple[tuple[str, str], ...]


def spelled_out(keys: Mapping[str, Any], open: Open, file: str) -> dict[str, Any]:
    """A recipe's plain keys without `weights`, and with what it completes.

    Args:
      keys: of the recipe.
      open: what opens the folder.
      file: of the recipe, for messages.

    Raises:
      ConfigError: when the folder cannot be read, or does not say how an input is prepared.
    """
    keys = dict(keys)
    path = keys.pop("weights", None)
    if path is None:
        return keys
    if not isinstance(path, str):
        raise ConfigError(f"{file}: 'weights' should be the path of a folder, but is {path!r}")
    try:
        weights = open(path)
    except ConfigError as error:
        raise ConfigError(f"{file}: 'weights': {error}") from error
    model, data = (dict(keys.get(section) or {}) for section in ("model", "data"))
    towers, views = dict(model.get("towers") or {}), dict(data.get("views") or {})
    taken = [name for name in weights.modalities if _from_folder(towers, name)]
    prepared = weights.specs(*taken) if taken else None
    for name in taken:
        assert prepared is not None
        tower = dict(towers.get(name) or {})
        encoder, view = dict(tower.get("encoder") or {}), prepared.views.get(name)
        native = weights.part(name).encoder
        names = list(dict.fromkeys([name, *views_of(name, views)]))
        for own in names:
            views[own] = _view(views.get(own), view, f"data.views.{own}", path, file)
        _match_sizes(encoder, views[name], view or {}, native)
        if native["type"] == "text_transformer" and data.get("tokenizer") is None:
            data["tokenizer"] = prepared.tokenizer
            if prepared.pad_id is not None:
                encoder.setdefault("pad_id", prepared.pad_id)
        # Of a frozen encoder statistics of batches are as they were, too.
        if _is_frozen(weights, name, (keys.get("optimizer") or {}).get("freeze") or ()):
            tower = {"deterministic": tuple(names), **tower}
        towers[name] = {"init_from": {"path": path, "part": name}, **tower, "encoder": encoder}
    objectives = dict(keys.get("objectives") or _objectives(weights))
    scaled = _temperature(objectives, weights)
    if scaled is not None and taken:
        towers[taken[0]]["init_from"] = {**towers[taken[0]]["init_from"], "scale": scaled}
    pairs = tuple(itertools.combinations((name for name in towers if towers[name]), 2))
    evaluators = {
        kind: {name: _paired(spec, EVALUATORS, kind, pairs) for name, spec in named.items()}
        if isinstance(named, Mapping)
        else named
        for kind, named in (keys.get("evaluators") or {}).items()
    }
    return {
        **keys,
        "model": {**model, "towers": towers},
        "data": {**data, "views": views},
        "objectives": {
            name: _paired(term, TERMS, (term or {}).get("type"), pairs)
            for name, term in objectives.items()
        },
        "evaluators": evaluators,
    }


def _from_folder(towers: Mapping[str, Any], name: str) -> bool:
    """Whether a tower is the folder's."""
    if name not in towers:
        return True
    own = towers[name]
    return (
        isinstance(own, Mapping)
        and own.get("init_from") is None
        and "type" not in (own.get("encoder") or {})
    )


def _is_frozen(weights: Weights, name: str, patterns: Sequence[str]) -> bool:
    """Whether patterns of `optimizer.freeze` match every parameter of an encoder."""
    if not patterns:
        return False
    tower = complete(weights.part(name))
    paths = [f"towers/{name}/{path}" for path in tower_shapes(tower.encoder, tower.head)]
    return all(
        any(re.fullmatch(pattern, path) for pattern in patterns)
        for path in paths
        if path.startswith(f"towers/{name}/encoder/")
    )


def _view(given: Any, theirs: Mapping[str, Any] | None, where: str, path: str, file: str) -> Any:
    """A view of the recipe, completed by the folder's."""
    if (
        isinstance(given, Mapping)
        and "type" in given
        and given["type"] != (theirs or {}).get("type")
    ):
        return given
    if theirs is None:
        raise ConfigError(
            f"{file}: {path} does not say how its input is prepared (there is no "
            f"preprocessor_config.json or tokenizer.json for it): give the whole {where!r}"
        )
    return {**theirs, **(given or {})}


def _match_sizes(
    encoder: dict[str, Any], view: Any, theirs: Mapping[str, Any], native: Mapping[str, Any]
) -> None:
    """Gives the encoder the size of the view, or the view that of the encoder, in place."""
    for of_view, of_encoder in _SIZES.items():
        if of_view not in theirs or of_encoder not in native:
            continue
        if of_encoder not in encoder and view[of_view] != theirs[of_view]:
            size = view[of_view]
            paired = isinstance(native[of_encoder], tuple) and isinstance(size, int)
            encoder[of_encoder] = (size, size) if paired else size
        elif of_encoder in encoder and view[of_view] == theirs[of_view]:
            view[of_view] = encoder[of_encoder]


def _objectives(weights: Weights) -> dict[str, Any]:
    """The loss that the folder's logits are of."""
    kind = "sigmoid" if weights.has_bias else "info_nce"
    return {kind: {"type": kind}}


def _paired(spec: Any, words: Registry[Any], kind: Any, pairs: Pairs) -> Any:
    """A term or an evaluator that compares the towers that there are."""
    if not isinstance(spec, Mapping) or kind not in words or not pairs:
        return spec
    options = {key: default for key, (_, default) in words.options(kind).items()}
    meant = {"pairs": (_DEFAULT_PAIR,), "pair": _DEFAULT_PAIR}
    values = {"pairs": pairs, "pair": pairs[0]}
    left_out = [key for key in meant if options.get(key) == meant[key] and key not in spec]
    return {**spec, **{key: values[key] for key in left_out}}


def _temperature(objectives: dict[str, Any], weights: Weights) -> str | None:
    """Gives the term of the logits the folder's temperature and bias, in place.

    Returns:
      The name of the term, where the folder's are only known when training starts.
    """
    name = next((name for name, term in objectives.items() if _gives_logits(term)), None)
    if name is None:
        return None
    term = objectives[name]
    options, (log_scale, bias) = TERMS.options(term["type"]), weights.scale_and_bias()
    if "temperature" in term or "temperature" not in options:
        return None
    if log_scale is None:
        late = weights.scale_comes_late and term.get("learn_temperature", True)
        return name if late else None
    found = {"temperature": math.exp(-log_scale)}
    bound = options.get("max_scale", (None, None))[1]
    if bound is not None and log_scale > math.log(bound) + 1e-6:
        found["max_scale"] = math.exp(log_scale)
    if bias is not None and "bias" in options:
        found["bias"] = bias
    objectives[name] = {**found, **term}
    return None


def _gives_logits(term: Any) -> bool:
    """Whether scores of a term are those of the model, as `Term.logit_scale` says."""
    word = TERMS.get(str(term.get("type"))) if isinstance(term, Mapping) else None
    return getattr(word, "logit_scale", Term.logit_scale) is not Term.logit_scale
