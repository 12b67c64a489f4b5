"""The commands of docs/data_at_scale.md do what they say, or are at least understood."""

import re
import shlex
from pathlib import Path

import pytest
from absl import flags
from tar_files import expected, members, pairs, shard

from mmjax import beam, embed, evaluate, recipe
from mmjax.bench import index as index_bench
from mmjax.cli import split_config
from mmjax.commands import convert, index, select, validate
from mmjax.commands.modules import MODULES
from mmjax.data.sources import ArrayRecordSource

PAGE = Path(__file__).parents[2] / "docs" / "data_at_scale.md"
COMMANDS = re.findall(r"^    ((?:mmjax|python|MODULE=|srun).*)$", PAGE.read_text("utf-8"), re.M)
MAINS = {"index": index, "validate": validate, "convert": convert}


def words_of(command):
    """(what runs, its words), of `mmjax data convert` and `python -m mmjax.data.convert` alike."""
    name, words = re.match(
        r"(?:mmjax|python -m mmjax\.)\s*(?:data[ .])?(\w+) (.*)", command
    ).groups()
    return name, shlex.split(words)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shards").mkdir()
    for i in range(2):
        shard(tmp_path / "shards" / f"{i}.tar", members(*range(20 * i, 20 * i + 20)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_over_shards_on_a_disk(folder, set_flags, capsys):
    done = []
    for command in COMMANDS:
        name, words = words_of(command) if command.startswith(("mmjax", "python")) else ("", [])
        if name not in MAINS or "--data=shards" not in words:
            continue
        for part in ("0/2", "1/2") if "--shard=0/2" in words else ("0/1",):
            set_flags()
            flags.FLAGS(["test", *(w for w in words if "shard=" not in w), f"--shard={part}"])
            MAINS[name].main(None, [])
        done.append(name)
    assert done == ["index", "index", "validate", "convert"]
    assert pairs(ArrayRecordSource(path="records")) == expected(*range(40))
    assert "No bad examples." in capsys.readouterr().out


def test_every_other_command_is_understood(set_flags):
    set_flags()
    for command in COMMANDS:
        command = re.sub(
            r"^MODULE=mmjax\.data\.(\w+) launch/local\.sh 2", r"mmjax data \1", command
        )
        if inner := re.match(r"srun .* bash -c '(.*)'$", command):
            command = inner[1]
        name, words = words_of(command)
        if name == "bench":
            index_bench.parse(words[1:])
            continue
        first, given = (words[0], words[1:]) if words[0][0] != "-" else ("", words)
        rest, _, overrides = split_config(given)
        assert name in (*MAINS, *MODULES, "select")
        if name == "train":
            assert recipe.load(first, overrides).data.source is not None
            continue
        if first:
            rest.append(f"--{MODULES[name].words[0]}={first}")
        assert flags.FLAGS(["test", *rest]) == ["test"], command
    assert beam.DO.value == "convert"
    assert embed.MODEL.value == select.MODEL.value == "MODEL"
    assert evaluate.WORKDIR.value == "gs://bucket/runs/clip"
