"""Pointers of Git LFS and git-annex in the place of files: named as such wherever one is read."""

import functools
import io
import json
import tarfile

import numpy as np
import pytest
from ecg_files import write_record
from PIL import Image
from third_party import needs

from mmjax.commands.convert import convert
from mmjax.data import VIEWS, BadExample, SourceError
from mmjax.data.sources import (
    ArrayRecordSource,
    ArraysSource,
    FeaturesSource,
    FolderSource,
    ManifestSource,
    MemorySource,
    TfdsSource,
    WebDatasetSource,
)
from mmjax.data.sources.wfdb import WfdbSource
from mmjax.data.tokenizers import (
    BytesTokenizer,
    CharacterTokenizer,
    HuggingFaceTokenizer,
    SentencePieceTokenizer,
)
from mmjax.data.views.base import pick
from mmjax.errors import UserError
from mmjax.files import pointer, pointer_at
from mmjax.weights import files as weights_files

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0f" * 32)
ANNEX = b"/annex/objects/SHA256E-s12345--" + b"0f" * 32 + b".png\n"


def lfs(file):
    file.unlink()
    file.write_bytes(LFS)
    return "Git LFS pointer"


def annex(file):
    file.unlink()
    file.write_bytes(ANNEX)
    return "git-annex pointer"


def locked_annex(file):
    file.unlink()
    file.symlink_to("../.git/annex/objects/0x/Qm/SHA256E-s12345--0f/SHA256E-s12345--0f")
    return "git-annex pointer"


def image():
    content = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(content, "PNG")
    return content.getvalue()


def pair(folder, name="a"):
    (folder / f"{name}.png").write_bytes(image())
    (folder / f"{name}.txt").write_text("red")


def sidecars(folder):
    pair(folder), pair(folder, "b")
    return lambda: FolderSource(path=str(folder), split="all")


def subfolders(folder):
    (folder / "red").mkdir()
    (folder / "red" / "a.png").write_bytes(image())
    return lambda: FolderSource(path=str(folder), split="all")


def table(folder):
    (folder / "x.bin").write_bytes(b"anything that is in a file: a sound, a volume, a mesh")
    (folder / "a.csv").write_text("x,text\nx.bin,red\n")
    return lambda: ManifestSource(path=str(folder / "a.csv"), columns={"x": "x", "text": "text"})


def unchecked_tables(folder):
    (folder / "x.bin").write_bytes(b"anything")
    (folder / "a.jsonl").write_text('{"x": "x.bin", "text": "red"}\n')
    options = {"columns": {"x": "x", "text": "text"}, "check_files": False}
    return lambda: ManifestSource(path=str(folder / "*.jsonl"), **options)


def parquet(folder):
    pa = needs("pyarrow")
    rows = pa.table({"image": [image()], "text": ["red"]})
    needs("pyarrow.parquet").write_table(rows, folder / "a.parquet")
    return lambda: ManifestSource(path=str(folder / "a.parquet"))


def shard(folder):
    with tarfile.open(folder / "a.tar", "w") as archive:
        for name, content in (("0.png", image()), ("0.json", b'{"text": "red"}')):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return lambda: WebDatasetSource(path=str(folder))


def npz(folder):
    np.savez(folder / "a.npz", x=np.ones((2, 3)))
    return lambda: ArraysSource(path=str(folder / "a.npz"))


def npy(folder):
    np.save(folder / "x.npy", np.ones((2, 3))), np.save(folder / "y.npy", np.ones(2))
    return lambda: ArraysSource(path=str(folder))


def features(folder):
    np.savez(folder / "x.npz", embedding=np.ones((2, 3)), id=np.arange(2), key=np.array(["a", "b"]))
    return lambda: FeaturesSource(files={"x": str(folder / "x.npz")})


def array_record(folder):
    convert(MemorySource(data={"text": ["red", "blue"]}), folder, say=lambda line: None)
    for name in ("plan.json", "records-00000-of-00001.json"):  # not read again
        (folder / name).unlink()
    return lambda: ArrayRecordSource(path=str(folder))


def wfdb(folder):
    needs("wfdb")
    write_record(folder, "a")
    return lambda: WfdbSource(path=str(folder))


SOURCES = (
    sidecars, subfolders, table, unchecked_tables, parquet, shard, npz, npy, features, array_record,
    wfdb,
)  # fmt: skip


def said(make):
    """What is said of a source: by the error at its opening, or by those of its records."""
    try:
        source = make()
    except UserError as error:
        return [str(error)]
    found = [error.reason for error in source.bad]
    for i in range(len(source)):
        try:
            record = source[i]
            for field in source.modalities:
                pick(record[field], None, False)
        except BadExample as error:
            found.append(error.reason)
    return found


