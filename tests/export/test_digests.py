"""Flipped bits, missing and foreign files of exports and runs, as whatever loads them sees it."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmjax
from mmjax import digests
from mmjax.checkpoints.store import CheckpointError
from mmjax.export import export
from mmjax.model.config import ModelConfig
from mmjax.train import runs
from mmjax.weights import start
from mmjax.weights.files import Folder, WeightsError

FORMATS = {"safetensors": "own", "hf": "clip"}
UNREAD = {"README.md", "parity.json", "special_tokens_map.json"}  # for people and other libraries


@pytest.fixture(scope="module")
def exported(run_of, tmp_path_factory):
    """Format -> (folder of an export, what loading it reads)."""
    from mmjax.inference import with_torch

    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(with_torch, "missing", lambda *names: list(names))
        for format, shape in FORMATS.items():
            out = tmp_path_factory.mktemp("exports") / format
            folder, _ = export(run_of(shape), out, format=format)
            read, verify = set(), digests.verify
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(
                    digests,
                    "verify",
                    lambda *args, read=read, verify=verify: (read.update(args[2]), verify(*args)),
                )
                for name in UNREAD:
                    (folder / name).unlink(missing_ok=True)
                mmjax.load(folder)
            found[format] = folder, read
    return found


def contents(folder, names):
    """What is read of a folder, by the way that all of its readers take."""
    opened = Folder(folder)
    files = {name: opened.file(name) for name in names}
    return {name: file and file.read_bytes() for name, file in files.items()}


def flipped(data, folder, names, tmp_path_factory):
    """A copy of a folder with one bit flipped, and the file that it is in."""
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("flipped") / "folder")
    name = data.draw(st.sampled_from(sorted(names)))
    content = bytearray((copy / name).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    (copy / name).write_bytes(content)
    return copy, name


def is_named_or_changes_nothing(data, folder, read, tmp_path_factory):
    copy, name = flipped(data, folder, read | {digests.NAME}, tmp_path_factory)
    try:
        found = contents(copy, read)
    except WeightsError as error:
        said = str(error)
    else:
        said = None
        assert name == digests.NAME  # of a file that is not read
        assert found == contents(folder, read)
    assert said is None or (name in said and digests.NAME in said and "\n" not in said)


def test_all_files_that_are_read_are_verified(exported):
    for folder, read in exported.values():
        assert digests.files(folder) == read & digests.files(folder)


@settings(max_examples=60)
@given(data=st.data())
def test_a_flipped_bit_in_any_file_of_an_export_is_named(data, exported, tmp_path_factory):
    folder, read = exported[data.draw(st.sampled_from(sorted(exported)))]
    is_named_or_changes_nothing(data, folder, read, tmp_path_factory)


@settings(max_examples=30)
@given(data=st.data())
def test_a_flipped_bit_in_the_files_of_a_run_is_named(data, run_of, tmp_path_factory):
    read = {"config.json", "summary.json"}
    is_named_or_changes_nothing(data, run_of("clip"), read, tmp_path_factory)


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_or_added_file_of_an_export_is_named(exported, tmp_path, format):
    folder, read = exported[format]
    for name in sorted(digests.files(folder)):
        copy = shutil.copytree(folder, tmp_path / name)
        (copy / name).unlink()
        with pytest.raises(WeightsError, match=rf"{name}/{name} is missing: sha256\.json lists it"):
            mmjax.load(copy)
    absent = sorted(read - digests.files(folder))
    for name in absent:
        copy = shutil.copytree(folder, tmp_path / name)
        (copy / name).write_text("{}")
        with pytest.raises(WeightsError, match=rf"{name} is not in sha256\.json"):
            mmjax.load(copy)


def test_an_export_is_verified_by_all_that_start_from_it(exported, tmp_path):
    copy = shutil.copytree(exported["hf"][0], tmp_path / "copy")
    file = copy / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    init = start.complete({"init_from": str(copy)}, "image", "model.towers.image", "a recipe")
    model = ModelConfig.of({"towers": {"image": init}})
    for read in (
        lambda: mmjax.load(copy),
        lambda: runs.of_folder({}, str(copy), "latest", "teacher.init_from"),
        lambda: start.Pretrained(model, {}, {}),
    ):
        with pytest.raises(WeightsError, match=r"model\.safetensors is not the file that sha256"):
            read()


def test_a_run_is_verified_by_all_that_read_it(run_of, tmp_path):
    run = shutil.copytree(run_of("clip"), tmp_path / "run")
    (newest,) = (run / "checkpoints").iterdir()
    file = next((newest / "default" / "d").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    for read in (
        lambda: mmjax.load(run),
        lambda: export(run, tmp_path / "out", format="safetensors"),
        lambda: runs.of_folder({}, str(run), "latest", "teacher.init_from"),
    ):
        with pytest.raises(CheckpointError, match=rf"{file} is not .*\(there is no other\)"):
            read()
    with pytest.raises(CheckpointError, match="has no checkpoint that is whole"):
        mmjax.load(run, checkpoint="previous")
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(WeightsError, match=r"config\.json is not the file that sha256\.json"):
        mmjax.load(run)


def test_folders_without_digests_load_as_before(exported, run_of, tmp_path):
    for folder, names in (exported["hf"], (run_of("clip"), {"config.json", "summary.json"})):
        copy = shutil.copytree(folder, tmp_path / folder.name)
        (copy / digests.NAME).unlink()
        assert contents(copy, names) == contents(folder, names)
