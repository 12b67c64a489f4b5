"""A model ready for use, whatever it was saved as: a run, an export, or a foreign folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax import recipe as config_lib
from mmjax.data.tokenizers import EMBEDDED
from mmjax.model import adapters
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.system import Definition, System
from mmjax.weights import foreign, preprocessing
from mmjax.weights.files import Folder, WeightsError

# An export of `--format=safetensors` has this file beside its tensors.
OWN_CONFIG = "mmjax.json"


@dataclass(frozen=True)
class Bundle:
    """Towers with their parameters, the views that make their inputs, and what is known of them.

    Attributes:
      towers: modality -> {encoder: spec, head: spec}, whole.
      definition: structure of the System.
      arrays: path -> array, all of the System's variables.
      mesh: that they lie on.
      views: modality -> view, called with `train=False`.
      log_scale: logarithm of the logit scale, None where there is none.
      bias: of the logits, or None.
      config: the whole config of a run; {} for foreign weights.
      about: what a model card says: `source`, `step`, `metrics`.
    """

    towers: dict[str, dict[str, Any]]
    definition: Definition
    arrays: dict[str, jax.Array]
    mesh: jax.sharding.Mesh
    views: dict[str, Callable[..., np.ndarray]]
    log_scale: float | None
    bias: float | None
    config: Mapping[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def below(self, modality: str) -> dict[str, np.ndarray]:
        """The parameters of a tower by path below it, on the host."""
        before = f"towers/{modality}/"
        found = {p: a for p, a in self.arrays.items() if p.startswith(before)}
        return {p.removeprefix(before): np.asarray(a) for p, a in found.items()}


def load(path: str | Path, *, checkpoint: str = "latest", dtype: str | None = None) -> Bundle:
    """Loads a run's folder, an export of `--format=safetensors`, or foreign weights.

    Args:
      path: the folder.
      checkpoint: of a run: `latest`, `best` or a step.
      dtype: of the computation, `float32` or `bfloat16`; by default what the run used, float32 for
        foreign weights.

    Raises:
      ConfigError: when the folder holds nothing that can be loaded.
    """
    folder = Path(path).expanduser()
    if not is_foreign(folder):
        own = (folder / OWN_CONFIG).is_file()
        return _export(folder, dtype) if own else _run(folder, checkpoint, dtype)
    return of_weights(foreign.Weights(str(folder)), dtype or "float32")


def is_foreign(path: str | Path) -> bool:
    """Whether a folder, of which `load` takes any, is of another library."""
    folder = Path(path).expanduser()
    return not ((folder / OWN_CONFIG).is_file() or (folder / "checkpoints").is_dir())


def _run(folder: Path, checkpoint: str, dtype: str | None) -> Bundle:
    from mmjax.checkpoints.store import Store
    from mmjax.data import inputs
    from mmjax.train import stages as stages_lib
    from mmjax.train import state as state_lib

    value = Folder(folder).json("config.json")
    if value is None:
        raise WeightsError(f"{folder} holds no run: there is no config.json in it")
    config = config_lib.complete(value, str(folder / "config.json"))
    # Where the run was trained is not where it is used: its mesh is not asked for.
    config["mesh"] = {**config["mesh"], "data": -1, "fsdp": 1, "tensor": 1, "rules": ()}
    config["model"] = {**config["model"], "dtype": dtype or config["model"]["dtype"]}
    mesh = mesh_lib.make_mesh()
    section = config["checkpoints"]
    with Store(folder / "checkpoints", metric=section["metric"], mode=section["mode"]) as store:
        step = {"latest": store.latest, "best": store.best}.get(checkpoint, lambda: None)()
        if step is None:
            if not checkpoint.isdigit():
                raise WeightsError(
                    f"{folder} has no checkpoint {checkpoint!r}: give latest, a step, or best "
                    "where checkpoints.metric is set"
                )
            step = int(checkpoint)
        config = stages_lib.at(stages_lib.of(config), step).config
        plan = state_lib.plan(config, mesh)
        arrays = store.restore(state_lib.abstract(config, plan), step).evaluation_arrays()
    log_scale, bias = scale_of(config, arrays)
    metrics = Folder(folder).json("summary.json") or {}
    about = {"source": f"run {folder.name}", "step": int(step), "metrics": metrics}
    return Bundle(
        config["model"]["towers"],
        plan.definition,
        arrays,
        mesh,
        inputs.views(config),
        log_scale,
        bias,
        config,
        about,
    )


def scale_of(
    config: Mapping[str, Any], arrays: Mapping[str, jax.Array]
) -> tuple[float | None, float | None]:
    """The logarithm of 1/temperature and the bias of the first term that has them."""
    for name, spec in config["objectives"].items():
        if spec["type"] not in ("info_nce", "sigmoid"):
            continue
        path = f"objectives/terms/{name}"
        learned = arrays.get(f"{path}/temperature/log_scale")
        direct = arrays.get(f"{path}/temperature/value")
        if direct is not None:
            learned = -math.log(max(float(direct), 1 / spec["max_scale"]))
        log_scale = -math.log(spec["temperature"]) if learned is None else float(learned)
        for bound, nearer in (("min_scale", max), ("max_scale", min)):
            if learned is not None and spec.get(bound):
                log_scale = nearer(log_scale, math.log(spec[bound]))
        bias = None
        if spec["type"] == "sigmoid":
            bias = float(arrays.get(f"{path}/bias", spec["bias"]))
        return log_scale, bias
    return None, None


def _export(folder: Path, dtype: str | None) -> Bundle:
    from mmjax.data import inputs

    own = Folder(folder).json(OWN_CONFIG)
    config = config_lib.complete(own["config"], str(folder / OWN_CONFIG))
    for tower in config["model"]["towers"].values():
        tower.pop("init_from", None)
    return _assemble(
        config["model"]["towers"],
        config["objectives"],
        Folder(folder).tensors(),
        inputs.views(_own_tokenizer(config, folder)),
        dtype or "float32",
        log_scale=own.get("log_scale"),
        bias=own.get("bias"),
        config=config,
        about=own.get("about", {}),
    )


def _own_tokenizer(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`config` with the tokenizer file that lies in the export; no other file is read."""
    spec = config["data"]["tokenizer"]
    path = None if spec is None else spec.get("path")
    if path is None:
        return config
    for name in ("tokenizer.model", "tokenizer.json", tokenizer_copy(path)):
        if (folder / name).is_file():
            data = {**config["data"], "tokenizer": {**spec, "path": str(folder / name)}}
            return {**config, "data": data}
    if path in EMBEDDED:
        return config
    raise WeightsError(
        f"{folder / OWN_CONFIG} names the tokenizer {path!r}, which is not in the folder: paths "
        "out of it are not followed"
    )


