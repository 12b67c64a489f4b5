"""Further columns of a modality, sources of any modality, and series in CSV."""

import json

import numpy as np
import own_data_files
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from third_party import needs

from mmjax.data import SourceError, TrainData
from mmjax.data.formats.signal import SignalError
from mmjax.data.formats.signal_files import read_signal
from mmjax.data.rows import bad_examples
from mmjax.data.sources import FolderSource, ManifestSource, MemorySource, WebDatasetSource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import TextView, VectorView
from mmjax.evaluators.data import EvalData, embed

COLUMNS = {"x": "a", "x@second": "b", "text": "question", "text@answer": "answer"}
VIEWS = {"x": VectorView(dim=2), "x@second": VectorView(dim=2), "x@2": VectorView(dim=2, noise=1.0)}
VIEWS |= {name: TextView(tokenizer=BytesTokenizer(), length=8) for name in ("text", "text@answer")}


def table(folder, count=8, **changes):
    rows = [
        {"a": [i, 1], "b": [i, 2], "question": f"q{i}", "answer": f"a{i}"} | changes.get(str(i), {})
        for i in range(count)
    ]
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return ManifestSource(path=str(path), columns=COLUMNS)


def test_a_view_reads_the_column_of_its_own_name(tmp_path):
    source = table(tmp_path)
    assert source.modalities == tuple(COLUMNS)
    batch = TrainData(source, VIEWS, batch_size=8, seed=0)[0]
    np.testing.assert_array_equal(batch["x"][:, 1], np.ones(8))
    np.testing.assert_array_equal(batch["x@second"][:, 1], np.full(8, 2.0))
    np.testing.assert_array_equal(batch["x"][:, 0], batch["x@second"][:, 0])  # of one row
    assert (np.round(batch["x@2"] - batch["x"]) != 0).any()  # a second view of `a`, with noise
    letters = {
        name: {bytes([row[1]]) for row in batch[name] - 3} for name in ("text", "text@answer")
    }
    assert letters["text"] != letters["text@answer"]
    assert {key for key in batch if key.endswith("_present")} == {"x_present", "text_present"}


def test_a_row_without_one_of_the_columns_is_without_the_modality(tmp_path):
    source = table(tmp_path, **{"3": {"b": [1, 2, 3]}})
    data = TrainData(source, VIEWS, batch_size=8, seed=0)
    batch = data[0]
    lacking = batch["id"] == 3
    np.testing.assert_array_equal(batch["x_present"], ~lacking)
    assert not batch["x"][lacking].any()
    assert batch["text_present"].all()
    assert [(each.field, each.key) for each in bad_examples(source, VIEWS)] == [
        ("x@second", "rows.jsonl row 4")
    ]


def test_only_some_sources_of_a_mixture_with_the_column_are_refused(tmp_path):
    other = MemorySource(data={"x": np.ones((8, 2), np.float32)})
    views = {name: VIEWS[name] for name in ("x", "x@second")}
    with pytest.raises(ValueError, match=r"'x@second' .* another source .* 'plain' has not"):
        TrainData({"pairs": table(tmp_path), "plain": other}, views, batch_size=4, seed=0)


def test_both_columns_are_embedded_by_the_tower_of_the_modality(tmp_path):
    class Model:
        modalities = ("x",)

        def embed(self, modality, array, layer="unit"):
            assert modality == "x"
            return array / np.linalg.norm(array, axis=1, keepdims=True)

    found = embed(Model(), EvalData(table(tmp_path), VIEWS))
    assert set(found) == {"x", "x@second"}
    expected = np.array([[i, 2] for i in range(8)]) / np.hypot(np.arange(8), 2)[:, None]
    np.testing.assert_allclose(found["x@second"].unit, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("modality", "ending"), [("audio", ".wav"), ("imu", ".npy"), ("video", ".MP4")]
)
def test_folders_and_shards_of_any_modality_are_the_same_examples(tmp_path, modality, ending):
    samples = {}
    for i in range(4):
        content, text = b"file %d" % i, f"text {i}"
        (tmp_path / f"{i}{ending}").write_bytes(content)
        (tmp_path / f"{i}.txt").write_text(text)
        samples |= {
            f"{i}{ending}": content,
            f"{i}.txt": text.encode(),
            f"{i}.cls": b" %d\n" % (i % 2),
        }
    own_data_files.shard(tmp_path / "a.tar", samples)
    options = {"modality": modality}
    folder = FolderSource(path=str(tmp_path), **options)
    shards = WebDatasetSource(path=str(tmp_path / "a.tar"), **options)
    for source in (folder, shards):
        assert source.modalities == (modality, "text")
        assert [(r[modality], r["text"]) for r in source] == [
            (b"file %d" % i, f"text {i}") for i in range(4)
        ]
    assert shards.label_fields == ("label",)
    assert [r["label"] for r in shards] == ["0", "1", "0", "1"]
    members = {"x": (ending,), "x@second": ("txt",)}
    named = WebDatasetSource(path=str(tmp_path / "a.tar"), members=members)
    assert [(r["x"], r["x@second"]) for r in named][1] == (b"file 1", b"text 1")


