"""A user's own folder or table: every way to write one is read, and what is wrong is named."""

import csv
import io
import json
import os
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmjax.data import BadExample, BadRows, SourceError, TrainData
from mmjax.data.sources import FolderSource, ManifestSource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView


def picture(shade=0):
    content = io.BytesIO()
    Image.new("RGB", (12, 10), (shade % 256, 80, 160)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Images a.png .. e.png of different shades."""
    for i, name in enumerate("abcde"):
        (tmp_path / f"{name}.png").write_bytes(picture(40 * i))
    return tmp_path


def table(folder, text, name="captions.csv", **options):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return ManifestSource(path=str(path), **options)


def pairs(source):
    return [
        (record["image"], record["text"]) for record in map(source.__getitem__, range(len(source)))
    ]


def test_a_csv_with_three_bad_rows_names_all_three_with_their_row(folder):
    (folder / "b.png").write_bytes(picture()[:50])
    (folder / "captions.csv").write_text(
        "image,caption\na.png,an apple\nb.png,cut off\nc.png,\nx.png,gone\ne.png,an elf\n"
    )
    views = {"image": ImageView(size=8), "text": TextView(tokenizer=BytesTokenizer(), length=16)}
    report = BadRows(folder / "bad_rows.jsonl")
    source = FolderSource(path=str(folder))
    assert source.describe().startswith(f"{folder}/captions.csv: 3 examples, 2 bad rows skipped")
    data = TrainData(source, views, batch_size=3, seed=0, report=report)
    batches = data.iter_from(0)
    batch = next(batches)
    batches.close()
    assert sorted(batch["id"]) == [0, 1, 4]
    assert batch["image_present"].tolist() == [i != 1 for i in batch["id"]]
    report.close()

    rows = [json.loads(line) for line in report.path.read_text().splitlines()]
    named = {(row["key"], row["field"]): row["reason"] for row in rows}
    assert set(named) == {
        ("captions.csv row 3 (b.png)", "image"),
        ("captions.csv row 4 (c.png)", "text"),
        ("captions.csv row 5 (x.png)", "image"),
    }
    assert "damaged or cut off" in named["captions.csv row 3 (b.png)", "image"]
    assert "does not exist" in named["captions.csv row 5 (x.png)", "image"]
    assert "3 bad examples" in report.summary()

    with pytest.raises(SourceError, match=r"2 of 5 rows.*row 4.*row 5"):
        FolderSource(path=str(folder), on_error="fail")


EXPECTED = [
    ("a.png", "one"),
    ("b.png", 'two, "quoted"'),
    ("c.png", "שלום עולם"),
    ("d.png", "é\nline"),
]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_marks_ends_and_quotes_of_every_kind(folder, mark, end, kind):
    if kind == "jsonl":
        lines = [json.dumps({"image": i, "text": t}, ensure_ascii=False) for i, t in EXPECTED]
    else:
        comma = "," if kind == "csv" else "\t"
        quoted = [(i, '"' + t.replace('"', '""') + '"') for i, t in EXPECTED]
        lines = [comma.join(row) for row in [("image", "text"), *quoted]]
    content = mark + end.join([*lines, ""]).encode()
    source = table(folder, content, f"table.{kind}")
    # A line break inside of a quoted cell is a part of the caption, whatever follows the rows.
    assert pairs(source) == [((folder / i).read_bytes(), t) for i, t in EXPECTED]
    assert not source.bad


def test_utf_16_of_a_spreadsheet_and_latin_1_by_name(folder):
    text = "image,text\na.png,Äpfel\n"
    assert pairs(table(folder, text.encode("utf-16")))[0][1] == "Äpfel"
    assert pairs(table(folder, text.encode("latin-1"), encoding="latin-1"))[0][1] == "Äpfel"
    with pytest.raises(SourceError, match=r"row 2: row: the column 'text' is not valid text"):
        table(folder, text.encode("latin-1"))


def test_rows_that_cannot_be_right_are_left_out_by_number(folder):
    source = table(
        folder,
        "image,text\n"
        "a.png,good\n"
        "b.png,one,too many\n"
        "c.png\n"
        '\nd.png,"a "stray" quote"\n'
        "http://x/y.png,far\n"
        ",no file\n"
        "e.png,good too\n",
    )
    assert [text for _, text in pairs(source)] == ["good", "good too"]
    named = [(error.key, error.reason) for error in source.bad]
    keys = [key for key, _ in named]
    assert keys == [f"captions.csv row {n}" for n in (3, 4, 6)] + [
        "captions.csv row 7 (y.png)",
        "captions.csv row 8",
    ]
    for (_, reason), part in zip(
        named, ["3 cells", "1 cells", "line 6", "an address", "no file is named"], strict=True
    ):
        assert part in reason


def test_jsonl_with_rows_of_many_shapes(folder):
    rows = [
        {"image": "a.png", "text": ["one", "", "two"], "id": 1, "kind": []},
        {"image": "b.png", "text": 5},
        {"image": "c.png"},
        ["d.png", "text"],
        {"image": "d.png", "text": "\ud800"},
        {"image": ["a.png", "b.png"], "text": "x"},
        {"image": "e.png", "text": "last", "id": 1, "kind": "fruit"},
        {"image": "d.png", "text": "fine", "id": [], "kind": None},
    ]
    text = "\n".join([*map(json.dumps, rows), "{broken", "[" * 100_000])
    source = table(folder, text, "t.jsonl", labels={"kind": "kind"})
    assert [record["text"] for record in source] == [["one", "two"], "last", "fine"]
    assert [record.get("kind") for record in source] == [None, "fruit", None]
    assert [error.key.split()[2] for error in source.bad] == [*list("23456"), "9", "10"]
    unique = table(folder, text, "t.jsonl", id_column="id")
    assert [record["text"] for record in unique] == [["one", "two"]]
    reasons = {error.key: error.reason for error in unique.bad}
    assert reasons["t.jsonl row 7 (e.png)"] == "the id 1 is already that of t.jsonl row 1 (a.png)"
    assert reasons["t.jsonl row 8 (d.png)"] == "the id is empty"


def test_paths_may_be_absolute_lead_out_of_the_folder_and_name_one_file_in_two_ways(folder):
    inner = folder / "tables"
    inner.mkdir()
    source = table(
        inner,
        f"image,text\n../a.png,up\n{folder}/b.png,absolute\n./../a.png,up again\n../a.png,up\n",
    )
    assert pairs(source) == [
        ((folder / "a.png").read_bytes(), ["up", "up again"]),
        ((folder / "b.png").read_bytes(), "absolute"),
    ]
    assert "2 rows joined" in source.describe()
    apart = table(inner, "image,text\na.png,up\na.png,again\n", root=str(folder), group_rows=False)
    assert [text for _, text in pairs(apart)] == ["up", "again"]
    assert [record["id"] for record in apart] == [0, 1]


def test_named_columns_alternatives_labels_and_missing_cells(folder):
    text = "pic,short,long,class\na.png,cat,a cat sits,animal\nb.png,,only this,\nc.png,,,x\n"
    source = table(
        folder,
        text,
        columns={"image": "pic", "text": ("short", "long")},
        labels={"group": "class"},
        optional=("text",),
    )
    assert [record.get("text") for record in source] == [["cat", "a cat sits"], "only this", None]
    assert source[0]["group"] == "animal"
    assert source.may_lack == ("text",)
    lists = table(folder, 'image,text\na.png,"[""x"", ""y""]"\nb.png,x\n', json_lists=True)
    assert lists[0]["text"] == ["x", "y"]
    assert "not a JSON list" in lists.bad[0].reason


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("image;caption\na.png;x\n", {}, r"'image' .* is missing.*'image;caption'"),
        ("image,captoin\na.png,x\n", {}, "of which 'captoin' is the nearest"),
        ("Pic,text\na.png,x\n", {"columns": {"image": "pic", "text": "text"}}, "'Pic' is the near"),
        ("image,text\n", {}, "holds no rows"),
        ("", {}, "is empty"),
        ("image,text\na.png,x\n", {"labels": {"group": "kind"}}, "the column for 'group'"),
        ("image,text\na.png,x\n", {"id_column": "key"}, "the column for 'id_column'"),
        ("image,text\na.png,x\n", {"split": "test"}, "split is 'test'"),
        ("image,text\na.png,x\n", {"optional": ("sound",)}, "optional names 'sound'"),
        ("image,text\na.png,x\n", {"encoding": "utf-9"}, "no encoding 'utf-9'"),
        ("image,text\nx.png,x\n", {}, "1 of 1 rows cannot be used"),
        ('image,text\na.png,"x\n', {}, "line 2 is never closed"),
        ("image,text\na.png,x\n", {"format": "auto", "name": "t.txt"}, "does not tell the format"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_sentence(folder, text, options, message):
    with pytest.raises(SourceError, match=message):
        table(folder, text, **options)


def test_missing_places_say_what_is_there(folder):
    with pytest.raises(SourceError, match=r"there is no table .*holds a\.png"):
        ManifestSource(path=str(folder / "caption.csv"))
    with pytest.raises(SourceError, match="use type='folder'"):
        ManifestSource(path=str(folder))
    with pytest.raises(SourceError, match="use type='manifest'"):
        FolderSource(path=str(folder / "a.png"))
    with pytest.raises(SourceError, match="5 image files but no captions"):
        FolderSource(path=str(folder))


def test_sidecars_and_subfolders(folder):
    (folder / "a.txt").write_text("\ufeffan apple\r\n\r\na fruit\r\n", encoding="utf-8")
    (folder / "b.txt").write_text("\n \n")
    (folder / "c.txt").write_bytes(b"\xff\xfe caption")
    source = FolderSource(path=str(folder))
    assert pairs(source) == [((folder / "a.png").read_bytes(), ["an apple", "a fruit"])]
    assert {(error.key, error.field) for error in source.bad} == {
        (f"{name}.png", "text") for name in "bcde"
    }
    assert "the .txt file beside each image" in source.describe()

    nested = folder / "nested"
    for place in ("golden_retriever", "cat-or-dog"):
        (nested / place).mkdir(parents=True)
        (nested / place / "1.PNG").write_bytes(picture(7))
    (nested / "golden_retriever" / "._1.png").write_bytes(b"not a picture")
    (nested / "loose.png").write_bytes(picture(9))
    (nested / "cat-or-dog" / "up").symlink_to(nested)  # goes round in circles
    (nested / "linked").symlink_to(nested / "golden_retriever")
    source = FolderSource(path=str(nested))
    assert [(r["key"], r["text"], r["group"]) for r in source] == [
        (os.path.join("cat-or-dog", "1.PNG"), "cat or dog", "cat or dog"),
        (os.path.join("golden_retriever", "1.PNG"), "golden retriever", "golden retriever"),
        (os.path.join("linked", "1.PNG"), "linked", "linked"),
    ]
    assert [r["label"] for r in source] == ["0", "1", "2"]
    assert source.labels("group") == ["cat or dog", "golden retriever", "linked"]
    assert [error.key for error in source.bad] == ["loose.png"]


def test_splits_are_disjoint_whole_and_stay_when_rows_come_and_go(tmp_path):
    for i in range(60):
        (tmp_path / f"{i}.png").write_bytes(picture(i))

    def keys(count, split):
        rows = "".join(f"{i}.png,caption {i}\n" for i in range(count))
        source = table(tmp_path, "image,text\n" + rows, split=split, val_fraction=0.3)
        assert source.id_limit == count
        assert all(record["text"] == f"caption {record['id']}" for record in source)
        return {record["key"] for record in source}

    train, val = keys(60, "train"), keys(60, "val")
    assert not train & val
    assert train | val == keys(60, "all")
    assert 8 <= len(val) <= 28
    assert keys(40, "val") == val & keys(40, "all")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patients=st.lists(st.sampled_from(["7", "8 ", "9.0", "é", " "]), min_size=1, max_size=20))
def test_rows_of_one_value_of_split_by_are_in_one_split(folder, patients):
    rows = "image,text,who\na.png,x,first\n"  # so that some row is usable
    rows += "".join(f"a.png,caption {i},{who}\n" for i, who in enumerate(patients))
    options = {"labels": {"who": "who"}, "split_by": "who", "group_rows": False}
    whole = table(folder, rows, **options)
    assert "split by 'who'" in whole.describe()
    assert len(whole) == 1 + sum(who != " " for who in patients)
    assert all(b.field == "who" and "decides the split" in b.reason for b in whole.bad)
    sides = {}
    for record in whole:
        sides.setdefault(record["who"].strip(), []).append(record["id"])
    for split in ("train", "val"):
        try:
            chosen = {r["id"] for r in table(folder, rows, split=split, **options)}
        except SourceError as error:  # all of them are on the other side
            assert "is empty" in str(error)  # noqa: PT017
            continue
        for ids in sides.values():
            assert chosen >= {*ids} or not chosen & {*ids}


def test_a_column_to_split_by_has_to_be_there(folder):
    with pytest.raises(SourceError, match=r"the column for 'split_by' .*'patient' is the nearest"):
        table(folder, "image,text,patient\na.png,x,1\n", split_by="patients")


def test_a_file_that_vanishes_later_is_a_bad_example(folder):
    source = table(folder, "image,text\na.png,x\nb.png,y\n")
    (folder / "a.png").unlink()
    (folder / "b.png").write_bytes(b"")
    for index, reason in ((0, "does not exist"), (1, "is empty")):
        with pytest.raises(BadExample, match=reason) as caught:
            source[index]
        assert (caught.value.key, caught.value.field) == (source.entries[index].key, "image")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    captions=st.lists(st.text(max_size=12), min_size=1, max_size=4),
    kind=st.sampled_from(["excel", "excel-tab", "jsonl"]),
)
def test_any_caption_comes_back_or_is_named(folder, captions, kind):
    rows = [{"image": f"{n}.png", "text": t} for n, t in zip("abcde", captions, strict=False)]
    text = io.StringIO()
    if kind == "jsonl":
        text.write("".join(json.dumps(row) + "\n" for row in rows))
    else:
        writer = csv.DictWriter(text, ["image", "text"], dialect=kind, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    name = {"excel": "t.csv", "excel-tab": "t.tsv", "jsonl": "t.jsonl"}[kind]
    content = text.getvalue().encode("utf-8", "surrogatepass")
    wanted = [t.strip() for t in captions if t.strip()]
    if not wanted:
        with pytest.raises(SourceError, match="the caption is empty"):
            table(folder, content, name)
        return
    source = table(folder, content, name)
    assert [record["text"] for record in source] == wanted
    assert len(source.bad) == len(rows) - len(wanted)


def test_sources_survive_the_way_to_a_worker(folder):
    source = table(folder, "image,text\na.png,x\nb.png,\n")
    copy = pickle.loads(pickle.dumps(source))
    assert copy[0] == source[0]
    assert str(copy.bad[0]) == str(source.bad[0])
    assert len(copy) == 1


def test_a_lattice_of_links_is_walked_once(tmp_path):
    for i in range(13):  # 8,192 paths lead to the one image
        (tmp_path / str(i)).mkdir()
        for name in "ab":
            (tmp_path / str(i) / name).symlink_to(tmp_path / str(i + 1))
    (tmp_path / "13" / "cat").mkdir(parents=True)
    (tmp_path / "13" / "cat" / "1.png").write_bytes(picture())
    source = FolderSource(path=str(tmp_path / "0"))
    assert [record["text"] for record in source] == ["cat", "cat"]  # by the last two links
    assert "links that were met a second time are not followed" in source.describe()
    assert len(FolderSource(path=str(tmp_path))) <= 2 * 13 + 1


def test_files_may_have_spaces_at_their_ends(folder):
    for name in (" a.png", "b.png ", "\tc.png"):
        (folder / name).write_bytes(picture(len(name)) + name.encode())
    text = '" a.png",one\n a.png ,two\n"b.png ",three\n\tc.png,four\n e.png,none\n'
    source = table(folder, f"image,text\n{text}")
    assert pairs(source) == [
        ((folder / name).read_bytes(), caption)
        for name, caption in (
            (" a.png", "one"), ("a.png", "two"), ("b.png ", "three"), ("\tc.png", "four"),
            ("e.png", "none"),
        )
    ]  # fmt: skip


def test_names_with_control_characters_are_shown_and_not_obeyed(folder):
    name = "x\x1b[2J\r\n\u202e.png"
    (folder / name).write_bytes(b"")
    (folder / "a.txt").write_text("an apple")
    source = FolderSource(path=str(folder), captions="sidecar")
    (error,) = (each for each in source.bad if each.key == name)
    report = BadRows()
    report.add(error)
    for shown in (str(error), report.summary()):
        assert "x\\x1b[2J\\r\\n\\u202e.png" in shown
        assert "\x1b" not in shown
