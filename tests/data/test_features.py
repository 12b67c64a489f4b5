"""Features of frozen models as a source: records, alternatives, raw texts, damaged files."""

import numpy as np
import pytest

from mmjax.data.records import SourceError
from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.sources.features import FeaturesSource


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    image = {
        "id": [7, 3, 7],
        "key": ["g", "c", "g"],
        "group": ["x", "y", "x"],
        "embedding": rng.normal(size=(3, 4)).astype(np.float32),
    }
    text = {
        "id": [3, 7, 9],
        "key": ["c", "g", "i"],
        "text": ["a cat", "a dog", "none"],
        "embedding": rng.normal(size=(3, 5)).astype(np.float16),
    }
    np.savez(tmp_path / "image.npz", **image)
    np.savez(tmp_path / "text.npz", **text)
    return {m: str(tmp_path / f"{m}.npz") for m in ("image", "text")}


def test_records(files):
    source = FeaturesSource(files=files)
    assert len(source) == 2
    assert [source[i]["id"] for i in range(2)] == [7, 3]
    first = source[0]
    assert (first["key"], first["group"]) == ("g", "x")
    with np.load(files["image"]) as image, np.load(files["text"]) as text:
        np.testing.assert_array_equal(first["image"], image["embedding"][[0, 2]])
        np.testing.assert_array_equal(source[1]["text"], text["embedding"][:1])
    assert source.may_lack == ()
    assert source.id_limit == 10


def test_texts_in_place_of_vectors(files):
    source = FeaturesSource(files=files, raw=("text",))
    assert [source[i]["text"] for i in range(2)] == [["a dog"], ["a cat"]]
    with pytest.raises(SourceError, match="has no file with an array 'text'"):
        FeaturesSource(files={"image": files["image"]}, raw=("image",))


def test_labels_as_texts(files):
    source = FeaturesSource(files=files, named={"text@class": "group"})
    assert source.modalities == ("image", "text", "text@class")
    assert [(source[i]["text@class"], source[i]["group"]) for i in range(2)] == [
        (["x"], "x"), (["y"], "y"),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="no label of these files; labels are: group"):
        FeaturesSource(files=files, named={"text@class": "kind"})
    with pytest.raises(SourceError, match="named='text' has a file of its own"):
        FeaturesSource(files=files, named={"text": "group"})


def test_a_record_may_lack_a_modality(files):
    source = FeaturesSource(files={"text": files["text"], "image": files["image"]})
    assert source.may_lack == ("image",)
    assert "image" not in source[2]


def change(path, kind):
    with np.load(path) as file:
        arrays = {n: file[n] for n in file.files}
    if kind == "lacking":
        del arrays["key"]
    elif kind == "length":
        arrays["id"] = arrays["id"][:2]
    elif kind == "type":
        arrays["id"] = arrays["id"].astype(str)
    elif kind == "pickle":
        arrays["key"] = np.array([{"a": 1}] * 3, object)
    elif kind == "other":
        arrays["id"] = arrays["id"] + 100
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("lacking", "has no array key"),
        ("length", "do not fit each other"),
        ("type", "'id' should be whole numbers"),
        ("pickle", "cannot be read as arrays"),
        ("other", "have no record in common"),
    ],
)
def test_files_that_cannot_be(files, kind, says):
    change(files["text"], kind)
    with pytest.raises(SourceError, match=says):
        FeaturesSource(files=files)


def test_no_files(files, tmp_path):
    with pytest.raises(SourceError, match="names no file"):
        FeaturesSource(files={})
    with pytest.raises(SourceError, match="there is no file of features"):
        FeaturesSource(files={"image": str(tmp_path / "none.npz")})
    (tmp_path / "text.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(SourceError, match="cannot be read as arrays"):
        FeaturesSource(files=files)


def test_labels_are_those_of_the_ids(tmp_path):
    files = {"image": "emoji_pretrained:test_concepts", "text": "emoji_pretrained:test_concepts"}
    source = FeaturesSource(files=files, labels="emoji_pretrained")
    emoji = EmojiSource(split="test_concepts")
    theirs = {row["id"]: row for row in map(emoji.__getitem__, range(len(emoji)))}
    assert source.label_fields == ("group", "subgroup")
    for i in range(len(source)):
        own = source[i]
        assert (own["group"], own["subgroup"]) == tuple(
            theirs[own["id"]][name] for name in ("group", "subgroup")
        )
    path = tmp_path / "labels.npz"
    np.savez(path, id=np.arange(3), kind=np.array(["a", "b", "c"]))
    with pytest.raises(SourceError, match=r"no labels of the record with the id \d+"):
        FeaturesSource(files=files, labels=str(path))
    np.savez(path, kind=np.array(["a"]))
    with pytest.raises(SourceError, match="an array 'id' and labels of the same length"):
        FeaturesSource(files=files, labels=str(path))
