"""Damaged checkpoints: refused in a sentence that names the file, and passed over when told."""

import os
import shutil

import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax import digests
from mmjax.checkpoints import integrity
from mmjax.checkpoints.store import CheckpointError, Store, abstract_like

METRIC = {"metric": "acc", "keep_best": 1}


def tree(value):
    return {"a/w": jnp.arange(32.0).reshape(8, 4) + value, "step": jnp.int32(value)}


def saved(directory, *steps):
    with Store(directory, **METRIC) as store:
        for step in steps:
            store.save(step, tree(step), {"acc": step / 100})
    return directory


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two checkpoints, which no test changes."""
    return saved(tmp_path_factory.mktemp("two"), 10, 20)


@pytest.fixture
def copied(two, tmp_path):
    return shutil.copytree(two, tmp_path / "checkpoints")


def opened(directory, **options):
    """What a run takes from its checkpoints: newest step, best step, and the state."""
    with Store(directory, **METRIC, **options) as store:
        step = store.latest()
        state = store.restore(abstract_like(tree(0)))
        values = {name: array.tolist() for name, array in state.items()}
        return step, store.best(), values


@pytest.fixture(scope="module")
def whole(two):
    return opened(two)


@settings(max_examples=40)
@given(data=st.data())
def test_a_flipped_bit_in_any_file_is_named_or_changes_nothing(data, two, whole, tmp_path_factory):
    directory = shutil.copytree(two, tmp_path_factory.mktemp("flipped") / "checkpoints")
    files = sorted(digests.files(directory) | {"10/sha256.json", "20/sha256.json"})
    name = data.draw(st.sampled_from(files))
    content = bytearray((directory / name).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    (directory / name).write_bytes(content)
    try:
        found = opened(directory)
    except CheckpointError as error:
        message = str(error)
        assert str(directory / name) in message or name.endswith("sha256.json"), message
        assert digests.NAME in message
        assert "--checkpoint=previous" in message
        assert "\n" not in message
    else:
        assert found == whole
        # Arrays of a checkpoint that is not restored are not read.
        assert name.startswith("10/default/") or name.endswith("sha256.json")


@pytest.mark.parametrize(
    ("which", "damage"),
    [
        ("d/*", "truncated"),
        ("d/*", "removed"),
        ("manifest.ocdbt", "emptied"),
        ("_METADATA", "grown"),
        ("metrics/metrics", "removed"),
    ],
)
def test_a_file_that_is_not_whole_is_named(copied, which, damage):
    file = next((copied / "20").rglob(which))
    content = file.read_bytes()
    file.unlink()
    if damage != "removed":
        new = {"truncated": content[:-1], "emptied": b"", "grown": content + b"\0"}[damage]
        file.write_bytes(new)
    said = "is missing" if damage == "removed" else "its SHA-256 differs"
    with pytest.raises(CheckpointError, match=rf"{file}.*{said}.*\(others are 10\)"):
        opened(copied)


def test_a_file_too_many_is_named(copied):
    (copied / "20" / "default" / "d" / "more").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"/20/default/d/more is not in sha256\.json"):
        opened(copied)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', "\udcff", "[" * 10**5])
def test_a_list_that_cannot_be_read_is_named(copied, text):
    (copied / "20" / digests.NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"/20/sha256\.json is damaged: it (is|does) not"):
        opened(copied)


@pytest.mark.parametrize("step", [5, 99])
def test_an_empty_or_foreign_folder_among_the_steps_is_named(copied, step):
    folder = copied / str(step)
    folder.mkdir()
    with pytest.raises(CheckpointError, match=rf"/{step} is no checkpoint: it is empty.*10, 20"):
        opened(copied)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=rf"/{step} is no checkpoint: it lacks its arrays"):
        opened(copied)
    assert opened(copied, fall_back=True)[0] == 20
    assert (copied / f"{step}.damaged" / "notes.txt").read_text() == "mine"


def test_what_is_not_named_as_a_step_is_left_alone(copied, whole):
    for name in ("notes", "020", "٣", "-7", "20.old"):
        (copied / name).mkdir()
    (copied / "30").write_text("a file")
    assert opened(copied) == whole


def test_a_run_goes_on_without_what_is_damaged_only_when_told(copied, logged):
    files = sorted((copied / "20" / "default" / "d").iterdir())
    files[0].write_bytes(b"damaged")
    for _ in range(2):  # refusing changes nothing
        with pytest.raises(CheckpointError):
            opened(copied)
    with Store(copied, **METRIC, read_only=True) as store:
        assert (store.latest(), store.whole()) == (20, 10)
    with Store(copied, **METRIC, fall_back=True) as store:
        assert (store.steps(), store.best()) == ([10], 10)
        store.save(20, tree(20), {"acc": 0.2})  # the step is made again
        store.wait()
        assert store.steps() == [10, 20]
    assert str(files[0]) in "\n".join(logged)
    assert "20 is no checkpoint any more, but 20.damaged" in "\n".join(logged)
    assert sorted(each.name for each in copied.iterdir()) == ["10", "20", "20.damaged"]
    # Nothing is damaged now, and the newest is taken; a second damaged one does not meet the first.
    assert opened(copied, fall_back=True)[0] == 20
    (copied / "20" / digests.NAME).write_text("{")
    assert opened(copied, fall_back=True)[0] == 10
    assert (copied / "20.damaged1").is_dir()


def test_a_reader_changes_nothing(copied, whole):
    unfinished = copied / "30.orbax-checkpoint-tmp"  # of a process that is saving now
    unfinished.mkdir()
    (copied / "40").mkdir()
    with Store(copied, **METRIC, read_only=True) as store:
        assert store.whole() == 20
        state = store.restore(abstract_like(tree(0)), 20)
        assert {name: array.tolist() for name, array in state.items()} == whole[2]
        with pytest.raises(CheckpointError, match="/40 is no checkpoint"):
            store.restore(abstract_like(tree(0)))
    assert {each.name for each in copied.iterdir()} == {"10", "20", unfinished.name, "40"}
    with Store(copied / "none", read_only=True) as store:
        assert store.whole() is None
    assert not (copied / "none").exists()


def test_without_a_whole_one_a_run_begins_anew_when_told(copied):
    for step in (10, 20):
        shutil.rmtree(copied / str(step) / "default")
    with Store(copied, fall_back=True) as store:
        assert store.latest() is None


def test_a_checkpoint_without_digests_is_read_with_one_line(copied, whole, logged):
    for step in (10, 20):
        (copied / str(step) / digests.NAME).unlink()
    assert opened(copied) == whole
    (line,) = logged
    assert f"{copied / '20'} has no sha256.json (an earlier version saved it" in line
    # Its metrics are read by Orbax before they can be compared with anything.
    (copied / "10" / "metrics" / "metrics").write_bytes(b'{"acc":')
    with pytest.raises(CheckpointError, match=r"metrics of the checkpoints in .* cannot be read"):
        opened(copied)
    (copied / "10" / "metrics" / "metrics").write_bytes(b'["acc", "best"]')
    assert opened(copied)[:2] == (20, 20)


@pytest.mark.parametrize(
    ("where", "asynchronous"), [("before the digests", True), ("after them", False)]
)
def test_a_crash_before_the_name_leaves_no_checkpoint(tmp_path, monkeypatch, where, asynchronous):
    saved(tmp_path, 10)
    write = digests.write

    def crash(folder):
        if where == "after them":
            write(folder)
        raise MemoryError("crash")

    monkeypatch.setattr(digests, "write", crash)
    with (
        pytest.raises(CheckpointError, match=r"step 20 could not be written .*crash"),
        Store(tmp_path, asynchronous=asynchronous, **METRIC) as store,
    ):
        store.save(20, tree(20))
    monkeypatch.undo()
    assert [each.name for each in integrity.folders(tmp_path)] == ["10"]
    assert len(list(tmp_path.iterdir())) == 2  # what the process left
    saved(tmp_path, 20)  # as the run does that goes on from step 10
    assert opened(tmp_path)[0] == 20
    assert sorted(each.name for each in tmp_path.iterdir()) == ["10", "20"]


def test_digests_go_with_their_step_and_come_in_the_background(tmp_path, monkeypatch):
    import threading

    threads = set()
    write = digests.write
    monkeypatch.setattr(
        digests, "write", lambda folder: (threads.add(threading.current_thread()), write(folder))
    )
    with Store(tmp_path, keep_last=1) as store:
        for step in (1, 2, 3):
            store.save(step, tree(step))
    assert len(threads) == 3
    assert threading.main_thread() not in threads
    lists = [os.path.relpath(file, tmp_path) for file in tmp_path.rglob(digests.NAME)]
    assert lists == [f"3/{digests.NAME}"]


def test_every_process_reads_its_part_and_hears_the_same(copied, monkeypatch):
    """Three processes, one after the other, in place of three beside each other."""
    damaged = next((copied / "20" / "default" / "d").iterdir())
    damaged.write_bytes(b"x")
    read, said = [], []
    verify = digests.verify
    monkeypatch.setattr(
        digests, "verify", lambda *args: (read.append(list(args[2])), verify(*args))
    )
    monkeypatch.setattr(integrity.jax, "process_count", lambda: 3)
    monkeypatch.setattr(integrity.distributed, "gather", lambda text: [text])
    for process in range(3):
        monkeypatch.setattr(integrity.jax, "process_index", lambda process=process: process)
        said.append(integrity.damage(copied / "20", whole=True))
    files = [name for names in read for name in names]
    assert len(files) == len(set(files))
    assert set(files) == digests.files(copied / "20")
    assert max(map(len, read)) - min(map(len, read)) <= 1
    (found,) = filter(None, said)
    assert str(damaged) in found
