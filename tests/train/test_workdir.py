"""The folder of a run: whose it is, which one the same command finds again, and its files."""

import errno
import json
import logging
import multiprocessing
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.files import WriteError
from mmjax.train.metrics import MetricWriter, log_to
from mmjax.train.workdir import Workdir, default


def config(*overrides):
    return recipe_lib.load("configs/clip.py", ["data.batch_size=8", *overrides])


def start(folder, recipe):
    """What a run of a recipe does to its folder before it trains."""
    with Workdir(folder, recipe) as workdir:
        workdir.keep()


def test_what_ends_before_it_is_kept_leaves_no_folder_and_changes_none(tmp_path):
    for error in (ConfigError, RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), Workdir(tmp_path / "run", config()):
            raise error
        assert not (tmp_path / "run").exists()
    start(tmp_path / "run", config())
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(ConfigError), Workdir(tmp_path / "run", config("mesh.data=3")):
        raise ConfigError
    assert (tmp_path / "run" / "config.json").read_text() == before
    start(tmp_path / "run", config("mesh.data=3"))
    assert (tmp_path / "run" / "config.json").read_text() != before


def test_another_config_is_refused_with_the_keys_that_differ(tmp_path):
    other = config("seed=1", "data.batch_size=16")
    start(tmp_path / "run", config())
    start(tmp_path / "run", other)  # nothing has been saved that it could spoil
    (tmp_path / "run" / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(ConfigError) as error:
        Workdir(tmp_path / "run", config())
    assert "seed: 1 -> 0" in str(error.value)
    assert "data.batch_size: 16 -> 8" in str(error.value)


def test_operational_keys_may_change_on_resume(tmp_path):
    start(tmp_path, config())
    start(tmp_path, config("mesh.data=8", "data.workers=2"))


def test_a_run_of_before_a_key_was_there_goes_on(tmp_path):
    whole = recipe_lib.load("configs/clip.py")
    start(tmp_path, whole)
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["optimizer"].pop("b1") == 0.9
    (tmp_path / "config.json").write_text(json.dumps(stored))
    start(tmp_path, whole)
    stored["optimizer"].pop("weight_decay")
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(ConfigError, match=r"optimizer\.weight_decay: 0\.0 -> "):
        Workdir(tmp_path, whole)


def test_checkpoints_of_nobody_are_refused(tmp_path):
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no config\.json"):
        Workdir(tmp_path, config())


def _hold(path, started, release):
    with Workdir(path, config()) as workdir:
        workdir.keep()
        started.set()
        release.wait(120)


def test_a_folder_in_use_is_refused_and_the_default_passes_it_over(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, release = context.Event(), context.Event()
    folder = tmp_path / "clip-20200101-000000"
    process = context.Process(target=_hold, args=(folder, started, release))
    process.start()
    try:
        assert started.wait(120)
        with pytest.raises(ConfigError, match="another process is writing"):
            Workdir(folder, config())
        assert default(config(), tmp_path) != folder
    finally:
        release.set()
        process.join()
    assert default(config(), tmp_path) == folder


def test_default_finds_the_unfinished_run_of_the_same_config_only(tmp_path):
    first = default(config(), tmp_path)
    assert first.name.startswith("clip-2")
    start(first, config())
    assert default(config(), tmp_path) == first
    assert default(config("seed=1"), tmp_path) != first
    (first / "summary.json").write_text("{}")
    assert default(config(), tmp_path) != first


def test_damaged_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is damaged"):
        Workdir(tmp_path, config())


def test_metrics_after_the_checkpoint_are_written_anew(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    for step in (10, 20, 30):
        writer.write(step, {"train/loss": 1.0})
    writer.close()
    with open(tmp_path / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 40, "tra')
    writer = MetricWriter(tmp_path, 20)
    writer.write(30, {"train/loss": 2.0})
    writer.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["train/loss"]) for row in rows] == [(10, 1.0), (20, 1.0), (30, 2.0)]


def test_rows_that_are_not_those_of_the_checkpoint_are_said(tmp_path, logged):
    file = tmp_path / "metrics.jsonl"
    writer = MetricWriter(tmp_path, 0)
    for step in (10, 20):
        writer.write(step, {"train/loss": 0.25})
    state = writer.state()
    writer.write(20, {"x/acc": 0.5})  # of an evaluation after the checkpoint of its step
    writer.write(30, {"train/loss": 0.125})
    writer.close()
    whole = file.read_bytes()
    for _ in range(2):  # nothing has happened to it
        writer = MetricWriter(tmp_path, 20, state)
        writer.write(20, {"x/acc": 0.5})
        writer.write(30, {"train/loss": 0.125})
        assert writer.state()["rows"] == 4
        writer.close()
        assert file.read_bytes() == whole
    assert logged == []
    end = whole.index(b"\n", whole.index(b"\n") + 1) + 1

    @given(st.integers(0, 8 * end - 1))
    def check(bit):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        logged.clear()
        MetricWriter(tmp_path, 20, state).close()
        assert f"{file} is not as the run wrote it: of the 2 rows up to step 20 some" in logged[-1]

    check()
    file.unlink()
    logged.clear()
    MetricWriter(tmp_path, 20, state).close()
    assert "removed" in logged[-1]


def test_dump_is_stable():
    assert recipe_lib.dump(config()) == recipe_lib.dump(config())


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path / "file", "File exists"), (tmp_path / "file/run", "Not a dir")):
        with pytest.raises(ConfigError, match=rf"{path} .*cannot be made.*{reason}.*--workdir"):
            Workdir(path, config())
    with pytest.raises(ConfigError, match=r"s3://bucket/run: .* at gs:// addresses.*mount"):
        Workdir("s3://bucket/run", config())


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_config_and_no_lock(tmp_path, monkeypatch):
    start(tmp_path, config())
    before = (tmp_path / "config.json").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match=r"written to \(No space left on device\)"):
            start(tmp_path, config())
    assert (tmp_path / "config.json").read_text() == before
    with Workdir(tmp_path, config()) as workdir, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match=r"sha256\.json could not be written \(No space"):
            workdir.finish({})
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_metrics_that_find_no_room_are_a_sentence_and_do_not_wait(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    writer._file.close()
    writer._file = open("/dev/full", "a")  # noqa: SIM115
    with pytest.raises(WriteError, match=r"metrics\.jsonl could not be written \(No space left"):
        writer.write(1, {"train/loss": 1.0})
    with pytest.raises(WriteError):
        writer.close()
    writer.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_that_finds_no_room_ends_and_the_run_goes_on(tmp_path, capsys):
    (tmp_path / "log.txt").symlink_to("/dev/full")
    log_to(tmp_path)
    log = logging.getLogger("mmjax")
    log.info("one")
    log.info("two")
    log_to(None)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "log.txt" not in line] == ["one", "two"]
    (ends,) = [line for line in said if "log.txt" in line]
    assert ends.endswith("ends here: No space left on device")


