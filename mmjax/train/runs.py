"""Opens saved runs: from a run's folder to a model.

`bundle` and `of_folder` take whatever `mmjax.load` does: a run, an export, or foreign weights.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from mmjax import places
from mmjax import recipe as recipe_lib
from mmjax.checkpoints.store import CheckpointError, Store
from mmjax.data import inputs
from mmjax.errors import ConfigError
from mmjax.inference import bundle as bundle_lib
from mmjax.inference.bundle import Bundle, Dtype
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import MeshConfig, Recipe
from mmjax.recipe import own as own_lib
from mmjax.system.embedder import Embedder
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train.state import TrainPlan
from mmjax.weights import foreign
from mmjax.weights.files import OWN_CONFIG, Folder, WeightsError, is_foreign
from mmjax.weights.start import place


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """One checkpoint of a run, restored for use.

    Attributes:
      folder: of the run.
      recipe: of the stage that made the checkpoint, whole.
      step: of the checkpoint.
      plan: structure and layout.
      mesh: that the arrays lie on.
      arrays: path -> array, of the System as evaluation uses it.
      stages: names of the stages up to that one.
    """

    folder: Path
    recipe: Recipe
    step: int
    plan: TrainPlan
    mesh: jax.sharding.Mesh
    arrays: Mapping[str, jax.Array]
    stages: tuple[str | None, ...]

    @functools.cached_property
    def model(self) -> Embedder:
        """What evaluators take."""
        return Embedder(self.plan.definition, self.arrays, self.mesh)

    def bundle(self) -> Bundle:
        """What `mmjax.load` and exports take."""
        log_scale, bias = bundle_lib.scale_of(self.plan.definition, self.arrays)
        finished = (self.folder / "summary.json").is_file()
        metrics = Folder(self.folder).json("summary.json") if finished else {}
        return Bundle(
            self.recipe.model.towers,
            self.plan.definition,
            dict(self.arrays),
            self.mesh,
            self.recipe.views_of_outputs(inputs.views(self.recipe.data)),
            log_scale,
            bias,
            self.recipe,
            {"source": f"run {self.folder.name}", "step": self.step, "metrics": metrics},
        )


def open_run(
    folder: str | Path,
    checkpoint: str = "latest",
    *,
    dtype: Dtype | None = None,
    its_mesh: bool = True,
) -> SavedRun:
    """Restores a saved run for use.

    Args:
      folder: of the run.
      checkpoint: `latest`, `previous` (the newest that is whole), `best` or a step.
      dtype: of the computation; by default what the run used.
      its_mesh: lay the arrays out as the run says; otherwise whole on every device that is here,
        for where a run was trained is not always where it is used.

    Raises:
      ConfigError: when the folder holds no run.
      CheckpointError: when it holds no such checkpoint, or one of its files is damaged.
    """
    folder = places.here(folder)
    stored = Folder(folder).file("config.json") if folder.is_dir() else None
    if stored is None:
        raise ConfigError(f"{places.name(folder)} holds no run: there is no config.json in it")
    recipe = own_lib.with_tokenizer(recipe_lib.read(stored), Folder(folder))
    if not its_mesh:
        recipe = dataclasses.replace(recipe, mesh=MeshConfig())
    if dtype is not None:
        model = dataclasses.replace(recipe.model, dtype=dtype)
        recipe = dataclasses.replace(recipe, model=model)
    mesh = mesh_lib.make_mesh(*recipe.mesh.shape)
    section = recipe.checkpoints
    with Store(
        places.checkpoints(folder),
        metric=section.metric,
        mode=section.mode,
        keep_last=section.keep_last,
        keep_best=section.keep_best,
        read_only=True,
    ) as store:
        step = _step(store, folder, checkpoint)
        stages = stages_lib.of(recipe)
        stage = stages_lib.at(stages, step or 0)
        plan = state_lib.plan(stage.recipe, mesh)
        state = state_lib.restored(store, stage, plan, step)
    names = tuple(stages_lib.names_to(stages, stage))
    arrays = state.evaluation_arrays()
    return SavedRun(folder, stage.recipe, int(step or 0), plan, mesh, arrays, names)


def _step(store: Store, folder: Path, checkpoint: str) -> int | None:
    """The step that a name of a checkpoint means; None where there is none yet."""
    if checkpoint == "best":
        step = store.best()
        if step is None:
            raise ConfigError(f"{folder} has no best checkpoint: checkpoints.metric is not set")
        return step
    if checkpoint == "latest":
        return store.latest()
    if checkpoint == "previous":
        step = store.whole()
        if step is None:
            raise CheckpointError(f"{folder} has no checkpoint that is whole")
        return step
    if checkpoint.isdecimal():
        return int(checkpoint)
    raise ConfigError(f"--checkpoint={checkpoint}: give latest, previous, best or a step")


def bundle(path: str | Path, *, checkpoint: str = "latest", dtype: Dtype | None = None) -> Bundle:
    """Loads a run's folder, an export of `--format=safetensors`, or foreign weights.

    Args:
      path: the folder.
      checkpoint: of a run: `latest`, `previous`, `best` or a step.
      dtype: of the computation, `float32` or `bfloat16`; by default what the run used, float32 for
        foreign weights.

    Raises:
      ConfigError: when the folder holds nothing that can be loaded.
    """
    folder = places.here(path)
    if places.checkpoints(folder).is_dir() and not (folder / OWN_CONFIG).is_file():
        return open_run(folder, checkpoint, dtype=dtype, its_mesh=False).bundle()
    return bundle_lib.load(folder, dtype=dtype)


def weights(path: str) -> foreign.Weights:
    """What a run can start from in a folder, arrays included.

    Args:
      path: folder of a run, an export or foreign weights, as `mmjax.load` takes.

    Raises:
      ConfigError: for a folder that cannot be read, or a run with adapters that are no part of its
        towers.
    """
    if is_foreign(path):
        return foreign.Weights(path)
    held = bundle_lib.merged(bundle(path, dtype="float32"))
    assert held.recipe is not None  # of what is our own
    return own_lib.weights(held.recipe, path, held.log_scale, held.bias, held.arrays)


def of_folder(
    arrays: Mapping[str, jax.Array], path: str, checkpoint: str, where: str
) -> dict[str, jax.Array]:
    """What a folder holds under the paths of `arrays`, in their types and layouts.

    Args:
      arrays: path -> array, variables of a System.
      path: folder of a run, an export or foreign weights, as `mmjax.load` takes.
      checkpoint: of a run.
      where: the key that names the folder, for messages.

    Raises:
      ConfigError: for a folder that cannot be read, or that lacks one of the paths.
    """
    held = bundle(path, checkpoint=checkpoint).arrays
    for own in arrays:
        if own not in held:
            raise WeightsError(
                f"{where}: {path} has no {own!r}; it has parameters such as {next(iter(held))!r}"
            )
    return {own: place(np.asarray(held[own]), old, own) for own, old in arrays.items()}
