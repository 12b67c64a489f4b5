"""A recipe small enough to be trained many times in a test: two MLPs on Gaussian latents."""

from pathlib import Path

import jax
import numpy as np
import pytest

from mmjax import recipe as recipe_lib

RECIPE = Path(__file__).parents[2] / "configs" / "clip_uniform.py"
# Without evaluators a run is its steps and its checkpoints.
OVERRIDES = ("steps=100", "checkpoints.every=15", "log_every=20", "evaluators={}")


@pytest.fixture(scope="session")
def tiny():
    """`tiny("key=value", ...)` makes the config of a run of 100 steps that saves every 15."""

    def make(*overrides):
        return recipe_lib.load(f"{RECIPE}:latent", (*OVERRIDES, *overrides))

    return make


@pytest.fixture(scope="session")
def command():
    """`command(folder, "key=value", ...)`: the words that train the same in another process."""
    import sys

    def make(folder, *overrides):
        settings = [f"--config.{override}" for override in (*OVERRIDES, *overrides)]
        recipe = [f"--config={RECIPE}:latent", f"--workdir={folder}"]
        return [sys.executable, "-m", "mmjax.main", *recipe, *settings]

    return make


@pytest.fixture(scope="session")
def saved():
    """`saved(config, folder, step=None)`: the arrays of a checkpoint by path, in host memory."""
    from mmjax.checkpoints.store import Store
    from mmjax.parallel import mesh as mesh_lib
    from mmjax.train import state as state_lib

    def read(config, folder, step=None):
        mesh = mesh_lib.make_mesh(*(config.mesh[axis] for axis in mesh_lib.AXES))
        store = Store(Path(folder) / "checkpoints")
        state = store.restore(state_lib.abstract(config, state_lib.plan(config, mesh)), step)
        store.close()
        return {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(state)
        }

    return read


@pytest.fixture(scope="session")
def identical():
    """`identical(a, b)`: the names of arrays that are not equal bit by bit."""

    def compare(a, b):
        assert a.keys() == b.keys()
        return [name for name in a if a[name].tobytes() != b[name].tobytes()]

    return compare
