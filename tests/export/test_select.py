"""`mmjax data select`: scores are the cosines of the model, and a recipe trains on the best."""

import numpy as np
import pytest
from PIL import Image
from third_party import needs

import mmjax
from mmjax import beam
from mmjax.commands import select
from mmjax.data import SOURCES
from mmjax.errors import ConfigError


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["image,text"]
    for i in range(5):
        pixels = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        lines += [f"{i}.png,a dog number {i}"] + [f"{i}.png,another {i}"] * (i % 2)
    (tmp_path / "3.png").write_bytes(b"no image")
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_scores_are_cosines_and_the_best_are_chosen(run_of, table, tmp_path, set_flags, capsys):
    flags = dict(model=run_of("clip"), data=table, batch_size=2)
    set_flags(**flags, out=tmp_path / "s.npz", shard="0/1")
    select.main(None, [])
    said = capsys.readouterr().out
    assert "s.npz: 4 of 5 records have a score" in said
    assert "left out: " in said
    with np.load(tmp_path / "s.npz") as file:
        found = {name: file[name] for name in file.files}
    model = mmjax.load(run_of("clip"))
    for i in (0, 1, 2, 4):
        texts = [f"a dog number {i}"] + [f"another {i}"] * (i % 2)
        unit = model.encode(image=[table.parent / f"{i}.png"])
        best = (model.encode(text=texts) @ unit[0]).max()
        assert found["score"][i] == pytest.approx(best, abs=1e-5)
    assert np.isnan(found["score"][3])
    assert found["row"].tolist() == list(range(5))

    spec = {
        "type": "selected",
        "source": {"type": "manifest", "path": str(table)},
        "scores": str(tmp_path / "s.npz"),
        "top": 0.5,
    }
    source = SOURCES.parse(spec, "data.source", "a test").build()
    order = np.argsort(-found["score"], kind="stable")  # NaN comes last
    assert [source.id_of(i) for i in range(len(source))] == found["id"][np.sort(order[:2])].tolist()

    for number in range(2):
        set_flags(**flags, out=tmp_path / "part.npz", shard=f"{number}/2")
        select.main(None, [])
    spec["scores"] = str(tmp_path / "part-*.npz")
    parts = SOURCES.parse(spec, "data.source", "a test").build()
    assert parts.rows.tolist() == source.rows.tolist()
    np.testing.assert_allclose(parts.scores, source.scores, atol=1e-5)


def test_a_pipeline_scores_all_parts(run_of, table, tmp_path, set_flags):
    needs("apache_beam")
    flags = dict(model=run_of("clip"), data=table, batch_size=2)
    set_flags(**flags, do="select", out=tmp_path / "out", parts=2)
    beam.main(None, [])
    set_flags(**flags, out=tmp_path / "s.npz", shard="0/1")
    select.main(None, [])
    names = sorted(f.name for f in (tmp_path / "out").iterdir())
    assert names == [f"scores-0000{i}-of-00002.npz" for i in range(2)]
    parts = [np.load(tmp_path / "out" / name) for name in names]
    with np.load(tmp_path / "s.npz") as whole:
        for name in ("row", "id", "score"):
            joined = np.concatenate([part[name] for part in parts])
            np.testing.assert_allclose(joined, whole[name], atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"out": "s.csv"}, r"--out=s\.csv: end it in \.npz"),
        ({"pair": "image,audio"}, "--pair=image,audio: a score is of two modalities.* image, text"),
        ({"pair": "image"}, "--pair=image: a score is of two modalities"),
        ({"model": None}, "--model"),
        ({"data": None}, "say which data"),
    ],
)
def test_what_does_not_fit_is_a_sentence(run_of, table, tmp_path, set_flags, flags, message):
    given = dict(model=run_of("clip"), data=table, batch_size=2, out="s.npz", shard="0/1")
    given |= flags
    set_flags(**{name: value for name, value in given.items() if value is not None})
    with pytest.raises(ConfigError, match=message):
        select.main(None, [])
