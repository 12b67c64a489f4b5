"""The step benchmark, mmjax: `python -m mmjax.bench.step_mmjax MODEL BATCH [options] [KEY=VALUE]`

With `parts`, not the step but the pieces that it consists of, each compiled alone at its shapes.
With `device=gpu` or `device=cpu` it ends where jax has another, and memory is the GPU's.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from mmjax.bench import turns
from mmjax.bench.step_models import MODELS, Sizes, config
from mmjax.bench.step_parts import parts
from mmjax.data import inputs
from mmjax.parallel import mesh as mesh_lib
from mmjax.parallel.compiler import set_flags
from mmjax.preflight import model_flops, utilization
from mmjax.recipe import Recipe
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib


def main(model: str, batch: int, *options: str) -> None:
    set_flags()
    sizes = MODELS[model]
    given = dict(option.split("=", 1) for option in options if "=" in option)
    asked, device = given.pop("device", None), jax.devices()[0]
    if asked not in (None, device.platform):
        print(f"jax has no {asked} here, but a {device.platform}", flush=True)
        raise SystemExit(1)
    settings = config(sizes, batch, *(f"{key}={value}" for key, value in given.items()))
    mesh = mesh_lib.make_mesh(devices=[device])
    plan = state_lib.plan(settings, mesh)
    if "parts" in options:
        counts, functions = parts(settings, sizes, plan, mesh)
        turns.serve({"counts": counts}, functions)
    else:
        step, about = make(settings, sizes, plan, mesh)
        on_device = functools.partial(_peak_bytes, device) if device.platform == "gpu" else None
        turns.serve(about, {"step": step}, on_device)


def _peak_bytes(device: jax.Device) -> int:
    return int(device.memory_stats()["peak_bytes_in_use"])


def make(
    settings: Recipe, sizes: Sizes, plan: state_lib.TrainPlan, mesh: jax.sharding.Mesh
) -> tuple[Callable[[], None], dict[str, Any]]:
    """(one training step, what to say of it)."""
    arrays = mesh_lib.to_device(random_batch(settings, sizes), mesh)
    state = state_lib.initial(settings, plan)
    compiled = step_lib.make(settings, plan, mesh).lower(state, arrays).compile()
    held = {"state": state}

    def step() -> None:
        held["state"], metrics = compiled(held["state"], arrays)
        jax.block_until_ready((held["state"], metrics))

    total, _ = model_flops.model_flops(settings, mesh)
    memory: Any = compiled.memory_analysis()
    return step, {
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "parameters": step_lib.parameter_counts(plan)["all"],
        "flops": total,
        "peak flops": utilization.peak_flops(jax.devices()[0]),
        "arguments": memory.argument_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
    }


def random_batch(settings: Recipe, sizes: Sizes) -> dict[str, np.ndarray]:
    """Images of noise, and texts of random tokens that end at the last place."""
    rng = np.random.default_rng(0)
    batch = {}
    for name, array in inputs.batch_shapes(settings.data).items():
        if np.issubdtype(array.dtype, np.floating):
            batch[name] = rng.standard_normal(array.shape, np.float32)
        elif array.dtype == bool:  # whether a modality is there
            batch[name] = np.ones(array.shape, bool)
        elif name == "id":
            batch[name] = np.arange(array.shape[0], dtype=array.dtype)
        else:
            tokens = rng.integers(1, sizes.vocabulary - 2, array.shape).astype(array.dtype)
            tokens[:, -1] = sizes.vocabulary - 1
            batch[name] = tokens
    return batch


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
