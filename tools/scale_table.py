"""Makes the tables of docs/scale.md: what recipes need and do on TPU pods that are not here.

    JAX_PLATFORMS=cpu python tools/scale_table.py              # compiles what has no result yet
    JAX_PLATFORMS=cpu python tools/scale_table.py --only B-16  # cells whose name has this in it
    python tools/scale_table.py --compile=0                    # the tables of the results there are

Each cell is one training step, compiled ahead of time for a TPU slice by `mmjax.preflight.dry_run`:
in the first table of CLIP with ViT-B/16 or ViT-L/14 at several batches, in the second of every
recipe's `paper` variant as it is. Its result is one JSON file in docs/scale/, so an interrupted run
resumes where it stopped. Needs libtpu: pip install 'mmjax[aot]'.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmjax.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
RESULTS = ROOT / "docs" / "scale"
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- table: tools/scale_table.py -->", "<!-- end of table -->"
RECIPES_BEGIN = "<!-- table: tools/scale_table.py, recipes -->"

# Sizes of Radford et al. 2021, table 20: image width, depth, heads; text width, heads; joint space.
MODELS = {"ViT-B-16": (16, 768, 12, 12, 512, 8, 512), "ViT-L-14": (14, 1024, 24, 16, 768, 12, 768)}
# A v5e's, a v6e's and a TPU7x's name counts chips, a v5p's TensorCores, of which a chip has two.
SLICES = {
    "v5e-256": "v5e:16x16",
    "v5p-64": "v5p:2x4x4",
    "v6e-256": "v6e:16x16",
    "tpu7x-64": "tpu7x:4x4x4",
}
BATCHES = {"32k": 2**15, "256k": 2**18, "1M": 2**20}

# How each cell is run: chips that split the state, what the backward pass keeps, microbatches.
SETTINGS = {
    ("ViT-B-16", "v5e-256", "32k"): (16, "dots_no_batch", 1),
    ("ViT-B-16", "v5e-256", "256k"): (16, "dots_no_batch", 8),
    ("ViT-B-16", "v5e-256", "1M"): (16, "dots_no_batch", 32),
    ("ViT-L-14", "v5e-256", "32k"): (16, "full", 1),
    ("ViT-L-14", "v5e-256", "256k"): (16, "dots_no_batch", 16),
    ("ViT-L-14", "v5e-256", "1M"): (16, "dots_no_batch", 64),
    ("ViT-B-16", "v5p-64", "32k"): (32, "dots_no_batch", 1),
    ("ViT-B-16", "v5p-64", "256k"): (32, "dots_no_batch", 8),
    ("ViT-B-16", "v5p-64", "1M"): (32, "dots_no_batch", 32),
    ("ViT-L-14", "v5p-64", "32k"): (32, "full", 1),
    ("ViT-L-14", "v5p-64", "256k"): (32, "dots_no_batch", 16),
    ("ViT-L-14", "v5p-64", "1M"): (32, "dots_no_batch", 64),
    ("ViT-B-16", "v6e-256", "32k"): (16, "dots_no_batch", 1),
    ("ViT-L-14", "v6e-256", "32k"): (16, "full", 1),
    ("ViT-B-16", "tpu7x-64", "32k"): (16, "dots_no_batch", 1),
    ("ViT-L-14", "tpu7x-64", "32k"): (16, "dots_no_batch", 1),
}


# The slices that recipes' paper variants are compiled for, which have to divide their batches;
# USUAL where none is named.
USUAL = "v5e:4x4"
RECIPES_ON = {
    "v5e:2x4": ("ecg_text", "mod_x", "more", "velvet_med"),
    "v5e:8x8": ("freeze_align",),
    "v5e:16x16": (
        "align",
        "barlow",
        "clip",
        "clip_rocket",
        "cwcl",
        "image_audio_text",
        "lit",
        "own_data",
        "siglip",
    ),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row of a table.

    Attributes:
      name: of its file.
      recipe: `configs/<recipe>.py:paper`.
      slice: topology that it is compiled for.
      overrides: of the config.
      said: facts of the cell that its file repeats.
    """

    name: str
    recipe: str
    slice: str
    overrides: tuple[str, ...] = ()
    said: tuple[tuple[str, Any], ...] = ()

    @property
    def file(self) -> Path:
        return RESULTS / f"{self.name}.json"

    def whole(self) -> "Recipe":
        """The whole recipe."""
        from mmjax import recipe as recipe_lib

        return recipe_lib.load(f"{CONFIGS / self.recipe}.py:paper", self.overrides)


def clip_cell(model: str, pod: str, batch: str) -> Cell:
    """CLIP with the towers `model` on the slice `pod`."""
    patch, width, depth, heads, text_width, text_heads, dim = MODELS[model]
    fsdp, remat, microbatches = SETTINGS[model, pod, batch]
    image, text = "model.towers.image", "model.towers.text"
    overrides = (
        f"{image}.encoder.patch={patch}",
        f"{image}.encoder.width={width}",
        f"{image}.encoder.depth={depth}",
        f"{image}.encoder.heads={heads}",
        f"{image}.encoder.remat={remat}",
        f"{image}.head.dim={dim}",
        f"{text}.encoder.width={text_width}",
        f"{text}.encoder.heads={text_heads}",
        f"{text}.encoder.remat={remat}",
        f"{text}.head.dim={dim}",
        f"data.batch_size={BATCHES[batch]}",
        f"mesh.fsdp={fsdp}",
        f"microbatches={microbatches}",
    )
    said = (("model", model), ("pod", pod), ("batch_name", batch), ("remat", remat))
    return Cell(f"{model}_{pod}_{batch}", "clip", SLICES[pod], overrides, said)


