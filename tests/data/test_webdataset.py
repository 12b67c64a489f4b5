"""Tar shards: found, indexed, read at random; cut and damaged ones keep what is whole."""

import json
import pickle
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tar_files import expected, members, pairs, sample, shard

from mmjax.data import BadExample, SourceError
from mmjax.data.sources import WebDatasetSource
from mmjax.data.sources.webdataset import find_shards


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_every_tar_format_and_in_pattern_order(tmp_path, kind):
    long = "folder/" * 20 + "é" * 30 if kind != tarfile.USTAR_FORMAT else "folder/b"
    shard(tmp_path / "s-09.tar", members(1, 2), format=kind)
    shard(
        tmp_path / "s-10.tar",
        [(f"{long}.png", b"picture 3"), (f"{long}.cls", b"7"), (f"{long}.txt", b" text 3\n")],
        format=kind,
    )
    source = WebDatasetSource(path=str(tmp_path / "s-{09..10}.tar"))
    assert pairs(source) == expected(1, 2, 3)
    assert [record["id"] for record in source] == [0, 1, 2]
    assert source[0]["key"] == "s-09.tar sample 001"
    assert source.describe() == f"{tmp_path}/s-{{09..10}}.tar: 3 examples in 2 tar shards"
    assert pairs(WebDatasetSource(path=str(tmp_path))) == pairs(source)
    assert pairs(WebDatasetSource(path=str(tmp_path / "s-*.tar"))) == pairs(source)
    assert pairs(pickle.loads(pickle.dumps(source))) == pairs(source)
    swapped = WebDatasetSource(path=str(tmp_path / "s-{10,09}.tar"))
    assert pairs(swapped) == expected(3, 1, 2)


def test_captions_in_json_alternatives_and_other_members(tmp_path):
    fields = [{"caption": "one"}, {"text": ["two", "three"]}, {"other": 1}, ["no object"]]
    rows = [
        (f"{i}.{kind}", content)
        for i, value in enumerate(fields)
        for kind, content in (("png", b"x"), ("json", json.dumps(value).encode()))
    ]
    rows += [("4.jpg", b"x"), ("4.json", b"{broken"), ("5.jpg", b""), ("5.txt", b"\xff")]
    source = WebDatasetSource(path=str(shard(tmp_path / "a.tar", rows)))
    assert [source[i]["text"] for i in range(2)] == ["one", ["two", "three"]]
    for index, message in (
        (2, "none of the fields"),
        (3, "none of the fields"),
        (4, "not json"),
        (5, "the member .jpg is empty"),
    ):
        with pytest.raises(BadExample, match=message):
            source[index]


def test_samples_that_lack_a_member_or_have_it_twice_are_named(tmp_path):
    rows = [
        *members(0),
        ("1.jpg", b"x"),
        ("2.txt", b"x"),
        *members(3),
        *sample(3)[:1],
        (".hidden", b""),
        ("README", b"read me"),
        *members(4),
    ]
    path = str(shard(tmp_path / "a.tar", rows))
    source = WebDatasetSource(path=path)
    assert pairs(source) == expected(0, 4)
    named = {error.key: (error.field, error.reason) for error in source.bad}
    assert named == {
        "a.tar sample 1": ("text", "it has no member .txt, .json, only jpg"),
        "a.tar sample 2": ("image", named["a.tar sample 2"][1]),
        "a.tar sample 003": ("jpg", "it has two members .jpg, which is ambiguous"),
    }
    with pytest.raises(SourceError, match="3 of 5 rows cannot be used"):
        WebDatasetSource(path=path, on_error="fail")


def test_a_shard_cut_anywhere_gives_the_whole_samples_before_the_cut_and_is_named(tmp_path):
    whole = shard(tmp_path / "whole.tar", members(*range(4))).read_bytes()
    path = tmp_path / "cut.tar"
    for length in range(0, len(whole), 256):
        path.write_bytes(whole[:length])
        # A member has a block of header and a block of content, here six bytes and zeros.
        complete = sum(length >= 2048 * i + 1536 + 6 for i in range(4))
        if complete == 0:
            with pytest.raises(SourceError, match=r"cut\.tar"):
                WebDatasetSource(path=str(path))
            continue
        source = WebDatasetSource(path=str(path))
        assert pairs(source) == expected(*range(complete))
        if length <= 4 * 2048:  # some zeros are an end mark
            assert any("cut off or damaged" in error.reason for error in source.bad)


def test_what_is_no_plain_tar_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"no \.tar shard is found"):
        WebDatasetSource(path=str(tmp_path))
    with pytest.raises(SourceError, match="does not exist"):
        WebDatasetSource(path=str(tmp_path / "{a,b}.tar"))
    for compression in ("gz", "bz2", "xz"):
        path = tmp_path / f"{compression}.tar"
        with tarfile.open(path, f"w:{compression}") as archive:
            archive.addfile(tarfile.TarInfo("0.jpg"))
        with pytest.raises(SourceError, match="is compressed"):
            WebDatasetSource(path=str(path))
    (tmp_path / "text.tar").write_bytes(b"this is text" * 100)
    with pytest.raises(SourceError, match=r"text\.tar: shard: it is not a tar"):
        WebDatasetSource(path=str(tmp_path / "text.tar"))


def test_braces_multiply_and_count():
    with pytest.raises(SourceError, match=r"a-x08\.tar"):
        find_shards("a-{x,y}{08..11}.tar")


def test_a_shard_that_changes_later_is_a_bad_example(tmp_path):
    path = shard(tmp_path / "a.tar", members(0, 1))
    source = WebDatasetSource(path=str(path))
    path.write_bytes(path.read_bytes()[:2500])
    assert source[0]["image"] == b"picture 0"
    with pytest.raises(BadExample, match="cut short"):
        source[1]
    path.unlink()
    with pytest.raises(BadExample, match="cannot be read"):
        source[0]


def test_splits_go_by_the_stem(tmp_path):
    path = str(shard(tmp_path / "a.tar", members(*range(50))))
    train, val = (WebDatasetSource(path=path, split=s, val_fraction=0.4) for s in ("train", "val"))
    assert len(train) + len(val) == 50
    assert train.id_limit == val.id_limit == 50
    assert {r["id"] for r in train}.isdisjoint(r["id"] for r in val)
    for record in (*train, *val):
        assert record["image"] == b"picture %d" % record["id"]
    assert [val.id_of(i) for i in range(len(val))] == [record["id"] for record in val]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_shard_gives_true_samples_or_errors(tmp_path, data):
    """A sample of a damaged shard has its own name's image, unless bytes of content changed."""
    content = bytearray(shard(tmp_path / "whole.tar", members(*range(6))).read_bytes())
    headers = st.integers(0, 11).flatmap(
        lambda i: st.integers(1024 * i, 1024 * i + 511)
    )  # of the 12 members
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(headers)] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged.tar").write_bytes(content)
    try:
        source = WebDatasetSource(path=str(tmp_path / "damaged.tar"))
    except SourceError:
        return
    known = set(expected(*range(6)))
    for index in range(len(source)):
        try:
            record = source[index]
        except BadExample:
            continue
        assert (record["image"], record["text"]) in known
