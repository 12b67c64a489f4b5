"""Pipelines write what the commands write; DirectRunner stands for the others."""

import pytest
from array_record_files import quiet, shards
from tar_files import expected, members, pairs, shard
from third_party import needs

from mmjax import beam
from mmjax.commands import convert
from mmjax.data.sources import ArrayRecordSource, ManifestSource, WebDatasetSource
from mmjax.errors import ConfigError
from mmjax.extras import MissingExtra
from mmjax.files import read_json


@pytest.fixture
def tars(tmp_path):
    (tmp_path / "tars").mkdir()
    for i in range(3):
        shard(tmp_path / "tars" / f"{i}.tar", members(*range(10 * i, 10 * i + 10)))
    return tmp_path / "tars"


def test_without_beam_it_is_said(tars, tmp_path, set_flags, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    set_flags(do="convert", data=tars, out=tmp_path / "out")
    with pytest.raises(MissingExtra, match=r"apache_beam: pip install 'mmjax\[beam\]'"):
        beam.main(None, [])


def test_a_conversion_is_that_of_the_command_and_resumes(tars, tmp_path, set_flags, capsys):
    needs("apache_beam")
    whole, out = tmp_path / "whole", tmp_path / "out"
    convert.convert(WebDatasetSource(path=str(tars)), whole, shard_bytes=10**6, say=quiet)
    options = "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_threading"
    set_flags(do="convert", data=tars, out=out, shard_mb=1, pipeline=options)
    for _ in range(2):
        beam.main(None, [])
        assert shards(out) == shards(whole)
        assert read_json(out / "index.json") == read_json(whole / "index.json")
        assert pairs(ArrayRecordSource(path=str(out), verify=True)) == expected(*range(30))
        next(out.glob("*.array_record")).with_suffix(".json").unlink()
        (out / "index.json").unlink()
    assert not list(out.glob("*.part"))
    set_flags(do="convert", data=tars, out=out, shard_mb=2)
    with pytest.raises(ConfigError, match="holds a conversion of other data"):
        beam.main(None, [])


def test_a_validation_lists_the_bad_rows_of_all_parts(tmp_path, set_flags, capsys):
    needs("apache_beam")
    table = tmp_path / "t.csv"
    table.write_text("image,text\n" + "".join(f"{i}.png,text {i}\n" for i in range(5)))
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"no image")
    set_flags(do="validate", out=tmp_path / "bad", parts=3)
    with pytest.raises(SystemExit):
        beam.main("own_data:table", [f"data.source.path={table}"])
    train = len(ManifestSource(path=str(table), split="train"))
    assert f"{train} bad examples" in capsys.readouterr().out
    set_flags(do="validate", data=table, out=tmp_path / "good", parts=3)
    beam.main(None, [])  # files are not decoded, as there is no recipe
    assert "0 bad examples" in capsys.readouterr().out
    for folder, lines in (("bad", train), ("good", 0)):
        files = sorted((tmp_path / folder).iterdir())
        assert [each.name for each in files] == [
            f"bad_rows-0000{i}-of-00003.jsonl" for i in range(3)
        ]
        assert sum(len(each.read_text().splitlines()) for each in files) == lines