def test_what_img2dataset_writes_is_read_in_each_of_its_formats(tmp_path):
    own_data_files.make(tmp_path)
    expected = [(own_data_files.picture(i, "JPEG"), own_data_files.caption(i)) for i in range(48)]
    shards = WebDatasetSource(path=str(tmp_path / "shards"))
    assert [(r["image"], r["text"]) for r in shards] == expected
    files = tmp_path / "files" / "00000"
    files.mkdir(parents=True)
    for i, (image, text) in enumerate(expected):
        (files / f"{i:09}.jpg").write_bytes(image)
        (files / f"{i:09}.txt").write_text(text)
        (files / f"{i:09}.json").write_text("{}")
    folder = FolderSource(path=str(tmp_path / "files"))
    assert [(r["image"], r["text"]) for r in folder] == expected
    pa, parquet = needs("pyarrow"), needs("pyarrow.parquet")
    columns = {
        "caption": [t for _, t in expected],
        "key": list(map(str, range(48))),
        "jpg": [i for i, _ in expected],
    }
    parquet.write_table(pa.table(columns), tmp_path / "00000.parquet")
    stored = ManifestSource(path=str(tmp_path / "0*.parquet"))
    assert [(r["image"], r["text"]) for r in stored] == expected


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (
            ("a.wav", "b.wav", "c.mp4"),
            {},
            r"no image files .*, but 2 files \.wav: set modality='audio'",
        ),
        (("0.tar",), {}, r"1 files \.tar: set type='webdataset'"),
        (("r.hea", "r.dat"), {"modality": "ecg"}, r"no ecg files .*set type='wfdb'"),
        (("a.png",), {"modality": "audio"}, r"no audio files .*set modality='image'"),
        (("rows.csv",), {}, "set type='manifest' and the path of the table"),
        ((), {"modality": "video"}, r"holds no video files \(\.mp4.*\.gif\)$"),
        (("a.txt",), {"modality": "text"}, "modality='text' should be that of the captioned files"),
    ],
)
def test_a_folder_of_other_files_says_what_to_set(tmp_path, files, options, message):
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=message):
        FolderSource(path=str(tmp_path), **options)


@pytest.mark.parametrize("extensions", [(), ("",), (".",)])
def test_members_without_an_extension_are_refused(tmp_path, extensions):
    with pytest.raises(SourceError, match="members gives 'audio' the extensions"):
        WebDatasetSource(path=str(tmp_path), members={"audio": extensions})


numbers = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)
)


@given(
    x=numbers,
    delimiter=st.sampled_from(",;\t"),
    header=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_a_series_in_csv_is_its_numbers(x, delimiter, header, ending):
    names = tuple(f"channel {i}" for i in range(x.shape[1]))
    lines = [delimiter.join(map(repr, row)) for row in x.tolist()]
    text = ending.join([delimiter.join(names), *lines] if header else lines)
    signal = read_signal(text.encode("utf-8-sig"))
    np.testing.assert_array_equal(signal.samples, x)
    assert signal.channels == (names if header else ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "different numbers of cells"),
        ("x,y\n1,2,3\n", "different numbers of cells"),
        ("x,y\n", "a header only"),
        ("x,y\n1,2\n3,walking\n", "line 3 of the CSV holds 'walking', which is no number"),
        ("2020-01-01,1\n", "line 1 of the CSV holds '2020-01-01'"),
    ],
)
def test_a_csv_that_is_no_series_says_why(text, message):
    with pytest.raises(SignalError, match=message):
        read_signal(text.encode())
    assert np.isnan(read_signal(b"1,2\n,3\n").samples[1, 0])