def recipe_cells() -> list[Cell]:
    """A cell for each recipe that has a paper variant."""
    from mmjax import recipe as recipe_lib

    cells = []
    for file in sorted(CONFIGS.glob("*.py")):
        if file.stem == "__init__":
            continue
        try:
            recipe_lib.load(f"{file}:paper")
        except recipe_lib.NoVariant:
            continue
        on = (name for name, recipes in RECIPES_ON.items() if file.stem in recipes)
        cells.append(Cell(file.stem, file.stem, next(on, USUAL)))
    return cells


CELLS = [clip_cell(*key) for key in SETTINGS]


def measure(cell: Cell) -> dict[str, Any]:
    """Compiles a cell and says what it needs and does."""
    import jax

    from mmjax.preflight import dry_run as preflight
    from mmjax.preflight.sizing import DoesNotFit

    recipe = cell.whole()
    began = time.process_time()
    report = preflight.preflight(recipe, topology_name=cell.slice)
    found = {
        "recipe": cell.recipe,
        **dict(cell.said),
        "slice": cell.slice,
        "chips": report.mesh.size,
        "batch": recipe.data.batch_size,
        "fsdp": report.mesh.shape["fsdp"],
        "microbatches": recipe.microbatches,
        "jax": jax.__version__,
        "compile_cpu_seconds": round(time.process_time() - began),
        "state_bytes": sum(report.state_bytes.values()),
        "model_flops": report.flops,
        "loss_share": report.loss_flops / report.flops,
    }
    if isinstance(report.memory, DoesNotFit):
        return {**found, "does_not_fit": str(report.memory)}
    times = report.roofline
    return {
        **found,
        "hbm_bytes": report.memory.total,
        "arguments_bytes": report.memory.arguments,
        "temporaries_bytes": report.memory.temporaries,
        "flops_per_chip": report.cost.flops,
        "traffic_bytes": report.cost.memory,
        "padding": 1 - report.cost.useful_memory / report.cost.memory,
        "collectives": report.cost.by_kind(),
        "compute_seconds": times.compute,
        "memory_seconds": times.memory,
        "interconnect_seconds": times.interconnect,
        "floor_seconds": times.floor,
        "bound": times.bound,
        "utilization": times.utilization,
    }


def table() -> str:
    """The table of CLIP in Markdown, of the cells that have a result."""
    rows = [
        "| model | slice | batch | fsdp, remat, microbatches | HBM a chip | collectives: times, "
        "bytes sent by a chip | FLOPs a chip (of the model's) | compute, HBM, links | floor | MFU "
        "at the floor |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cell in CELLS:
        if not cell.file.exists():
            continue
        found, said = json.loads(cell.file.read_text()), dict(cell.said)
        setting = f"{found['fsdp']}, {found['remat']}, {found['microbatches']}"
        start = f"| {said['model']} | {said['pod']} | {said['batch_name']} | {setting} "
        if "does_not_fit" in found:
            rows.append(f"{start}| {found['does_not_fit']} | | | | | |")
            continue
        collectives = "; ".join(
            f"{kind} {count:,}, {sent / 2**20:,.1f} MiB"
            for kind, (count, _, sent) in found["collectives"].items()
        )
        share = found["flops_per_chip"] * found["chips"] / found["model_flops"]
        rows.append(
            f"{start}| {found['hbm_bytes'] / 2**30:.1f} GiB | {collectives} "
            f"| {found['flops_per_chip'] / 1e12:,.1f} T (x {share:.2f}) | {_times(found)} |"
        )
    return "\n".join(rows)


def recipe_table(cells: Sequence[Cell]) -> str:
    """The table of recipes in Markdown, of the cells that have a result."""
    rows = [
        "| recipe | slice | batch | fsdp, microbatches | fits | HBM a chip | compute, HBM, links "
        "| floor | MFU at the floor |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for cell in cells:
        if not cell.file.exists():
            continue
        found = json.loads(cell.file.read_text())
        start = (
            f"| [{cell.recipe}](../configs/{cell.recipe}.py) | {found['slice']} "
            f"| {found['batch']:,} | {found['fsdp']}, {found['microbatches']} "
        )
        if "does_not_fit" in found:
            rows.append(f"{start}| no | {found['does_not_fit']} | | | |")
        else:
            rows.append(f"{start}| yes | {_size(found['hbm_bytes'])} | {_times(found)} |")
    return "\n".join(rows)


def _times(found: Mapping[str, Any]) -> str:
    """Three cells: compute, HBM and links; the floor; MFU at the floor."""
    times = ", ".join(
        _seconds(found[f"{kind}_seconds"]) for kind in ("compute", "memory", "interconnect")
    )
    floor = f"{_seconds(found['floor_seconds'])} ({found['bound']})"
    return f"{times} | {floor} | {found['utilization']:.1%}"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _seconds(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    return f"{1e3 * value:.0f} ms" if value >= 0.01 else f"{1e3 * value:.2g} ms"


def write(page: Path, text: str, begin: str = BEGIN) -> None:
    """Puts a table between its two marks of the page."""
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        sys.exit(f"{page}: needs the lines {begin!r} and {END!r}, between which the table goes")
    page.write_text(f"{before}{begin}\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="cells whose name has this in it")
    parser.add_argument("--compile", type=int, default=1, help="0 compiles nothing")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    recipes = recipe_cells()
    for cell in [*CELLS, *recipes] if options.compile else []:
        if options.only in cell.name and not cell.file.exists():
            print(f"{cell.name}: compiling", flush=True)
            cell.file.write_text(json.dumps(measure(cell), indent=2) + "\n")
    for text, begin in ((table(), BEGIN), (recipe_table(recipes), RECIPES_BEGIN)):
        print(text)
        write(PAGE, text, begin)


if __name__ == "__main__":
    main()
