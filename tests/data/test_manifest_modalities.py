"""One manifest for any modalities: files, captions by language, numbers; as CSV, JSONL, Parquet."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from third_party import needs

from mmjax.data import BadExample, SourceError, TrainData
from mmjax.data.sources import ManifestSource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView, VectorView

pa = needs("pyarrow")
pq = needs("pyarrow.parquet")


def picture(shade):
    content = io.BytesIO()
    Image.new("RGB", (12, 10), (shade % 256, 80, 160)).save(content, "PNG")
    return content.getvalue()


COLUMNS = {
    "image": "photo",
    "labs": ["sodium", "ph"],
    "imu": "imu",
    "text": {"en": "english", "de": "german"},
}
ARRAYS = ("labs", "imu")


def rows():
    return [
        {
            "photo": f"{i}.png",
            "sodium": 140 + i,
            "ph": None if i == 2 else 7.25,
            "imu": [[1.5 * i, 2.0], [3.0, 4.0]],
            "english": f"number {i}",
            "german": None if i == 1 else f"Nummer {i}",
            "who": f"p{i}",
        }
        for i in range(4)
    ]


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(picture(40 * i))
    return tmp_path


def write(folder, kind, table):
    path = folder / f"table.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table))
    elif kind == "csv":
        lines = [list(table[0])] + [
            ["" if v is None else json.dumps(v) if isinstance(v, list) else v for v in row.values()]
            for row in table
        ]
        import csv

        with open(path, "w", newline="") as file:
            csv.writer(file).writerows(lines)
    else:
        pq.write_table(pa.Table.from_pylist(table), path, row_group_size=3)
    return str(path)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_same_rows_in_every_format(folder, kind):
    source = ManifestSource(
        path=write(folder, kind, rows()),
        columns=COLUMNS,
        arrays=ARRAYS,
        labels={"patient": "who"},
        id_column="who",
    )
    source = pickle.loads(pickle.dumps(source))
    assert len(source) == 4
    assert not source.bad
    assert source.modalities == ("image", "labs", "imu", "text")
    for i in range(4):
        record = source[i]
        assert record["image"] == picture(40 * i)
        np.testing.assert_array_equal(record["labs"], [140 + i, np.nan if i == 2 else 7.25])
        np.testing.assert_array_equal(record["imu"], [[1.5 * i, 2.0], [3.0, 4.0]])
        english = {"en": f"number {i}"}
        assert record["text"] == (english if i == 1 else english | {"de": f"Nummer {i}"})
        assert record["patient"] == f"p{i}"
        first = 2 if kind == "csv" else 1
        assert record["key"] == f"table.{kind} row {i + first} ({i}.png)"
    views = {
        "image": ImageView(size=8),
        "labs": VectorView(dim=2),
        "text": TextView(tokenizer=BytesTokenizer(), length=12, languages=("de", "en")),
    }
    data = TrainData(source, views, batch_size=4, seed=0)
    batch = data[0]
    # The row whose pH is missing is no vector of numbers: it is absent, not filled.
    np.testing.assert_array_equal(batch["labs_present"], batch["id"] != 2)
    assert batch["text_present"].all()


def test_pictures_and_arrays_stay_in_a_parquet_file(folder):
    table = [
        {
            "image": {"bytes": picture(i), "path": None},
            "raw": picture(2 * i),
            "x": [i, 2, 3],
            "caption": [f"one {i}", f"two {i}"],
        }
        for i in range(7)
    ]
    table[4]["image"] = {"bytes": None, "path": None}
    table[5]["caption"] = []
    path = folder / "table.parquet"
    schema = pa.schema(
        {
            "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            "raw": pa.binary(),
            "x": pa.list_(pa.uint8()),
            "caption": pa.list_(pa.string()),
        }
    )
    pq.write_table(pa.Table.from_pylist(table, schema), path, row_group_size=3)
    columns = {"image": "image", "other": "raw", "x": "x", "text": "caption"}
    source = ManifestSource(path=str(path), columns=columns)
    assert [record["id"] for record in source] == [0, 1, 2, 3, 6]
    assert [(e.key, e.field, e.reason) for e in source.bad] == [
        ("table.parquet row 5", "image", "no file is named"),
        ("table.parquet row 6", "text", "the caption is empty"),
    ]
    record = source[4]
    assert record["image"] == picture(6)
    assert record["other"] == picture(12)
    assert record["x"].dtype == np.uint8
    np.testing.assert_array_equal(record["x"], [6, 2, 3])
    assert record["text"] == ["one 6", "two 6"]
    assert len(pickle.dumps(source)) < 5000
    found = ManifestSource(path=str(path))  # by the well-known names
    assert found.modalities == ("image", "text")
    optional = ManifestSource(path=str(path), columns=columns, optional=("image", "text"))
    assert len(optional) == 7
    assert "image" not in optional[4]


def test_what_is_wrong_is_named_by_row_and_field(folder):
    table = rows() + [{**rows()[0], "photo": f"{i % 4}.png", "who": f"q{i}"} for i in range(7)]
    table[4]["photo"] = [1.0, 2.0]  # an array, where the others name files
    table[5]["imu"] = [1.0, 2.0, 3.0]  # one axis, where the others have two
    table[6]["imu"] = [[1.0], [2.0, 3.0]]
    table[7]["sodium"] = "high"
    table[8]["who"] = "p1"
    table[9]["sodium"] = table[9]["ph"] = None
    table[10]["imu"] = "stand still"
    path = write(folder, "jsonl", table)
    source = ManifestSource(
        path=path, columns=COLUMNS, arrays=ARRAYS, id_column="who", group_rows=False
    )
    assert len(source) == 4
    assert {
        (e.key.split(" (")[0].removeprefix("table.jsonl "), e.field): e.reason for e in source.bad
    } == {
        ("row 5", "image"): "it is an array of 1 axes, where row 1 has the name of a file",
        ("row 6", "imu"): "it is an array of 1 axes, where row 1 has an array of 2 axes",
        ("row 7", "imu"): "its lists are not all of one length",
        ("row 8", "labs"): "'sodium' is 'high', not a number",
        ("row 9", "who"): "the id 'p1' is already that of table.jsonl row 2 (1.png)",
        ("row 10", "labs"): "it holds no numbers",
        ("row 11", "imu"): "it is not a JSON list (Expecting value: line 1 column 1 (char 0))",
    }
    with pytest.raises(SourceError, match=r"7 of 11 rows cannot be used.*row 5.*row 6.*And 4 more"):
        ManifestSource(
            path=path,
            columns=COLUMNS,
            arrays=ARRAYS,
            id_column="who",
            on_error="fail",
            group_rows=False,
        )


def test_several_tables_are_one(folder):
    for i in range(3):
        (folder / f"part-{i}.jsonl").write_text(
            "".join(
                json.dumps({"x": [i, j], "text": f"{i} {j}", "id": f"{i}{j}"}) + "\n"
                for j in range(2 + i)
            )
        )
    options = {"columns": {"x": "x", "text": "text"}, "arrays": ("x",), "id_column": "id"}
    source = ManifestSource(path=str(folder / "part-*.jsonl"), **options)
    assert [record["text"] for record in source] == [
        "0 0",
        "0 1",
        "1 0",
        "1 1",
        "1 2",
        "2 0",
        "2 1",
        "2 2",
        "2 3",
    ]
    assert [record["id"] for record in source] == list(range(9))
    assert source[4]["key"] == "part-1.jsonl row 3"
    (folder / "part-3.jsonl").write_text(
        '{"x": [[1]], "text": "c", "id": "40"}\n{"x": [1], "text": "d", "id": "00"}\n'
    )
    source = ManifestSource(path=str(folder / "part-*.jsonl"), **options)
    assert [str(error) for error in source.bad] == [
        "part-3.jsonl row 1: x: it is an array of 2 axes, where part-0.jsonl row 1 has an array of "
        "1 axes.",
        "part-3.jsonl row 2: id: the id '00' is already that of part-0.jsonl row 1.",
    ]
    with pytest.raises(SourceError, match="no table is found by"):
        ManifestSource(path=str(folder / "none-*.jsonl"), **options)
    (folder / "part-4.jsonl").write_text('{"y": [1], "text": "c", "id": "50"}\n')
    with pytest.raises(SourceError, match=r"part-4.jsonl: the column for 'x' \(x\) is missing"):
        ManifestSource(path=str(folder / "part-*.jsonl"), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"columns": {"image": "photo", "labs": ["sodium", "pH2"]}},
            r"for 'labs' \(pH2\) is missing.*'ph' is the nearest",
        ),
        ({"columns": {"image": {"en": "photo"}}}, "by language, which only captions have"),
        ({"columns": {"text": "english"}, "arrays": ("text",)}, "a caption by its name"),
        ({"columns": {"text": "english"}, "arrays": ("labs",)}, "arrays names 'labs'"),
    ],
)
def test_options_that_fit_no_table(folder, options, message):
    with pytest.raises(SourceError, match=message):
        ManifestSource(path=write(folder, "jsonl", rows()), **options)


def test_parquet_files_that_are_none(folder):
    path = write(folder, "parquet", rows())
    content = (folder / "table.parquet").read_bytes()
    for damaged in (b"", b"PAR1", content[:-20], b"x" * 400, content[:4] + content[40:]):
        (folder / "table.parquet").write_bytes(damaged)
        with pytest.raises(SourceError, match=r"table.parquet"):
            ManifestSource(path=path, columns=COLUMNS, arrays=ARRAYS)


def test_a_file_that_changes_under_a_run_is_a_bad_example(folder):
    path = folder / "table.parquet"
    pq.write_table(pa.table({"x": [[1.0, 2.0]] * 9, "text": ["a"] * 9}), path)
    columns = {"x": "x", "text": "text"}
    source = ManifestSource(path=str(path), columns=columns, check_files=False)
    path.write_bytes(b"PAR1")
    with pytest.raises(BadExample, match=r"row 4: x: the file .* cannot be read"):
        source[3]
