"""A model ready for use, of an export or of foreign weights; of runs: `mmjax.train.runs`."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax import recipe as recipe_lib
from mmjax.data import inputs
from mmjax.data.config import DataConfig
from mmjax.data.views import FusedView, ImagePatchesView, ImageView
from mmjax.data.views.image_libraries import Preprocessing
from mmjax.errors import ConfigError
from mmjax.files import writing
from mmjax.model import adapters
from mmjax.model.config import ModelConfig, TowerConfig
from mmjax.model.definition import Definition
from mmjax.objectives import ObjectiveConfig
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import Recipe
from mmjax.recipe.own import tokenizer_copy, with_tokenizer
from mmjax.schema.values import describe as describe_type
from mmjax.schema.values import fits
from mmjax.system.system import System
from mmjax.weights import foreign
from mmjax.weights.files import OWN_CONFIG, Folder, WeightsError

# The keys of an export's `mmjax.json`, as `describe` gives them.
_IMAGES = (ImageView, ImagePatchesView)
_OWN = {"config": dict, "log_scale": float | None, "bias": float | None, "about": dict}
# Of the computation.
Dtype = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Towers with their parameters, the views that make their inputs, and metadata.

    Attributes:
      towers: modality -> encoder and head.
      definition: structure of the System.
      arrays: path -> array, all of the System's variables.
      mesh: that they lie on.
      views: modality -> view, called with `train=False`; of a fusion, a `FusedView`.
      log_scale: logarithm of the logit scale, None where there is none.
      bias: of the logits, or None.
      recipe: of a run; None for foreign weights.
      about: what a model card says: `source`, `step`, `metrics`.
    """

    towers: Mapping[str, TowerConfig]
    definition: Definition[System]
    arrays: dict[str, jax.Array]
    mesh: jax.sharding.Mesh
    views: Mapping[str, Callable[..., Any]]
    log_scale: float | None
    bias: float | None
    recipe: Recipe | None = None
    about: dict[str, Any] = dataclasses.field(default_factory=dict)

    def prepared(self, preprocessing: Preprocessing) -> Bundle:
        """The same, with images resized, cut and normalized as a library does.

        Raises:
          ConfigError: for a model without a view of images, or with one that it has no words for.
        """
        images = {m: v for m, v in self.views.items() if isinstance(v, _IMAGES)}
        if not images:
            raise ConfigError(
                f"preprocessing={preprocessing!r} is for images; the model has views of "
                f"{', '.join(self.views) or 'nothing'}"
            )
        changed = {
            m: dataclasses.replace(v, preprocessing=preprocessing) for m, v in images.items()
        }
        views = {**self.views, **changed}
        views |= {m: v.renewed(views) for m, v in views.items() if isinstance(v, FusedView)}
        return dataclasses.replace(self, views=views)

    def below(self, modality: str) -> dict[str, np.ndarray]:
        """The parameters of a tower by path below it, on the host."""
        before = f"towers/{modality}/"
        found = {p: a for p, a in self.arrays.items() if p.startswith(before)}
        return {p.removeprefix(before): np.asarray(a) for p, a in found.items()}


