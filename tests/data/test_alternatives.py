"""The source `alternatives`: rows of one record each with one alternative."""

import pickle

import pytest

from mmjax.data import SOURCES, SourceError

ROWS = {
    "type": "memory",
    "data": {
        "image": [["a1", "a2", "a3"], "b1", None, ["d1", "d2"]],
        "text": [["A1", "A2"], ["B1", "B2"], ["C1", "C2"], None],
        "sound": [["x", "y"], None, None, None],
    },
    "labels": {"kind": [7, 8, None, 9]},
}


def alternatives(**options):
    given = {"source": ROWS, "fields": ("image", "text"), **options}
    return SOURCES.spec("alternatives", **given).build()


def test_rows_have_the_same_place_of_each_field_that_the_record_has():
    source = pickle.loads(pickle.dumps(alternatives()))
    found = [(r.get("image"), r.get("text"), r["id"], r["record"]) for r in source]
    assert found == [
        ("a1", "A1", 0, 0), ("a2", "A2", 0, 0), ("b1", "B1", 1, 1),
        (None, "C1", 2, 2), (None, "C2", 2, 2), ("d1", None, 3, 3), ("d2", None, 3, 3),
    ]  # fmt: skip
    assert source[1]["sound"] == ("x", "y")
    assert source[1]["key"] == "memory row 0, alternative 1"
    assert [source.id_of(i) for i in range(7)] == source.label_values("record")
    assert source.label_values("kind") == [7, 7, 8, None, None, 9, 9]
    assert source.label_fields == ("kind", "record")
    assert source.may_lack == ("image", "text", "sound")
    assert "7 rows of one image and text each" in source.describe()


def test_fields_that_there_are_not_are_refused():
    with pytest.raises(SourceError, match=r"no field 'txt', only 'image', 'text', 'sound'"):
        alternatives(fields=("txt",))
    with pytest.raises(SourceError, match="'fields' is empty"):
        alternatives(fields=())
