"""The layout of CLIP_benchmark: classes, prompts and captions of a folder as it is."""

import io

import numpy as np
import pytest
from own_data_files import shard
from PIL import Image

from mmjax.data.records import BadExample, SourceError, options
from mmjax.data.sources import ClipBenchmarkSource
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.zero_shot import ZeroShot


def png(level):
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def classes(tmp_path):
    """30 shards of 4 images each, of three classes, two of which have one name."""
    folder = tmp_path / "wds_greys"
    (folder / "test").mkdir(parents=True)
    for number in range(30):
        rows = {}
        for i in range(4):
            stem, kind = f"s{4 * number + i:07d}", (4 * number + i) % 3
            rows |= {f"{stem}.png": png(100 * kind), f"{stem}.cls": str(kind).encode()}
        shard(folder / "test" / f"{number}.tar", rows)
    (folder / "test" / "nshards.txt").write_text("30\n")
    (folder / "classnames.txt").write_text("crane\nwhite\ncrane\n")
    template = "zeroshot_classification_templates.txt"
    (folder / template).write_text("a photo of {c}.\n{c}, in {} braces\n")
    return folder


def test_classes_and_prompts(classes):
    source = ClipBenchmarkSource(path=str(classes))
    assert len(source) == 120
    assert source.modalities == ("image",)
    assert source.label_fields == ("label",)
    # Shards in the order of their numbers' names, and samples in theirs.
    numbers = {int(source[i]["key"].split()[-1][1:]): source[i]["label"] for i in range(120)}
    assert numbers == {i: i % 3 for i in range(120)}
    told = source.prompts("label")
    assert [(each.value, each.name) for each in told] == [(0, "crane"), (1, "white"), (2, "crane")]
    assert told[1].prompts == ["a photo of white.", "white, in {} braces"]
    assert source.prompts("group") is None
    assert "wds_greys/test: 120 examples in 30 tar shards" in source.describe()


def test_zero_shot_asks_in_its_prompts(classes):
    class Model:
        modalities = ("image", "text")
        texts: list = []  # noqa: RUF012

        def embed(self, modality, array, layer="unit"):
            return np.eye(3, dtype=np.float32)[array.astype(int)]

    def image(value, key, train):
        return np.int32(np.asarray(Image.open(io.BytesIO(value)))[0, 0, 0] // 100)

    def text(value, key, train):
        Model.texts.append(value)
        return np.int32(1 if "white" in value else 0)

    data = EvalData(ClipBenchmarkSource(path=str(classes)), {"image": image, "text": text}, 16)
    metrics = ZeroShot(labels="label")(Model(), data)
    assert metrics["classes"] == 3
    # White is white; of two cranes one by chance; and the last kind of grey is like no name.
    assert metrics["top_1"] == pytest.approx((40 + 40 / 2 + 40 / 3) / 120)
    assert Model.texts[:2] == ["a photo of crane.", "crane, in {} braces"]
    Model.texts.clear()
    ZeroShot(labels="label", templates=("{}!",))(Model(), data)
    assert Model.texts == ["crane!", "white!", "crane!"]


def test_captions_are_one_a_line(tmp_path):
    (tmp_path / "wds_pairs" / "test").mkdir(parents=True)
    rows = {"a.png": png(0), "a.txt": b"one\n two \r\n\nthree", "b.png": png(9), "b.txt": b"four"}
    shard(tmp_path / "wds_pairs" / "test" / "0.tar", rows)
    source = ClipBenchmarkSource(path=str(tmp_path / "wds_pairs"))
    assert source.modalities == ("image", "text")
    assert [options(source[i]["text"]) for i in range(2)] == [["one", "two", "three"], ["four"]]
    assert source.prompts("label") is None


def test_what_is_wrong_is_said(classes, tmp_path):
    with pytest.raises(SourceError, match="no folder 'train' of shards; it has test"):
        ClipBenchmarkSource(path=str(classes), split="train")
    (classes / "classnames.txt").write_text("crane\nwhite\n")
    source = ClipBenchmarkSource(path=str(classes))
    found = [i for i in range(6) if i % 3 == 2]
    for i in found:
        with pytest.raises(BadExample, match=r"class 2, and classnames\.txt has 2"):
            source[i]
    (classes / "classnames.txt").write_text("crane\n\nwhite\n")
    with pytest.raises(SourceError, match=r"classnames\.txt: line 2 is empty"):
        ClipBenchmarkSource(path=str(classes))
    (classes / "classnames.txt").write_text("crane\nblack\nwhite\n")
    (classes / "zeroshot_classification_templates.txt").write_text("a photo of {}\n")
    with pytest.raises(SourceError, match=r"'a photo of .*' should have one"):
        ClipBenchmarkSource(path=str(classes))
