"""Several processes do one command's work: together the same as one, and nothing twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from array_record_files import Counting, items, quiet, same, shards
from tar_files import aged, expected, members, pairs, shard

from mmjax.commands import convert, index, parts, validate
from mmjax.commands.parts import Part
from mmjax.data.formats import tar_index
from mmjax.data.sources import ArrayRecordSource, ManifestSource, MemorySource, WebDatasetSource
from mmjax.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("flags", "environment", "found"),
    [
        ({}, {}, (0, 1)),
        ({"shard": "2/3"}, {}, (2, 3)),
        ({}, {"JAX_PROCESS_ID": "1", "JAX_NUM_PROCESSES": "2"}, (1, 2)),
        ({"shard": "0/1"}, {"JAX_PROCESS_ID": "1", "JAX_NUM_PROCESSES": "2"}, (0, 1)),
        ({"shard": "3/3"}, {}, "--shard=3/3 is no part"),
        ({"shard": "half"}, {}, "--shard=half is no part"),
        ({}, {"JAX_PROCESS_ID": "x", "JAX_NUM_PROCESSES": "2"}, "JAX_NUM_PROCESSES=x/2 is no part"),
    ],
)
def test_which_part(set_flags, monkeypatch, flags, environment, found):
    for name in ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    set_flags(**flags)
    if isinstance(found, str):
        with pytest.raises(ConfigError, match=found):
            parts.part()
    else:
        assert parts.part() == Part(*found)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_stretches_are_the_source(count):
    source = Counting(20)
    own = [Part(number, count).stretch(source) for number in range(count)]
    assert same([item for each in own for item in items(each)], items(source))
    assert [error for each in own for error in each.bad] == source.bad
    assert sum(each.listed for each in own) == source.listed
    with pytest.raises(ConfigError, match="only 2 rows"):
        Part(0, 3).stretch(MemorySource(data={"x": [1, 2]}))


def test_parts_of_a_conversion_are_the_whole_in_any_order(tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    convert.convert(Counting(), whole, shard_bytes=3000, say=quiet)
    for number in (2, 0):
        part = Part(number, 3)
        assert convert.convert(Counting(), out, shard_bytes=3000, part=part, say=quiet) is None
    (out / "records-00001-of-00006.array_record.77.part").write_bytes(b"being written")
    assert convert.convert(Counting(), out, shard_bytes=3000, part=Part(0, 3), say=quiet) is None
    assert len(list(out.glob("*.part"))) == 1  # of another part, which may be at it
    report = convert.convert(Counting(), out, shard_bytes=3000, part=Part(1, 3), say=quiet)
    assert len(report) == 6
    assert shards(out) == shards(whole)
    assert not list(out.glob("*.part"))
    for name in ("index.json", "bad_rows.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert same(items(ArrayRecordSource(path=str(out))), items(Counting()))


def test_two_processes_of_the_launcher(tmp_path):
    shard(tmp_path / "a.tar", members(*range(30)))
    out = tmp_path / "out"
    done = subprocess.run(
        [ROOT / "launch" / "local.sh", "2", f"--data={tmp_path / 'a.tar'}", f"--out={out}"],
        env={**os.environ, "MODULE": "mmjax.data.convert", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert pairs(ArrayRecordSource(path=str(out))) == expected(*range(30))
    assert "[1] " in done.stdout


def test_lists_of_bad_rows_follow_each_other(tmp_path, set_flags, monkeypatch):
    monkeypatch.delenv("JAX_PROCESS_ID", raising=False)
    table = tmp_path / "t.csv"
    table.write_text("image,text\n" + "".join(f"{i}.png,text {i}\n" for i in range(6)))
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"an image")
    source, views = ManifestSource(path=str(table)), {}
    assert len(source.bad) == 1
    (tmp_path / "1.png").unlink()
    (tmp_path / "4.png").unlink()
    validate.validate(source, views, tmp_path / "whole.jsonl")
    lines = []
    for number in range(2):
        out = Part(number, 2).file(tmp_path / "bad.jsonl")
        validate.validate(Part(number, 2).stretch(source), views, out)
        lines += out.read_text().splitlines()
    assert lines == (tmp_path / "whole.jsonl").read_text().splitlines()
    assert len(lines) == 3
    set_flags(data=str(table), out=str(tmp_path / "b.jsonl"), shard="1/9")
    with pytest.raises(ConfigError, match="only 3 rows"):
        validate.main(None, [])
    set_flags(data=str(table), out=str(tmp_path / "b.jsonl"), shard="0/2")
    with pytest.raises(SystemExit):
        validate.main(None, [])
    found = (tmp_path / "b-00000-of-00002.jsonl").read_text().splitlines()
    assert {json.loads(line)["key"] for line in found} == {
        "t.csv row 3 (1.png)",
        "t.csv row 6 (4.png)",
        "t.csv row 7 (5.png)",
    }


def test_indexes_are_made_in_parts_and_by_workers(tmp_path, set_flags, capsys, monkeypatch):
    monkeypatch.delenv("JAX_PROCESS_ID", raising=False)
    for i in range(4):
        aged(shard(tmp_path / f"{i}.tar", members(2 * i, 2 * i + 1)))
    made = lambda: sorted(f.name for f in (tmp_path / tar_index.FOLDER).iterdir())  # noqa: E731
    set_flags(data=str(tmp_path), shard="1/2")
    index.main(None, [])
    assert made() == ["1.tar.index", "3.tar.index"]
    set_flags(data=str(tmp_path), workers=2, shard="0/1")
    index.main(None, [])
    assert made() == [f"{i}.tar.index" for i in range(4)]
    printed = capsys.readouterr().out
    assert printed == "2 shards indexed: 4 samples\n4 shards indexed: 8 samples\n"
    assert pairs(WebDatasetSource(path=str(tmp_path))) == expected(*range(8))
