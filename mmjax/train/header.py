"""What a run says before its first step."""

import math
from collections.abc import Mapping
from pathlib import Path

import jax

from mmjax.data import TrainData
from mmjax.train.state import Plan
from mmjax.train.step import parameter_counts


def lines(
    config: Mapping, mesh: jax.sharding.Mesh, plan: Plan, data: TrainData, folder: Path
) -> list[str]:
    """The header: recipe, devices, towers, batch, and the loss that chance would give."""
    device = mesh.devices.flat[0]
    counts = parameter_counts(plan)
    batch, steps = config["data"]["batch_size"], config["steps"]
    towers = ", ".join(f"{m} {counts.get(m, 0):,}" for m in config["model"]["towers"])
    shape = " x ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    rows = [
        ("recipe", f"{config['recipe']}:{config['variant']}  ({config['paper']})"),
        ("folder", str(folder)),
        (
            "devices",
            f"{mesh.size} x {device.device_kind} in {jax.process_count()} process(es), "
            f"mesh {shape}, towers in {plan.dtype.name}",
        ),
        (
            "parameters",
            f"{counts['all']:,}: {towers}, objectives {counts.get('objectives', 0):,}"
            + (f"; {counts['trained']:,} train" if counts["trained"] < counts["all"] else ""),
        ),
        ("data", "; ".join(source.describe() for source in data.sources.values())),
        (
            "training",
            f"{steps:,} steps of {batch:,} = {steps / data.steps_per_epoch:.1f} passes",
        ),
        ("chance", f"a contrastive loss of ln({batch}) = {math.log(batch):.3f} is chance"),
    ]
    return [f"{name:>10}  {text}" for name, text in rows]
