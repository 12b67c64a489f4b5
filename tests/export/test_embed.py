"""`python -m mmjax.embed`: the rows are the items, and the embeddings those of the model."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from own_data_files import shard
from PIL import Image
from third_party import needs

import mmjax
from mmjax import beam, embed, explore
from mmjax.commands import data_source as command
from mmjax.data import SourceError
from mmjax.data.sources import FeaturesSource, MemorySource, WebDatasetSource
from mmjax.errors import ConfigError
from mmjax.report import explore as explore_lib


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    file = tmp_path / "pairs.csv"
    file.write_text("image,text\na.png,a dog\na.png,the same dog\nb.png,a cat\n")
    return file


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_embeddings_of_a_table(run_of, table, tmp_path, suffix):
    model = mmjax.load(run_of("clip"))
    columns = embed.table(model, command.source_of(str(table)), batch_size=2)
    out = tmp_path / f"e{suffix}"
    embed.write(columns, out)
    if suffix == ".npz":
        with np.load(out) as file:
            found = {name: file[name] for name in file.files}
    else:
        parquet = needs("pyarrow.parquet")
        read = parquet.read_table(out)
        found = {name: np.array(read[name].to_pylist()) for name in read.column_names}
    assert found["modality"].tolist() == ["image"] * 2 + ["text"] * 3
    assert found["alternative"].tolist() == [0, 0, 0, 1, 0]
    texts = model.encode(text=["a dog", "the same dog", "a cat"])
    np.testing.assert_allclose(found["embedding"][2:], texts, atol=1e-6)
    images = model.encode(image=[table.parent / "a.png", table.parent / "b.png"])
    np.testing.assert_allclose(found["embedding"][:2], images, atol=1e-6)
    ids = found["id"]
    assert ids[2] == ids[3] == ids[0] != ids[1] == ids[4]


def test_parts_are_the_whole(run_of, table, tmp_path, set_flags):
    flags = dict(model=run_of("clip"), data=table, batch_size=2)
    set_flags(**flags, out=tmp_path / "whole.npz", shard="0/1")
    embed.main(None, [])
    whole = FeaturesSource(files={"image": str(tmp_path / "whole.npz")})
    for number in range(2):
        assert not (tmp_path / "e.npz").exists()
        set_flags(**flags, out=tmp_path / "e.npz", shard=f"{number}/2")
        embed.main(None, [])
        pattern = str(tmp_path / "e-*.npz")
        if number == 0:
            with pytest.raises(SourceError, match="finds 1 files, of 2 parts"):
                FeaturesSource(files={"image": pattern})
    joined = FeaturesSource(files={"image": pattern})
    assert [r["key"] for r in joined] == [r["key"] for r in whole]
    assert [r["id"] for r in joined] == [r["id"] for r in whole]
    for one, other in zip(joined, whole, strict=True):
        np.testing.assert_allclose(one["image"], other["image"], atol=1e-6)


def test_a_pipeline_embeds_all_parts(run_of, table, tmp_path, set_flags):
    needs("apache_beam")
    parquet = needs("pyarrow.parquet")
    flags = dict(model=run_of("clip"), data=table, batch_size=2)
    set_flags(**flags, do="embed", out=tmp_path / "out", parts=2)
    beam.main(None, [])
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [f.name for f in files] == [f"embeddings-0000{i}-of-00002.parquet" for i in range(2)]
    assert all((tmp_path / "out" / f"{f.name}.json").is_file() for f in files)  # for `search`
    found = [row for file in files for row in parquet.read_table(file).to_pylist()]
    set_flags(**flags, out=tmp_path / "e.npz", shard="0/1")
    embed.main(None, [])
    with np.load(tmp_path / "e.npz") as whole:
        order = [(row["modality"], row["id"], row["alternative"]) for row in found]
        columns = (whole[name].tolist() for name in ("modality", "id", "alternative"))
        places = [order.index(row) for row in zip(*columns, strict=True)]
        assert sorted(places) == list(range(len(order)))
        vectors = np.array([found[i]["embedding"] for i in places])
        np.testing.assert_allclose(vectors, whole["embedding"], atol=1e-5)


def test_a_folder_of_tars_is_shards(tmp_path):
    for i in range(2):
        shard(tmp_path / f"{i}.tar", {f"{i}.png": b"x", f"{i}.txt": b"a dog"})
    for data in (tmp_path, tmp_path / "0.tar", tmp_path / "*.tar"):
        source = command.source_of(str(data))
        assert isinstance(source, WebDatasetSource)
        assert source[0]["text"] == "a dog"
    assert len(command.source_of(str(tmp_path))) == 2


def test_what_has_nothing_in_common(run_of, tmp_path):
    audio = MemorySource(data={"audio": [np.zeros(4, np.float32)]})
    with pytest.raises(ConfigError, match="the data have audio and the model reads image, text"):
        embed.table(mmjax.load(run_of("clip")), audio)


def explored(*words):
    """Runs `mmjax explore` on the words."""
    with flagsaver.flagsaver():
        flags.FLAGS(["explore", *words])
        explore.main(None, [])


def test_a_page_of_a_model_and_of_what_it_embedded(run_of, table, tmp_path, capsys):
    run, page = run_of("clip"), tmp_path / "page.html"
    explored(f"--model={run}", f"--data={table}", f"--out={page}")
    assert "5 items of image, text" in capsys.readouterr().out
    assert '"pictures": ["' in page.read_text()
    index = tmp_path / "e.npz"
    embed.write(embed.table(mmjax.load(run), command.source_of(str(table))), index)
    explored(f"--model={index}", f"--out={page}")
    assert "the same dog" in page.read_text()
    with pytest.raises(ConfigError, match="leave out --data"):
        explored(f"--model={index}", f"--data={table}")


def test_the_plane_of_umap():
    needs("umap")
    random = np.random.default_rng(0)
    unit = random.normal(size=(40, 8)).astype(np.float32) * 0.01
    unit[:20, 0] += 1
    unit[20:, 1] += 1
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    names = [{"key": str(n)} for n in range(40)]
    items = explore_lib.Items(("image",), np.zeros(40, int), unit, np.arange(40), names)
    found = explore_lib.planes(items)["UMAP"]
    centres = found[:20].mean(0), found[20:].mean(0)
    spread = max(np.linalg.norm(found[:20] - centres[0], axis=1).max(), 1e-9)
    assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_the_commands_of_the_page(run_of, table, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "explore.md"
    commands = re.findall(r"^    mmjax (explore|embed) (.*)$", page.read_text(), re.MULTILINE)
    monkeypatch.chdir(table.parent)
    shutil.copytree(run_of("clip"), "runs/clip")
    for name, words in commands:
        with flagsaver.flagsaver():
            flags.FLAGS([name, *f"--model={words}".split()])
            {"explore": explore, "embed": embed}[name].main(None, [])
    for file in ("runs/clip/explore.html", "explore.html"):
        assert "Nearest" in Path(file).read_text()
