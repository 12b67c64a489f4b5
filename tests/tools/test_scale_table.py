"""The tables of docs/scale.md are made of the results that there are."""

import json
import math

import pytest
from tool_files import load_tool

RESULT = {
    "fsdp": 16,
    "remat": "full",
    "microbatches": 2,
    "chips": 256,
    "model_flops": 256e12,
    "hbm_bytes": 3 * 2**30,
    "flops_per_chip": 1.25e12,
    "collectives": {"all-gather": [380, 1.0, 2**29]},
    "compute_seconds": 0.098,
    "memory_seconds": 1.1,
    "interconnect_seconds": 0.007,
    "floor_seconds": 1.1,
    "bound": "memory",
    "utilization": 0.794,
}


@pytest.fixture
def tool(tmp_path, monkeypatch):
    module = load_tool("scale_table")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    return module


def test_rows_of_what_was_measured(tool):
    first, second = tool.CELLS[:2]
    first.file.write_text(json.dumps(RESULT))
    second.file.write_text(json.dumps({**RESULT, "does_not_fit": "needs 31.6 of 15.8 GiB"}))
    head, _, *rows = tool.table().splitlines()
    assert len(rows) == 2
    assert all(row.count("|") == head.count("|") for row in rows)
    assert rows[0].startswith("| ViT-B-16 | v5e-256 | 32k | 16, full, 2 |")
    for part in ("3.0 GiB", "all-gather 380, 512.0 MiB", "(x 1.25)", "98 ms, 1.10 s", "79.4%"):
        assert part in rows[0]
    assert "needs 31.6 of 15.8 GiB" in rows[1]


def test_the_table_goes_between_its_marks(tool, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n")
    tool.write(page, "| new |")
    assert page.read_text() == f"before\n{tool.BEGIN}\n| new |\n{tool.END}\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(SystemExit, match="needs the lines"):
        tool.write(page, "")


def test_rows_of_recipes(tool):
    cells = [tool.Cell("a", "clip", "v5e:4x4"), tool.Cell("b", "gram", "v5e:4x4")]
    cells += [tool.Cell("c", "lit", "v5e:4x4")]  # has no result
    more = {"slice": "v5e:4x4", "batch": 2048, "hbm_bytes": 300 * 2**20, "floor_seconds": 0.0042}
    cells[0].file.write_text(json.dumps({**RESULT, **more}))
    cells[1].file.write_text(json.dumps({**RESULT, **more, "does_not_fit": "needs 31.6 GiB"}))
    head, _, *rows = tool.recipe_table(cells).splitlines()
    assert len(rows) == 2
    assert all(row.count("|") == head.count("|") for row in rows)
    assert rows[0].startswith("| [clip](../configs/clip.py) | v5e:4x4 | 2,048 | 16, 2 | yes |")
    for part in ("300 MiB", "4.2 ms (memory)", "79.4%"):
        assert part in rows[0]
    assert "| no | needs 31.6 GiB |" in rows[1]


def test_every_cell_is_a_recipe(tool):
    for cell in tool.CELLS:
        config = cell.whole()
        assert config.data.batch_size % (256 * config.microbatches) == 0


def test_every_recipe_with_a_paper_variant_has_a_cell(tool):
    cells = {cell.recipe: cell for cell in tool.recipe_cells()}
    assert {"clip", "gram", "hydra"} <= set(cells)
    assert "base" not in cells
    for slice_, recipes in tool.RECIPES_ON.items():
        for recipe in recipes:
            assert cells[recipe].slice == slice_


def test_every_recipes_batch_divides_over_its_slice(tool):
    for cell in tool.recipe_cells():
        chips = math.prod(int(side) for side in cell.slice.partition(":")[2].split("x"))
        whole = cell.whole()
        known = math.prod(size for size in whole.mesh.shape if size > 0)
        data, fsdp, _ = (size if size > 0 else chips // known for size in whole.mesh.shape)
        assert whole.data.batch_size % (data * fsdp) == 0, (cell.recipe, cell.slice)
