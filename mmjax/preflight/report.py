"""The printed report of a dry run."""

from jax.sharding import PartitionSpec

from mmjax.parallel import mesh as mesh_lib
from mmjax.preflight.dry_run import Report
from mmjax.preflight.hlo_collectives import Collective
from mmjax.preflight.sizing import DoesNotFit, Memory
from mmjax.preflight.topology import GIB

_SHOWN = 3  # of the largest collectives


def lines(report: Report) -> list[str]:
    """What `--dry_run` prints."""
    rows = [*_what(report), *_state(report), *_memory(report), *_work(report)]
    return [f"{name:>12}  {text}" for name, text in rows]


def _what(report: Report) -> list[tuple[str, str]]:
    recipe, mesh = report.recipe, report.mesh
    shards = mesh_lib.batch_shards(mesh)
    size = recipe.data.batch_size
    arrays = ", ".join(
        f"{name} {array.dtype.name}{list(array.shape[1:])}" for name, array in report.batch.items()
    )
    axes = " x ".join(f"{axis} {count}" for axis, count in mesh.shape.items())
    return [
        ("recipe", f"{recipe.recipe}:{recipe.variant}  ({recipe.paper})"),
        (
            "devices",
            f"{mesh.size} x {mesh.devices.flat[0].device_kind}, mesh {axes}, towers in "
            f"{report.dtype.name}",
        ),
        (
            "batch",
            f"{size:,}: {size // shards:,} on each of {shards} parts of the mesh, "
            f"{recipe.microbatches} microbatch(es); of each example {arrays}",
        ),
    ]


def _state(report: Report) -> list[tuple[str, str]]:
    width = max((len(layout.path) for layout in report.layouts), default=0)
    rows = [
        (
            "layout" if i == 0 else "",
            f"{layout.path:<{width}}  {'x'.join(map(str, layout.shape)) or 'scalar':>16}  "
            f"{_size(layout.bytes):>10}  {_split(layout.split)}",
        )
        for i, layout in enumerate(report.layouts)
    ]
    names = {"params": "parameters", "average": "moving average", "constants": "constants"}
    parts = ", ".join(
        f"{names.get(name, name)} {_size(size)}"
        for name, size in report.state_bytes.items()
        if name not in ("step", "key") and size
    )
    return [*rows, ("state", f"on each device: {parts or 'none'}")]


def _split(spec: PartitionSpec) -> str:
    axes = [entry for entry in spec if entry is not None]
    return str(tuple(spec)) if axes else "whole"


def _memory(report: Report) -> list[tuple[str, str]]:
    memory = report.memory
    if isinstance(memory, DoesNotFit):
        rows = [("memory", f"{memory}: try {advice(report)}")]
    else:
        rows = [("memory", f"{_size(memory.total)} on each device: {_parts(memory)}")]
    if report.limit is not None:
        if report.largest is None:
            found = "not even the smallest batch"
        else:
            batch, size = report.largest
            shards = mesh_lib.batch_shards(report.mesh)
            found = f"{batch:,} a device ({batch * shards:,} in all, {_size(size)})"
        rows.append(("largest", f"batch that fits {_size(report.limit)}: {found}"))
    return rows


def _parts(memory: Memory) -> str:
    return (
        f"state and batch {_size(memory.arguments)}, temporaries {_size(memory.temporaries)}, "
        f"outputs {_size(memory.outputs - memory.aliased)}, program {_size(memory.code)}"
    )


def advice(report: Report) -> str:
    """What would make a step that does not fit smaller, as overrides."""
    recipe = report.recipe
    tries = [
        f"--config.model.towers.{name}.encoder.remat=full"
        for name, tower in recipe.model.towers.items()
        if tower.encoder.options.get("remat") == "none"
    ]
    tries += [
        f"--config.model.trunks.{name}.remat=full"
        for name, trunk in recipe.model.trunks.items()
        if trunk.remat == "none"
    ]
    tries.append(f"--config.microbatches={2 * recipe.microbatches}")
    memory, held = report.memory, sum(report.state_bytes.values())
    available = memory.available if isinstance(memory, DoesNotFit) else None
    if available and held > available / 4 and report.mesh.shape["data"] > 1:
        tries.append(f"--config.mesh.fsdp={2 * report.mesh.shape['fsdp']}")
    return " or ".join(tries)


def _work(report: Report) -> list[tuple[str, str]]:
    size = report.recipe.data.batch_size
    said = f"{report.flops / size / 1e9:,.2f} GFLOP an example, forward"
    if report.recipe.steps:
        said += f" and backward, of which the loss is {report.loss_flops / report.flops:.2%}"
    rows = [("flops", said)]
    cost = report.cost
    if cost is None or not report.flops:  # towers that hand features on multiply nothing
        return rows
    wanted = report.flops / report.mesh.size
    rows.append(
        (
            "program",
            f"{cost.flops / 1e12:,.3f} TFLOP on each device in a step, "
            f"{cost.flops / wanted:.2f} times the model's (recomputation, tiles); "
            f"{_size(cost.memory)} read and written, "
            f"{1 - cost.useful_memory / max(cost.memory, 1):.0%} of it padding",
        )
    )
    for i, (kind, (count, whole, sent)) in enumerate(cost.by_kind().items()):
        text = f"{kind:<18} {count:>6,} times  {_size(whole):>10}, {_size(sent)} sent by each"
        rows.append(("collectives" if i == 0 else "", text))
    if not cost.collectives:
        rows.append(("collectives", "none"))
    largest = sorted(cost.collectives, key=lambda c: -c.bytes * c.runs)[:_SHOWN]
    rows += [("largest" if i == 0 else "", _describe(c)) for i, c in enumerate(largest)]
    if cost.unknown_loops:
        rows.append(("unknown", f"loops counted once: {', '.join(cost.unknown_loops)}"))
    times = report.roofline
    if times is not None:
        rows.append(
            (
                "roofline",
                f"compute {_seconds(times.compute)}, HBM {_seconds(times.memory)}, interconnect "
                f"{_seconds(times.interconnect)}: at least {_seconds(times.floor)} a step "
                f"({times.bound}), {size / times.floor:,.0f} examples/s, MFU at most "
                f"{times.utilization:.1%}",
            )
        )
    return rows


def _describe(collective: Collective) -> str:
    arrays = ", ".join(f"{s.dtype}{list(s.dims)}" for s in collective.shapes[:2])
    more = f" and {len(collective.shapes) - 2} more" if len(collective.shapes) > 2 else ""
    return (
        f"{collective.kind} of {arrays}{more} among {collective.group}, {collective.runs} times: "
        f"{_size(collective.bytes * collective.runs)}  {collective.source}"
    )


def _size(count: float) -> str:
    for unit, scale in (("GiB", GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:,.2f} {unit}"
    return f"{count:,.0f} B"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.2f} ms"
