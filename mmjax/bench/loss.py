"""Time and memory of one InfoNCE loss with its gradients, under every schedule.

    python -m mmjax.bench loss --sizes 8192,16384 --dim 256 --tiles 512 --repeats 5

Value and gradients with respect to both embeddings and the scale: seconds on the clock (median and
quartiles), CPU seconds of all devices together where they are this machine's processors, and XLA's
temporary memory on each device. Beside the schedules of the
engine runs `local`, the formula that distributed contrastive training commonly uses (open_clip's
`local_loss`): all-gather both modalities, then two b x B matrices per device, left to autodiff.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jax

    from mmjax.parallel.pairwise import Plan

    Loss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

SCHEDULES = ("dense", "gather", "ring", "local")


def parse(arguments: list[str]) -> argparse.Namespace:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench loss", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--sizes", type=numbers, default=(2048, 8192), help="global batch sizes")
    parser.add_argument("--dim", type=int, default=256, help="size of an embedding")
    parser.add_argument("--tiles", type=numbers, default=(), help="tile sizes; default: the plan's")
    parser.add_argument("--schedules", default=",".join(SCHEDULES), help="which to compare")
    parser.add_argument("--devices", type=int, default=8, help="fake devices, on CPU only")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, in which all take turns")
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args(arguments)
    options.schedules = options.schedules.split(",")
    for name in options.schedules:
        if name not in SCHEDULES:
            parser.error(f"unknown schedule {name!r}: choose from {', '.join(SCHEDULES)}")
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    # Has no effect on other backends; has to be set before jax looks for devices.
    flag = f"--xla_force_host_platform_device_count={options.devices}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()

    import jax
    from jax.sharding import AxisType

    from mmjax.bench import timing

    mesh = jax.make_mesh((len(jax.devices()), 1), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    about = {
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "devices": mesh.size,
        "cores": os.cpu_count(),
        "dim": options.dim,
        "repeats": options.repeats,
    }
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    rows = []
    for size in options.sizes:
        programs = _programs(options, mesh, size)
        times = timing.interleaved({k: run for k, (run, _) in programs.items()}, options.repeats)
        for name, (_, temporary) in programs.items():
            rows.append({"batch": size, "form": name, **times[name], "MiB": temporary / 2**20})
    print(timing.table(rows))
    if options.output:
        timing.save(options.output, about, rows)


def _programs(
    options: argparse.Namespace, mesh: jax.sharding.Mesh, size: int
) -> dict[str, tuple[Callable[[], Any], int]]:
    """name -> (function to time, bytes of temporary memory per device)."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding

    from mmjax.parallel.pairwise import Plan

    split = NamedSharding(mesh, jax.P(mesh.axis_names))
    x, y = (
        jax.device_put(jax.random.normal(key, (size, options.dim)), split)
        for key in jax.random.split(jax.random.key(0))
    )
    x, y = (z / jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (x, y))
    scale = jnp.float32(1 / 0.07)
    programs: dict[str, tuple[Callable[[], Any], int]] = {}
    for schedule in options.schedules:
        for tile in (options.tiles or (None,)) if schedule in ("gather", "ring") else (None,):
            if schedule == "local":
                loss = _local_loss(mesh)
            else:
                loss = _engine_loss(Plan(mesh, schedule=schedule, tile=tile))
            step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))
            compiled = step.lower(x, y, scale).compile()
            memory: Any = compiled.memory_analysis()
            name = schedule if tile is None else f"{schedule}/{tile}"
            programs[name] = partial(compiled, x, y, scale), memory.temp_size_in_bytes
    return programs


def _engine_loss(plan: Plan) -> Loss:
    import jax.numpy as jnp

    from mmjax.objectives.base import similarity
    from mmjax.parallel import pairwise

    def loss(x: jax.Array, y: jax.Array, scale: jax.Array) -> jax.Array:
        by_x, by_y = pairwise.logsumexp(
            lambda x, y, scale: scale * similarity(x, y), x, y, scale, plan=plan
        )
        return jnp.mean((by_x + by_y) / 2 - scale * (x * y).sum(-1))

    return loss


def _local_loss(mesh: jax.sharding.Mesh) -> Loss:
    import jax
    import jax.numpy as jnp

    axes = mesh.axis_names

    def device_loss(x: jax.Array, y: jax.Array, scale: jax.Array) -> jax.Array:
        start = jax.lax.axis_index(axes) * len(x)
        every_x, every_y = (jax.lax.all_gather(z, axes, tiled=True) for z in (x, y))

        def cross_entropy(mine: jax.Array, others: jax.Array) -> jax.Array:
            logits = scale * mine @ others.T
            labels = start + jnp.arange(len(mine))
            log_p = jax.nn.log_softmax(logits)
            return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()

        own = (cross_entropy(x, every_y) + cross_entropy(y, every_x)) / 2
        mean: jax.Array = jax.lax.pmean(own, axes)
        return mean

    return jax.shard_map(
        device_loss, mesh=mesh, in_specs=(jax.P(axes), jax.P(axes), jax.P()), out_specs=jax.P()
    )