def load(path: str | Path, *, dtype: Dtype | None = None) -> Bundle:
    """Loads an export of `--format=safetensors`, or foreign weights.

    Args:
      path: the folder.
      dtype: of the computation, `float32` or `bfloat16`; float32 by default.

    Raises:
      ConfigError: when the folder holds nothing that can be loaded.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() and (own := Folder(folder)).file(OWN_CONFIG) is not None:
        return _export(own, dtype or "float32")
    return of_weights(foreign.Weights(str(folder)), dtype or "float32")


def scale_of(
    definition: Definition[System], arrays: Mapping[str, jax.Array]
) -> tuple[float | None, float | None]:
    """The logarithm of the logit scale, and the bias, of the first term that has them."""
    found = definition.merge(arrays).objectives.logit_scale()
    if found is None:
        return None, None
    return float(found[0]), None if found[1] is None else float(found[1])


def _export(folder: Folder, dtype: str) -> Bundle:
    own = folder.json(OWN_CONFIG) or {}
    file = folder.path / OWN_CONFIG
    for key, kind in _OWN.items():
        if not fits(own.get(key), kind):
            raise WeightsError(f"{file} is damaged: {key!r} should be {describe_type(kind)}")
    recipe = recipe_lib.of_json(own["config"], str(file))
    towers = {
        name: dataclasses.replace(tower, init_from=None)
        for name, tower in recipe.model.towers.items()
    }
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, towers=towers))
    return _assemble(
        recipe.model,
        recipe.objectives,
        folder.tensors(),
        recipe.views_of_outputs(inputs.views(with_tokenizer(recipe, folder).data)),
        dtype,
        log_scale=own["log_scale"],
        bias=own["bias"],
        recipe=recipe,
        about=own["about"],
    )


def write_tokenizer(data: DataConfig, views: Mapping[str, Any], folder: Path) -> Path | None:
    """Copies the tokenizer's file into the folder of a run or an export; None where there is none.

    Args:
      data: the recipe's section.
      views: built, with the tokenizer that has been read.
      folder: that the file goes to.

    Raises:
      WriteError: when there is no room, or no permission.
    """
    own: Any = next((t for v in views.values() if (t := getattr(v, "tokenizer", None))), None)
    path = None if data.tokenizer is None else data.tokenizer.options.get("path")
    with writing(folder / "tokenizer"):
        if isinstance(getattr(own, "model", None), bytes):
            file = folder / "tokenizer.model"
            file.write_bytes(own.model)
        elif isinstance(getattr(own, "text", None), str):
            file = folder / "tokenizer.json"
            file.write_text(own.text, encoding="utf-8")
        elif own is not None and path is not None:
            file = folder / tokenizer_copy(path)
            shutil.copyfile(Path(path).expanduser(), file)
        else:
            return None
    return file


def of_weights(
    weights: foreign.Weights, dtype: str = "float32", devices: list[jax.Device] | None = None
) -> Bundle:
    """All towers of foreign weights.

    Args:
      weights: of a folder.
      dtype: of the computation.
      devices: that they lie on; all by default.
    """
    towers: dict[str, TowerConfig] = {}
    arrays: dict[str, np.ndarray] = {}
    for modality in weights.modalities:
        loaded = weights.tower(modality)
        towers[modality] = foreign.complete(loaded.part)
        arrays |= {f"towers/{modality}/{path}": loaded[path] for path in loaded}
    log_scale, bias = weights.scale_and_bias()
    return _assemble(
        ModelConfig(towers),
        {},
        arrays,
        weights.specs().build(str(weights.folder.path)),
        dtype,
        devices,
        log_scale=log_scale,
        bias=bias,
        about={"source": f"{weights.family} weights in {weights.folder.path.name}"},
    )


def merged(bundle: Bundle) -> Bundle:
    """`bundle` with its low-rank updates in the kernels that they update.

    Raises:
      WeightsError: for other adapters, which are no part of the towers.
    """
    recipe = bundle.recipe
    if recipe is None or not recipe.model.adapters:
        return bundle
    left, arrays = adapters.merge_updates(recipe.model.adapters, bundle.arrays)
    if left:
        raise WeightsError(
            f"the model has {', '.join(left)}: prompts are no part of its towers, and other "
            "libraries have no place for them; --format=safetensors and --format=stablehlo do"
        )
    dtype = "float32" if recipe.model.dtype == "auto" else recipe.model.dtype
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, adapters={}))
    return _assemble(
        recipe.model,
        recipe.objectives,
        arrays,
        bundle.views,
        dtype,
        log_scale=bundle.log_scale,
        bias=bundle.bias,
        recipe=recipe,
        about=bundle.about,
    )


def _assemble(
    model: ModelConfig,
    objectives: Mapping[str, ObjectiveConfig],
    tensors: Mapping[str, Any],
    views: Mapping[str, Callable[..., np.ndarray]],
    dtype: str,
    devices: list[jax.Device] | None = None,
    **rest: Any,
) -> Bundle:
    def make() -> System:
        return System(model, objectives, dtype=jnp.dtype(dtype), rngs=nnx.Rngs(0))

    definition, mesh = Definition.of(make), mesh_lib.make_mesh(devices=devices)
    wanted = definition.variables
    if set(wanted) != set(tensors):
        raise WeightsError(
            f"parameters do not fit the config: missing {sorted(set(wanted) - set(tensors))[:8]}, "
            f"left over {sorted(set(tensors) - set(wanted))[:8]}"
        )
    everywhere = mesh_lib.replicated(mesh)
    arrays = {}
    for path, (_, variable) in wanted.items():
        value = np.asarray(tensors[path])
        if value.shape != variable.shape:
            raise WeightsError(f"{path} is {value.shape}, but {variable.shape} by the config")
        arrays[path] = jax.device_put(value.astype(variable.dtype), everywhere)
    return Bundle(model.towers, definition, arrays, mesh, views, **rest)


def describe(bundle: Bundle) -> dict[str, Any]:
    """What `mmjax.json` of an export of a run says, beside the tensors."""
    assert bundle.recipe is not None, "foreign weights are not described"
    return {
        "config": json.loads(recipe_lib.dump(bundle.recipe)),
        "log_scale": bundle.log_scale,
        "bias": bundle.bias,
        "about": bundle.about,
    }