def tokenizer_copy(path: str) -> str:
    """The name in an export of a tokenizer's file that has no form of its own there."""
    return f"tokenizer{Path(path).suffix}"


def of_weights(
    weights: foreign.Weights, dtype: str = "float32", devices: list[jax.Device] | None = None
) -> Bundle:
    """All towers of foreign weights.

    Args:
      weights: of a folder.
      dtype: of the computation.
      devices: that they lie on; all by default.
    """
    towers, arrays = {}, {}
    for modality in weights.modalities:
        loaded = weights.tower(modality)
        towers[modality] = foreign.complete(loaded.part)
        arrays |= {f"towers/{modality}/{path}": loaded[path] for path in loaded}
    log_scale, bias = weights.scale_and_bias()
    about = {"source": f"{weights.family} weights in {weights.folder.path.name}"}
    views = preprocessing.views(weights, towers)
    return _assemble(
        towers, {}, arrays, views, dtype, devices, log_scale=log_scale, bias=bias, about=about
    )


def merged(bundle: Bundle) -> Bundle:
    """`bundle` with its low-rank updates in the kernels that they update.

    Raises:
      WeightsError: for other adapters, which are no part of the towers.
    """
    if not bundle.config.get("model", {}).get("adapters"):
        return bundle
    config, arrays = adapters.merge_updates(bundle.config, bundle.arrays)
    if left := config["model"]["adapters"]:
        raise WeightsError(
            f"the model has {', '.join(left)}: prompts are no part of its towers, and other "
            "libraries have no place for them; --format=safetensors and --format=stablehlo do"
        )
    return _assemble(
        bundle.towers,
        config["objectives"],
        arrays,
        bundle.views,
        _dtype(bundle.config),
        log_scale=bundle.log_scale,
        bias=bundle.bias,
        config=config,
        about=bundle.about,
    )


def _dtype(config: Mapping[str, Any]) -> str:
    dtype = config["model"]["dtype"]
    return "float32" if dtype == "auto" else dtype


def _assemble(towers, objectives, tensors, views, dtype, devices=None, **rest) -> Bundle:
    updates = rest.get("config", {}).get("model", {}).get("adapters", {})
    config = {"model": {"towers": towers, "adapters": updates}, "objectives": objectives}

    def make() -> System:
        return System(config, dtype=jnp.dtype(dtype), rngs=nnx.Rngs(0))

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
            raise WeightsError(f"{path} is {value.shape}, and the config says {variable.shape}")
        arrays[path] = jax.device_put(value.astype(variable.dtype), everywhere)
    return Bundle(towers, definition, arrays, mesh, views, **rest)


def describe(bundle: Bundle) -> dict[str, Any]:
    """What `mmjax.json` of an export says, beside the tensors."""
    config = json.loads(config_lib.dump(bundle.config))
    return {
        "config": config,
        "log_scale": bundle.log_scale,
        "bias": bundle.bias,
        "about": bundle.about,
    }
