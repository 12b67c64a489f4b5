"""Shards hold what the source gave, whatever happened while they were written."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from array_record_files import Counting, items, quiet, same, shards
from hypothesis import given
from hypothesis import strategies as st

from mmjax.commands.convert import convert
from mmjax.data import SOURCES, BadExample, SourceError, TrainData
from mmjax.data.formats.packing import pack, unpack
from mmjax.data.sources import ArrayRecordSource, MemorySource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import TextView, VectorView
from mmjax.errors import ConfigError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("shards")
    report = convert(Counting(), out, shard_bytes=3000, say=quiet)
    assert len(report) == 1 + 5
    return out


@pytest.mark.smoke
def test_records_come_back_identical(written):
    source, own = ArrayRecordSource(path=str(written), verify=True), Counting()
    source = pickle.loads(pickle.dumps(source))
    assert len(shards(written)) == 6
    assert same(items(source), items(own))
    for name in ("modalities", "may_lack", "label_fields", "id_limit"):
        assert getattr(source, name) == getattr(own, name), name
    assert [e.args for e in source.bad] == [e.args for e in own.bad]
    views = {
        "x": VectorView(dim=3, noise=0.5),
        "text": TextView(tokenizer=BytesTokenizer(), length=12),
    }
    a, b = (TrainData(s, views, batch_size=8, seed=3) for s in (own, source))
    for step in range(12):
        for name, array in a[step].items():
            np.testing.assert_array_equal(array, b[step][name])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(VALUES, st.data())
def test_any_value_packs_and_no_damage_is_silent(value, data):
    content = pack(value)
    assert repr(unpack(content)) == repr(value)
    damaged = bytearray(content)
    damaged[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="checksum"):
        unpack(bytes(damaged))


def test_what_sources_give_comes_back_as_what_it_was():
    for kind in ("ecg_reports", "molecules", "emoji"):
        record = SOURCES[kind]()[1]
        again = unpack(pack(record))
        assert list(again) == list(record)
        for name, value in record.items():
            fields = vars(value) if dataclasses.is_dataclass(value) else value
            assert type(again[name]) is type(value)
            assert same(
                vars(again[name]) if dataclasses.is_dataclass(value) else again[name], fields
            )


def test_arrays_pack_and_objects_do_not():
    for array in (
        np.zeros((0, 3)),
        np.float32(2.5),
        np.array(["é", "b"]),
        np.arange(6)[::2],
        np.ones((2, 3), ">i2"),
        np.array(True),
    ):
        assert same(unpack(pack(array)), array)
    for value in (object(), {1: 2}, np.array([None]), {"x": {1, 2}}):
        with pytest.raises(TypeError, match=r"written|is not text"):
            pack(value)


def test_workers_write_the_same_files(written, tmp_path):
    convert(Counting(), tmp_path / "out", shard_bytes=3000, workers=2, say=quiet)
    assert shards(tmp_path / "out") == shards(written)


def test_a_killed_conversion_is_finished_by_the_same_command(written, tmp_path):
    """kill -9 in the middle of the fourth shard, then the same call again."""
    out = tmp_path / "out"
    program = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
        "from array_record_files import Counting, Path, quiet\n"
        "from mmjax.commands.convert import convert\n"
        "class Deadly(Counting):\n"
        "    seen = 0\n"
        "    def __getitem__(self, index):\n"
        "        Deadly.seen += index == 33\n"
        "        if Deadly.seen == 2:\n"  # the first time is a look at how large records are
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().__getitem__(index)\n"
        f"convert(Deadly(), Path({str(out)!r}), shard_bytes=3000, say=quiet)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    first = shards(out)
    assert len(first) == 3
    assert list(out.glob("*.part"))
    with pytest.raises(SourceError, match=r"holds no index.json.*give that command again"):
        ArrayRecordSource(path=str(out))
    times = {name: (out / name).stat().st_mtime_ns for name in first}
    said = []
    convert(Counting(), out, shard_bytes=3000, say=said.append)
    assert said[0] == f"{out}: 3 of 6 shards are there already"
    assert {name: (out / name).stat().st_mtime_ns for name in first} == times
    assert shards(out) == shards(written)
    assert not list(out.glob("*.part"))
    assert same(items(ArrayRecordSource(path=str(out))), items(Counting()))


def test_other_data_do_not_mix(written, tmp_path):
    with pytest.raises(ConfigError, match="holds a conversion of other data"):
        convert(Counting(59), written, shard_bytes=3000, say=quiet)
    with pytest.raises(ConfigError, match="shards of another size"):
        convert(Counting(), written, shard_bytes=3500, say=quiet)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no conversion"):
        convert(Counting(), tmp_path, say=quiet)
    with pytest.raises(SourceError, match=r"memory row 7: raw: it is damaged. Fix it, or set"):
        convert(Counting(), tmp_path / "b", on_error="fail", say=quiet)
    with pytest.raises(ConfigError, match=r"memory row 0: a set cannot be written"):
        convert(MemorySource(data={"x": [{1}]}), tmp_path / "c", say=quiet)


@pytest.mark.parametrize("what", ["gone", "cut", "changed", "index", "no index"])
def test_damaged_shards_are_named(written, tmp_path, what):
    for file in written.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = sorted(tmp_path.glob("*.array_record"))[1]
    content = bytearray(shard.read_bytes())
    if what == "gone":
        shard.unlink()
    elif what == "cut":
        shard.write_bytes(content[:-9])
    elif what == "changed":
        content[1500] ^= 4  # of the records, which come first
        shard.write_bytes(content)
    elif what == "index":
        about = json.loads((tmp_path / "index.json").read_text())
        del about["shards"][0]["sha256"]
        (tmp_path / "index.json").write_text(json.dumps(about))
    else:
        (tmp_path / "index.json").unlink()
    if what == "changed":  # found by the checksum, of the shard or of the records
        source, own = ArrayRecordSource(path=str(tmp_path)), Counting()
        pairs = list(zip(items(source), items(own), strict=True))
        other = [a for a, b in pairs if not same(a, b)]
        assert other
        assert all(isinstance(a, tuple) and "cannot be read" in a[1][2] for a in other)
    with pytest.raises(SourceError, match="index.json" if "index" in what else shard.name):
        ArrayRecordSource(path=str(tmp_path), verify=True)


def test_shards_of_another_version_are_to_be_converted_again(written, tmp_path):
    for file in written.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    about = json.loads((tmp_path / "index.json").read_text())
    del about["version"]  # as the first version wrote it
    (tmp_path / "index.json").write_text(json.dumps(about))
    with pytest.raises(SourceError, match=r"index.json is of version 1 .* convert the data again"):
        ArrayRecordSource(path=str(tmp_path))


def test_splits(written):
    parts = [
        {k["key"] if isinstance(k, dict) else k[1][0] for k in items(source)}
        for source in (
            ArrayRecordSource(path=str(written), split=s, val_fraction=0.3)
            for s in ("train", "val", "all")
        )
    ]
    assert parts[0] | parts[1] == parts[2]
    assert not parts[0] & parts[1]


def test_the_command(tmp_path, set_flags, capsys):
    from mmjax.commands import convert as convert_lib
    from mmjax.commands import data_source as command

    (tmp_path / "t.csv").write_text("image,text\na.png,red\nb.png,blue\n")
    (tmp_path / "a.png").write_bytes(b"abc")
    out = tmp_path / "out"
    set_flags(data=str(tmp_path / "t.csv"), out=str(out))
    convert_lib.main(None, [])
    said = capsys.readouterr().out
    assert "1 examples; read them with {'type': 'array_record'" in said
    assert "b.png" in said
    source = command.source_of(str(out))
    assert isinstance(source, ArrayRecordSource)
    assert source[0]["image"] == b"abc"


def test_a_source_that_cannot_be_read_is_no_conversion(tmp_path):
    class Broken(Counting):
        def __getitem__(self, index):
            raise BadExample(f"row {index}", "raw", f"the file {index}.png does not exist")

    with pytest.raises(
        SourceError, match=r"none of the 60 examples can be read \(60 x raw: the file … does not"
    ):
        convert(Broken(), tmp_path, say=quiet)
    with pytest.raises(SourceError, match=r"holds no index\.json"):
        ArrayRecordSource(path=str(tmp_path))


@given(data=st.data())
def test_an_index_of_other_types_or_that_leads_elsewhere_is_refused(written, data):
    file = written / "index.json"
    whole = file.read_text()
    about = json.loads(whole)
    place = data.draw(st.sampled_from([about, about["shards"][0]]))
    keys = sorted({*place} - {"version", "source", "examples", "errors"})
    key = data.draw(st.sampled_from(keys))
    place[key] = data.draw(st.sampled_from([None, 1.5, {}, "../records", "/etc/passwd", [[1]], -1]))
    file.write_text(json.dumps(about))
    try:
        with pytest.raises(SourceError):
            ArrayRecordSource(path=str(written), verify=True)
    finally:
        file.write_text(whole)


def test_damaged_notes_of_a_shard_are_written_again(written, tmp_path):
    for file in written.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    notes = sorted(tmp_path.glob("records-*.json"))
    for file, content in zip(notes, (b"null", b"\xff", b'{"file": "../x"}', b"{}"), strict=False):
        file.write_bytes(content)
    said = []
    convert(Counting(), tmp_path, shard_bytes=3000, say=said.append)
    assert said[0] == f"{tmp_path}: 2 of 6 shards are there already"
    assert shards(tmp_path) == shards(written)
    (tmp_path / "plan.json").write_bytes(b"[]")
    with pytest.raises(ConfigError, match=r"plan\.json is damaged"):
        convert(Counting(), tmp_path, shard_bytes=3000, say=quiet)
