"""`model.towers.<m>.init_from`: starts a run from pretrained weights.

    "image": {"init_from": "weights/clip-vit-base-patch32"}

takes encoder and head from the folder's config and their parameters from its tensors. As a dict it
says more: `path`; `part`, which tower of the folder (by default the modality of that name, or the
only one); `head`, whether its projection is taken too (by default unless the recipe gives a head);
and `scale`, the objective term whose temperature (and bias) start from the folder's logit scale.
The folder may also be a run or an export of this package. `mmjax.recipe.pretrained` completes a
whole recipe from one.

An encoder that the recipe gives without `type` changes single options of the folder's, such as
`image_size`; with `type` it is taken as it stands, and where there is a `head` too, the folder is
read only when training starts, so that a run's own config needs no folder. (An `audio_transformer`
without a `spectrogram` takes that, and all that is left out, from the folder of an AST.) A run that
resumes from a checkpoint reads none of this.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mmjax.data.config import DataConfig
from mmjax.errors import ConfigError
from mmjax.extras import MissingExtra
from mmjax.model.config import ModelConfig
from mmjax.objectives import ObjectiveConfig
from mmjax.objectives.temperature import LOG_SCALE
from mmjax.schema.names import modality_of
from mmjax.weights import foreign
from mmjax.weights.files import WeightsError, is_foreign

logger = logging.getLogger("mmjax")
# Opens a folder; those of this package take more than this layer knows.
Open = Callable[[str], foreign.Weights]
KEYS = {"path": str, "part": str, "head": bool, "scale": str}


def complete(
    tower: Mapping[str, Any], modality: str, where: str, file: str, open: Open = foreign.Weights
) -> dict[str, Any]:
    """A tower of a recipe with `init_from`, its encoder and head filled in from the folder.

    Args:
      tower: the recipe's section, with `init_from`.
      modality: the tower's name.
      where: path of the section in the config.
      file: the recipe's file.
      open: what opens a folder.

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
        weights = open(init["path"])
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
      data: the views, which are compared with those that the weights were trained on; or None.
      open: what opens a folder.

    Attributes:
      lines: for the log, what each tower takes.
      differing: for the log, what the recipe prepares otherwise than the folders say.
      folders: tower -> where its foreign weights are from, and options that the recipe has
        otherwise; and `teacher` -> the same, of a teacher from foreign weights.

    Raises:
      WeightsError: for folders that cannot be read or do not fit, naming options or tensors.
    """

    def __init__(
        self,
        model: ModelConfig,
        objectives: Mapping[str, ObjectiveConfig],
        variables: Mapping[str, Any],
        teacher: str | None = None,
        data: DataConfig | None = None,
        open: Open = foreign.Weights,
    ):
        self._sources: dict[str, tuple[Mapping[str, np.ndarray], str]] = {}
        self._scalars: dict[str, float] = {}
        self.lines: list[str] = []
        self.differing: list[str] = []
        opened: dict[str, foreign.Weights] = {}
        self.folders: dict[str, tuple[foreign.Weights, list[str]]] = {}
        for name, tower in model.towers.items():
            init = tower.init_from
            if init is None:
                continue
            if init.path not in opened:
                opened[init.path] = open(init.path)
            weights = opened[init.path]
            part = init.part or which(weights, name)
            loaded = weights.tower(part, tower.encoder, head=bool(init.head))
            if is_foreign(init.path):
                self.folders[name] = weights, loaded.changes()
            if data is not None:
                own = [view for view in data.views if modality_of(view) == tower.embeds(name)]
                self.differing += differences(data, own, weights, part, tower.encoder.type)
            if tower.encoder.type == "trunk_tokens":
                self._trunk(weights, tower.encoder.options["trunk"], variables)
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
            self.lines += [f"  {sentence}" for sentence in (*loaded.changes(), *loaded.aside)]
            own = [p for p in variables if p.startswith(before) and p not in self._sources]
            self.lines += [f"  reinitialized: {path}" for path in own]
            if init.scale is not None:
                self._scale(weights, init.scale, objectives, variables, name)
        self._codebooks(model)
        if teacher is not None and is_foreign(teacher):
            self.folders["teacher"] = foreign.Weights(teacher), []

    def _trunk(self, weights: foreign.Weights, name: str, variables: Mapping[str, Any]) -> None:
        """The trunk of a tower comes with it, of the same run."""
        before = f"trunks/{name}/"
        if any(path.startswith(before) for path in self._sources):
            return  # with another tower
        for path in variables:
            if path.startswith(before):
                if path not in weights.tensors:
                    raise WeightsError(
                        f"model.trunks.{name}: {weights.folder.path} has no {path!r}: give the "
                        "trunk the options that it has there"
                    )
                self._sources[path] = weights.tensors, path
        self.lines.append(f"trunks/{name}: as in {weights.folder.path}")

    def _codebooks(self, model: ModelConfig) -> None:
        """Codebooks that start as the token vectors of a tower do so as its weights have them."""
        for tower in model.towers.values():
            for head in (tower.head, *tower.heads.values()):
                table = f"towers/{head.options.get('tokens_of')}/encoder/token"
                if table in self._sources:
                    name = f"codebooks/{head.options['codebook']}/table"
                    self._sources[name] = self._sources[table]
                    self.lines.append(f"{name}: as {table}")

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


def differences(
    data: DataConfig, views: Iterable[str], weights: foreign.Weights, part: str, kind: str
) -> Iterator[str]:
    """How a tower's input is prepared otherwise than the folder of its weights says, in sentences.

    Args:
      data: the recipe's section.
      views: names of those that the tower embeds.
      weights: of the folder.
      part: which tower of the folder.
      kind: type of the tower's encoder.
    """
    path = weights.folder.path
    try:
        theirs = weights.specs(part, kind=kind)
    except (WeightsError, MissingExtra) as error:  # of what this recipe may do without
        for view in views:
            yield f"whether data.views.{view} is as {path} says was not checked: {error}"
        return
    for view in views:
        expected = theirs.views.get(part)
        if expected is None:
            continue
        given = data.views[view].view.plain()
        keys = expected if given["type"] == expected["type"] else ["type"]
        said = [
            f"{key}={given[key]!r} where the folder has {expected[key]!r}"
            for key in keys
            if not _same(given.get(key), expected[key])
        ]
        if said:
            yield f"data.views.{view} is not as {path} says: {'; '.join(said)}"
    if theirs.tokenizer is None or theirs.views.get(part, {}).get("type") != "text":
        return
    tokenizer: Mapping[str, Any] = {"type": "none"}
    if data.tokenizer is not None:
        tokenizer = data.tokenizer.plain()
    if not _same_tokenizer(tokenizer, theirs.tokenizer):
        own_name, name = (t.get("path", t["type"]) for t in (tokenizer, theirs.tokenizer))
        yield f"data.tokenizer ({own_name}) is not the tokenizer of {path} ({name})"


def _same(given: Any, expected: Any) -> bool:
    try:  # 224 is (224, 224), and digits of means are left out here and there
        return bool(np.allclose(given, expected, rtol=1e-5))
    except (TypeError, ValueError):
        return bool(given == expected)


def _same_tokenizer(given: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    if given["type"] != expected["type"]:
        return False
    for key, value in expected.items():
        if key == "path" and given[key] != value:
            files = [Path(path).expanduser() for path in (given[key], value)]
            if not all(f.is_file() for f in files) or len({f.read_bytes() for f in files}) > 1:
                return False
        elif key not in ("path", "unk") and given.get(key) != value:
            return False
    return True


def place(value: np.ndarray, like: jax.Array, path: str) -> jax.Array:
    """A host array in the type and layout of another array."""
    if value.shape != like.shape:
        raise WeightsError(
            f"{path} is {list(like.shape)} in the recipe and {list(value.shape)} in the folder"
        )
    value = np.asarray(value, like.dtype)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: value[index])
