"""First stages that several runs of an experiment have in common: they are trained once.

A run that goes on from a checkpoint is the one that would have made that checkpoint itself, for
resuming is exact. So arms that differ in a later stage share, for each seed, the first one.
"""

import dataclasses
import hashlib
import shutil
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from mmjax import digests
from mmjax import recipe as recipe_lib
from mmjax.files import writing
from mmjax.recipe import Recipe, StageConfig

K = TypeVar("K", bound=Hashable)
FOLDER = "first-stages"


def shared(recipes: Mapping[K, Recipe], folder: Path) -> dict[K, tuple[Recipe, Path]]:
    """Of runs that have their first stage in common with others: that stage, and its run's folder.

    Args:
      recipes: of the runs that are to be made.
      folder: of the experiment's runs.

    Returns:
      run -> (a recipe of its first stage alone, the folder of a run of it).
    """
    found: dict[K, tuple[Recipe, Path]] = {}
    members: dict[str, list[K]] = {}
    for run, recipe in recipes.items():
        if len(recipe.stages) < 2:
            continue
        config, whole = recipe_lib.each(recipe)[0]
        first = dataclasses.replace(whole, stages=(StageConfig(config.name),))
        name = hashlib.sha256(recipe_lib.dump(first).encode()).hexdigest()[:16]
        found[run] = first, folder / FOLDER / name
        members.setdefault(name, []).append(run)
    alone = {run for runs in members.values() if len(runs) < 2 for run in runs}
    return {
        run: (first, path)
        for run, (first, path) in found.items()
        if run not in alone or (path / "summary.json").is_file()
    }


def go_on(recipe: Recipe, folder: Path, first: Path) -> None:
    """Makes the folder of a run one that has just finished its first stage.

    Nothing is done for a run that has begun, and where that stage has not ended: it diverged.

    Args:
      recipe: of the run.
      folder: of the run.
      first: folder of a run of its first stage alone.
    """
    if (folder / "checkpoints").exists() or not (first / "summary.json").is_file():
        return
    with writing(folder):
        # The config comes first: without it the folder could not be told from another run's.
        folder.mkdir(parents=True, exist_ok=True)
        digests.write_with(folder / "config.json", recipe_lib.dump(recipe))
        shutil.copy2(first / "metrics.jsonl", folder)
        part = folder / "checkpoints.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(first / "checkpoints", part)
        part.rename(folder / "checkpoints")
