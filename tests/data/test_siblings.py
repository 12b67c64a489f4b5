"""The source `sibling_pairs`: every pair of a group, and those that are alone."""

import pickle

import pytest

from mmjax.data import SOURCES, SourceError
from mmjax.errors import ConfigError

ROWS = {
    "type": "memory",
    "data": {"image": ["a", "b", "c", "d", "e"], "text": ["1", "2", None, "4", "5"]},
    "labels": {"group": ["x", "y", "x", "x", None]},
}


def siblings(**options):
    return SOURCES.spec("sibling_pairs", **{"source": ROWS, "by": "group", **options}).build()


def test_every_pair_of_a_group_is_a_row_and_so_is_who_is_alone():
    source = pickle.loads(pickle.dumps(siblings()))
    found = [(r["image"], r.get("image_sibling"), r["id"], r.get("sibling")) for r in source]
    assert found == [("a", "c", 0, 2), ("a", "d", 0, 3), ("c", "d", 2, 3),
                     ("b", None, 1, None), ("e", None, 4, None)]  # fmt: skip
    assert [source.id_of(i) for i in range(5)] == [r["id"] for r in source]
    assert source[0]["text"] == "1"
    assert "text_sibling" not in source[0]
    assert source.modalities == ("image", "text", "image_sibling", "text_sibling")
    assert source.may_lack == ("text", "image_sibling", "text_sibling")
    assert source.label_fields == ("group", "sibling")
    assert "memory row 0 with memory row 2" in source[0]["key"]
    assert "3 pairs of siblings" in source.describe()


def test_those_alone_can_be_left_out():
    source = siblings(alone=False)
    assert len(source) == 3
    assert source.may_lack == ("text", "text_sibling")


def test_no_siblings_and_unknown_sources_are_refused():
    with pytest.raises(SourceError, match=r"no two records have the same 'id'.*'group'"):
        siblings(by="id")
    with pytest.raises(
        ConfigError, match=r"'memry' of 'sibling_pairs.source.type'; did you mean 'memory'"
    ):
        siblings(source={"type": "memry"})