@pytest.mark.parametrize("replace", [lfs, annex, locked_annex])
@pytest.mark.parametrize("build", SOURCES)
def test_every_file_of_every_source(build, replace, tmp_path):
    make = build(tmp_path)
    assert said(make) == []
    for file in sorted(each for each in tmp_path.rglob("*") if each.is_file()):
        if file.suffix == ".index":  # is made again
            continue
        content = file.read_bytes()
        what = replace(file)
        sentences = said(make)
        assert sentences, file
        assert any(what in sentence for sentence in sentences), (file, sentences)
        file.unlink()
        file.write_bytes(content)
    assert said(make) == []


def test_every_file_of_a_prepared_set(tmp_path):
    files = tmp_path / "tiny" / "1.0.0"
    files.mkdir(parents=True)
    for name in ("dataset_info.json", "features.json", "tiny-train.array_record-00000-of-00001"):
        (files / name).write_bytes(LFS)
        with pytest.raises(SourceError, match=f"{name} is only a Git LFS pointer"):
            TfdsSource(name="tiny", columns={"text": "title"}, data_dir=str(tmp_path))
        (files / name).unlink()


@pytest.mark.parametrize("member", ["0.png", "0.json"])
def test_members_of_shards(tmp_path, member):
    contents = {"0.png": image(), "0.json": b'{"text": "red"}'} | {member: LFS}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (sentence,) = said(lambda: WebDatasetSource(path=str(tmp_path)))
    assert "Git LFS pointer" in sentence


OPTIONS = {
    "image": {"size": 4},
    "image_patches": {"patch": 2, "max_patches": 6},
    "pixels": {"size": 4},
    "text": {"tokenizer": BytesTokenizer(), "length": 4},
    "sentences": {"tokenizer": BytesTokenizer(), "sentences": 2, "length": 4},
    "augmented_text": {"tokenizer": BytesTokenizer(), "length": 4},
    "audio": {"rate": 8000, "length": 10},
    "log_mel": {"rate": 8000, "seconds": 1, "high": 4000.0},
    "vector": {"dim": 2},
    "array": {"shape": (2,)},
    "sequence": {"length": 3, "dim": 2},
    "slots": {"slots": {"a": (2, 3)}},
    "signal": {"channels": 1, "length": 4},
    "ecg": {"length": 4, "rate": 100.0},
    "points": {"count": 3},
    "graph": {"nodes": 2},
    "table": {"columns": ("a", "b")},
    "video": {"frames": 2, "size": 4},
    "volume": {"size": (2, 2, 2)},
}


@pytest.mark.parametrize("word", sorted(set(VIEWS) - {"label", "label_set"}))
@pytest.mark.parametrize("train", [False, True])
def test_every_view(word, train):
    """Also of bytes that come from a table, a shard or an array, of whatever source."""
    view, rng = VIEWS[word](**OPTIONS[word]), np.random.default_rng(0)
    for value in (LFS, ANNEX):
        value = value.decode() if word.endswith("text") else value
        for given in (value, [value]):
            with pytest.raises(BadExample, match=r"is only a (Git LFS|git-annex) pointer"):
                view(given, rng, train)


@pytest.mark.parametrize("replace", [lfs, annex, locked_annex])
@pytest.mark.parametrize(
    "make",
    [
        SentencePieceTokenizer,
        CharacterTokenizer,
        functools.partial(HuggingFaceTokenizer, bos="a", eos="b", pad="c"),
    ],
)
def test_tokenizers(tmp_path, make, replace):
    file = tmp_path / "t"
    file.touch()
    with pytest.raises(ValueError, match=f"t is only a {replace(file)}"):
        make(path=str(file))


@pytest.mark.parametrize("replace", [lfs, annex, locked_annex])
def test_weights(tmp_path, replace):
    weights_files.write(tmp_path / "model.safetensors", {"x": np.ones(2)}, {})
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "sha256.json").write_text(json.dumps({"model.safetensors": "0" * 64}))
    folder = weights_files.Folder(tmp_path)
    for name, read in (
        ("model.safetensors", folder.tensors),
        ("config.json", lambda: folder.json("config.json")),
    ):
        what = replace(tmp_path / name)
        with pytest.raises(weights_files.WeightsError, match=f"{name} is only a {what}"):
            read()


def test_content_is_no_pointer(tmp_path):
    for content in (b"", b"version 1", LFS[1:], LFS + bytes(1024), b"x" + ANNEX):
        (tmp_path / "a").write_bytes(content)
        assert pointer(content) is None
        assert pointer_at(tmp_path / "a") is None
    for odd in (tmp_path, tmp_path / "none", "a\0b"):
        assert pointer_at(odd) is None
    (tmp_path / "link").symlink_to("nowhere")
    assert pointer_at(tmp_path / "link") is None
    (tmp_path / "link").unlink()
    (tmp_path / "a").write_bytes(LFS)
    (tmp_path / "link").symlink_to("a")
    assert "Git LFS" in pointer_at(tmp_path / "link")