def test_events_are_what_tensorboard_reads(tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    writer = MetricWriter(tmp_path, 7)
    writer.write(8, {"train/loss": 0.5, "retrieval/x/R@1": 0.25})
    writer.close()
    (file,) = tmp_path.glob("events.out.tfevents.*")
    data, events = file.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    version, start, row = events
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (8, start.session_log.START)
    assert row.step == 8
    found = {value.tag: value.simple_value for value in row.summary.value}
    assert found == {"train/loss": 0.5, "retrieval/x/R@1": 0.25}


@pytest.mark.parametrize("content", [b"null", b"\xff", b"[" * 10**5, b'{"steps": 1'])
def test_an_odd_folder_beside_is_passed_over_in_a_line(tmp_path, content, logged):
    recipe = config()
    own, odd = (tmp_path / f"{recipe.recipe}-{when}" for when in ("20260101", "20260102"))
    start(own, recipe)
    odd.mkdir()
    (odd / "config.json").write_bytes(content)
    assert default(recipe, tmp_path) == own
    assert str(odd / "config.json") in "\n".join(logged)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", "", " a", "-a", "a\x1b", "a" * 101])
def test_a_name_that_would_lead_out_of_the_folder_is_refused(name):
    with pytest.raises(ConfigError, match="'recipe' should be a name"):
        config(f"recipe={name!r}")
    with pytest.raises(ConfigError, match=r"'evaluators\.rotation' should be a name"):
        config(f"evaluators={ {'rotation': {name: {'reference': 'a'}}}!r}")
    with pytest.raises(ConfigError, match=r"'model\.towers' should be a name"):
        config(f"model.towers={ {name: {'encoder': {'type': 'mlp'}}}!r}")
