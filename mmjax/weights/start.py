"""`model.towers.<m>.init_from`: starts a run from pretrained weights.

    "image": {"init_from": "weights/clip-vit-base-patch32"}

takes encoder and head from the folder's config and their parameters from its tensors. As a dict it
says more: `path`; `part`, which tower of the folder (by default the modality of that name, or the
only one); `head`, whether its projection is taken too (by default unless the recipe gives a head);
and `scale`, the objective term whose temperature (and bias) start from the folder's logit scale.

An encoder that the recipe gives without `type` changes single options of the folder's, such as
`image_size`; with `type` it is taken as it stands, and where there is a `head` too, the folder is
read only when training starts, so that a run's own config needs no folder. (An `audio_transformer`
without a `spectrogram` takes that, and all that is left out, from the folder of an AST.) A run that
resumes from a checkpoint reads none of this.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mmjax.errors import ConfigError
from mmjax.model.config import ModelConfig
from mmjax.objectives import ObjectiveConfig
from mmjax.objectives.temperature import LOG_SCALE
from mmjax.weights import foreign
from mmjax.weights.files import WeightsError, is_foreign

logger = logging.getLogger("mmjax")
KEYS = {"path": str, "part": str, "head": bool, "scale": str}


def complete(tower: Mapping[str, Any], modality: str, where: str, file: str) -> dict[str, Any]:
    """A tower of a recipe with `init_from`, its encoder and head filled in from the folder.

    Args:
      tower: the recipe's section, with `init_from`.
      modality: the tower's name.
      where: path of the section in the config.
      file: the recipe's file.

    Returns:
      The section with `init_from` as a whole dict, specs of encoder and head, and what else it has.

    Raises:
      ConfigError: for keys of `init_from` that cannot be.
      WeightsError: when the folder is needed and cannot be read.
    """
    given = tower["init_from"]
    given = {"path": given} if isinstance(given, str) else given
    if not isinstance(given, Mapping) or "path" not in given:
        raise ConfigError(
            f"{file}: '{where}.init_from' should be the path of a folder, or a dict with 'path'"
        )
    for key, value in given.items():
        if key not in KEYS or not (value is None or isinstance(value, KEYS[key])):
            raise ConfigError(
                f"{file}: '{where}.init_from.{key}'={value!r} is not understood (valid: path, "
                "part, scale as texts; head as True or False)"
            )
    init = {
        "path": given["path"],
        "part": given.get("part"),
        "head": given.get("head"),
        "scale": given.get("scale"),
    }
    if init["head"] is None:
        init["head"] = "head" not in tower
    encoder = dict(tower.get("encoder", {}))
    head = tower.get("head")
    # On waveforms: how they become spectrograms is the folder's to say.
    of_waves = encoder.get("type") == "audio_transformer" and "spectrogram" not in encoder
    if "type" not in encoder or of_waves or (init["head"] and head is None):
        weights = foreign.Weights(init["path"])
        init["part"] = init["part"] or which(weights, modality)
        native = foreign.complete(weights.part(init["part"], encoder.get("type")))
        if "type" not in encoder or of_waves:
            encoder = {**native.encoder.plain(), **encoder}
        if init["head"] and head is None:
            head = native.head.plain()
    return {**tower, "init_from": init, "encoder": encoder, "head": head or {"type": "none"}}


def which(weights: foreign.Weights, modality: str) -> str:
    """The part of a folder for a tower: of the same name, or the only one."""
    if modality not in weights.modalities and len(weights.modalities) == 1:
        return weights.modalities[0]
    return modality


class Pretrained:
    """The pretrained weights that a run starts from, checked but not read.

    Args:
      model: the towers, of which some say what they start from.
      objectives: the terms, whose temperature may start from a folder's.
      variables: path -> something with `.shape`, of all variables of the System.
      teacher: folder that the teacher's arrays come from, or None.

    Attributes:
      lines: for the log, what each tower takes.
      folders: tower -> where its weights are from, and options that the recipe has otherwise; and
        `teacher` -> the same, of a teacher from foreign weights.

    Raises:
      WeightsError: for folders that cannot be read or do not fit, naming options or tensors.
    """

    def __init__(
        self,
        model: ModelConfig,
        objectives: Mapping[str, ObjectiveConfig],
        variables: Mapping[str, Any],
        teacher: str | None = None,
    ):
        self._sources: dict[str, tuple[foreign.Loaded, str]] = {}
        self._scalars: dict[str, float] = {}
        self.lines: list[str] = []
        self.folders: dict[str, tuple[foreign.Weights, list[str]]] = {}
        for name, tower in model.towers.items():
            init = tower.init_from
            if init is None:
                continue
            weights = foreign.Weights(init.path)
            part = init.part or which(weights, name)
            loaded = weights.tower(part, tower.encoder, head=bool(init.head))
            self.folders[name] = weights, loaded.changes()
            before = f"towers/{name}/"
            for path in loaded:
                full = before + path
                if full not in variables:
                    raise WeightsError(
                        f"model.towers.{name}: {init.path} has {path!r}, and the head of the "
                        "recipe does not: leave 'head' out, or set init_from.head=False"
                    )
                self._sources[full] = (loaded, path)
            self.lines.append(
                f"{name}: {len(loaded)} parameters of the {part} tower of {init.path} "
                f"({weights.family})" + (f"; {len(loaded.aside)} set aside" if loaded.aside else "")
            )
            self.lines += [f"  {sentence}" for sentence in loaded.aside]
            own = [p for p in variables if p.startswith(before) and p not in self._sources]
            self.lines += [f"  reinitialized: {path}" for path in own]
            if init.scale is not None:
                self._scale(weights, init.scale, objectives, variables, name)
        if teacher is not None and is_foreign(teacher):
            self.folders["teacher"] = foreign.Weights(teacher), []

    def _scale(
        self,
        weights: foreign.Weights,
        term: str,
        objectives: Mapping[str, ObjectiveConfig],
        variables: Mapping[str, Any],
        tower: str,
    ) -> None:
        where = f"model.towers.{tower}.init_from.scale"
        if term not in objectives:
            raise WeightsError(f"{where}={term!r} is none of the objectives {sorted(objectives)}")
        log_scale, bias = weights.scale_and_bias()
        if log_scale is None:
            raise WeightsError(f"{where}: {weights.folder.path} has no logit scale")
        path = f"objectives/terms/{term}/{LOG_SCALE}"
        if path not in variables:
            raise WeightsError(f"{where}: the term {term!r} learns no temperature")
        options = objectives[term].term.options
        for bound, sign in (("min_scale", -1), ("max_scale", 1)):
            value = options.get(bound)
            if value is not None and sign * (log_scale - math.log(value)) > 1e-4:
                raise WeightsError(
                    f"{where}: the folder's scale is {math.exp(log_scale):g}, and {bound}={value}"
                )
        self._scalars[path] = log_scale
        path = f"objectives/terms/{term}/bias"
        if bias is not None and path in variables:
            self._scalars[path] = bias
        self.lines.append(
            f"objectives.{term}: scale {math.exp(log_scale):.6g}"
            + (f", bias {bias:.6g}" if path in self._scalars else "")
        )

    def __bool__(self) -> bool:
        return bool(self._sources)

    def into(self, arrays: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """`arrays`, path -> array, with those from folders in their place and layout.

        One parameter at a time is in host memory, and of it a device gets its own part.
        """
        new = dict(arrays)
        for path, old in arrays.items():
            if path in self._sources:
                loaded, own = self._sources[path]
                value = loaded[own]
            elif path in self._scalars:
                value = np.asarray(self._scalars[path], np.float32)
            else:
                continue
            new[path] = place(value, old, path)
        return new


def place(value: np.ndarray, like: jax.Array, path: str) -> jax.Array:
    """A host array in the type and layout of another array."""
    if value.shape != like.shape:
        raise WeightsError(
            f"{path} is {list(like.shape)} in the recipe and {list(value.shape)} in the folder"
        )
    value = np.asarray(value, like.dtype)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: value[index])
