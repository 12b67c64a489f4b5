"""Files that anyone may have damaged or planted: what is read is what was meant, or a sentence."""

import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax import files
from mmjax.errors import UserError
from mmjax.files import DamagedFile
from mmjax.text import one_line, printable

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
TREES = st.recursive(LEAVES, lambda t: st.lists(t) | st.dictionaries(st.text(), t), max_leaves=9)


def write(folder, content):
    file = folder / "some.json"
    file.write_bytes(content)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@given(tree=st.dictionaries(st.text(), TREES), mark=st.sampled_from(["", "\ufeff"]))
def test_objects_come_back(folder, tree, mark):
    text = mark + json.dumps(tree, indent=1).replace("\n", "\r\n")
    found = files.read_json(write(folder, text.encode()))
    assert json.dumps(found) == json.dumps(tree)  # as text, since NaN is not itself


@given(
    tree=st.dictionaries(st.text(), TREES, min_size=1),
    place=st.floats(0, 1),
    other=st.binary(max_size=3),
    gone=st.integers(0, 9),
)
def test_damaged_bytes_are_an_object_or_a_sentence_with_the_name(folder, tree, place, other, gone):
    content = json.dumps(tree).encode()
    at = int(place * len(content))
    file = write(folder, content[:at] + other + content[at + gone :])
    for read in (files.read_json, lambda f: list(files.json_lines(f)), files.read_arrays):
        try:
            found, said = read(file), None
        except DamagedFile as error:
            found, said = None, str(error)
        assert str(file) in said if said else isinstance(found, dict | list)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"null", "should hold a JSON object, not null"),
        (b"[1]", "not a list"),
        (b"", "is not JSON"),
        (b"\xff{}", "not UTF-8 text"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b'{"a": 1' + b"0" * 30 + b"}", "more than 64 bits"),
        (b'{"a": 1' + b"0" * 9000 + b"}", "is not JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", "nested too deeply"),
        (b'{"a": "\0"}', "is not JSON"),
    ],
)
def test_what_is_no_object_is_a_sentence(folder, content, says):
    file = write(folder, content)
    with pytest.raises(UserError, match=rf"some\.json is damaged: .*{says}"):
        files.read_json(file)
    good = [row for _, row in files.json_lines(write(folder, b'{"b": 1}\n' + content + b"\n{}"))]
    assert good == [{"b": 1}, None, {}] if content else [{"b": 1}, {}]


@pytest.mark.parametrize("kind", ["objects", "truncated", "one array", "text"])
def test_what_is_no_npz_is_a_sentence(folder, kind):
    file = folder / "some.npz"
    np.savez(file, a=np.array([{}] if kind == "objects" else [1.0]))
    content = {
        "objects": file.read_bytes(),
        "truncated": file.read_bytes()[:-40],
        "text": b"PK\3\4",
    }
    if kind == "one array":
        with open(file, "wb") as out:
            np.save(out, np.ones(2))
    else:
        file.write_bytes(content[kind])
    with pytest.raises(DamagedFile, match=r"some\.npz is damaged: it cannot be read as arrays"):
        files.read_arrays(file)


@pytest.mark.parametrize("planted", ["link", "dangling link", "file", "nothing"])
def test_a_planted_link_is_not_followed(tmp_path, planted):
    victim, target = tmp_path / "victim", tmp_path / "x"
    part = tmp_path / "x.part"
    if planted == "file":
        part.write_text("of a killed process, longer than what comes")
    elif planted != "nothing":
        part.symlink_to(victim)
    if planted == "link":
        victim.write_text("precious")
    files.write_atomically(target, "new")
    assert target.read_text() == "new"
    assert not target.is_symlink()
    assert not os.path.lexists(part)
    assert victim.read_text() == "precious" if planted == "link" else not victim.exists()


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path):
    target = tmp_path / "x"
    target.write_text("old")

    def write_half():
        with files.replacing(target) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
    assert target.read_text() == "old"


@given(st.text() | st.text("\x1b\r\n\t\x9b\u202e\u2028\ud800\0a"))
def test_what_is_shown_controls_nothing_and_loses_nothing(text):
    shown, line = printable(text), one_line(text)
    shown.encode()
    assert not {"\x1b", "\r", "\x9b", "\u202e", "\0"} & set(shown)
    assert shown.count("\n") == text.count("\n")
    assert len(line.splitlines()) <= 1
    assert printable(shown) == shown
    assert len(line) >= len(text)


def test_a_damaged_row_of_metrics_is_left_out_and_told(tmp_path, logged):
    from mmjax.train import metrics

    rows = [b'{"step": 1, "loss": NaN}', b"\xff\xfe", b"null", b'{"step": 2, "loss": "x"}']
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b"\n".join([*rows, b'{"step": 2, "loss": 3}', b'{"step": 2, "lo']))
    found = metrics.recorded(tmp_path, 2)
    assert found == {"loss": 3}
    assert "3 of 6 lines are damaged" in "\n".join(logged)
    metrics.MetricWriter(tmp_path, 1).close()
    (row,) = file.read_text().splitlines()
    assert math.isnan(json.loads(row)["loss"])
