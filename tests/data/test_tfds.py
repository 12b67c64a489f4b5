"""TFDS sets as ArrayRecord: made by a tiny builder, read without TensorFlow."""

import io
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmjax.data import BadExample, SourceError, TrainData
from mmjax.data.sources import TfdsSource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import ImageView, TextView

COUNT = 12


def picture(i):
    content = io.BytesIO()
    Image.new("RGB", (8, 6), (20 * i, 5, 9)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set `tiny` with images that tell which example they are."""
    import tensorflow_datasets as tfds

    class Tiny(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(encoding_format="png"),
                "captions": tfds.features.Sequence({"text": tfds.features.Text(), "n": np.int64}),
                "title": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                "number": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, manager):
            return {
                "train": self._generate_examples(COUNT),
                "validation": self._generate_examples(3),
            }

        def _generate_examples(self, count):
            for i in range(count):
                yield (
                    i,
                    {
                        "image": io.BytesIO(picture(i)),
                        "captions": [{"text": f"é {i} {j}", "n": j} for j in range(i % 3 + 1)],
                        "title": f"title {i}" if i else b"\xff",
                        "label": i % 2,
                        "number": np.float32([i, -i]),
                    },
                )

    path = tmp_path_factory.mktemp("tfds")
    Tiny(data_dir=path, file_format="array_record").download_and_prepare()
    return str(path)


COLUMNS = {"image": "image", "text": "captions/text"}


def number(record):
    return int(record["text"][0].split()[1])


def test_records_have_encoded_pictures_captions_and_label_names(folder):
    source = TfdsSource(
        name="tiny",
        data_dir=folder,
        columns={**COLUMNS, "vector": "number"},
        labels={"kind": "label", "n": "captions/n"},
    )
    assert len(source) == COUNT
    assert (source.label_fields, source.labels("kind")) == (("kind", "n"), None)
    assert source.modalities == ("image", "text", "vector")
    assert source.describe() == "TFDS tiny, train: 12 examples"
    assert sorted(map(number, source)) == list(range(COUNT))
    for index, record in enumerate(source):
        i = number(record)
        assert record["id"] == index
        assert record["key"] == f"tiny train example {index}"
        assert record["text"] == [f"é {i} {j}" for j in range(i % 3 + 1)]
        pixels = np.asarray(Image.open(io.BytesIO(record["image"])))
        assert pixels[0, 0].tolist() == [20 * i, 5, 9]
        assert record["kind"] == ("cat", "dog")[i % 2]
        np.testing.assert_array_equal(record["vector"], [i, -i])
    again = pickle.loads(pickle.dumps(source))
    assert again[3]["text"] == source[3]["text"]


def test_splits_versions_and_texts_of_one_value(folder):
    columns = {"image": "image", "text": "title"}
    part = TfdsSource(name="tiny:1.0.0", data_dir=folder, columns=columns, split="train[6:]")
    assert len(part) == 6
    assert len(TfdsSource(name="tiny", data_dir=folder, columns=columns, split="validation")) == 3
    source = TfdsSource(name="tiny", data_dir=folder, columns=columns)
    texts, bad = [], []
    for index in range(len(source)):
        try:
            texts.append(source[index]["text"])
        except BadExample as error:
            bad.append(error)
    assert sorted(texts) == sorted(f"title {i}" for i in range(1, COUNT))
    assert [error.field for error in bad] == ["text"]
    assert "not UTF-8" in bad[0].reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "tinny"}, "'tinny' is not prepared in .*tfds build tinny --file_format=array_re"),
        ({"name": "tiny:9.9.9"}, "not prepared"),
        ({"split": "test"}, "no split 'test'; it has train, validation"),
        ({"split": "train["}, "split"),
        ({"columns": {"image": "picture"}}, "no feature 'picture'; it has .*image"),
        ({"columns": {"text": "captions/words"}}, "no feature 'captions/words'"),
        ({"labels": {"group": "kind"}}, "no feature 'kind'"),
    ],
)
def test_what_cannot_be_opened_is_a_sentence(folder, options, message):
    options = {"name": "tiny", "columns": COLUMNS, "data_dir": folder, **options}
    with pytest.raises(SourceError, match=message):
        TfdsSource(**options)


def test_another_format_says_how_to_prepare_it(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    info = tmp_path / "copy" / "tiny" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(
        SourceError, match="has the format tfrecord, which cannot be read at random"
    ):
        TfdsSource(name="tiny", data_dir=str(tmp_path / "copy"), columns=COLUMNS)


@pytest.mark.smoke
def test_threads_read_the_same_batches(folder):
    views = {"image": ImageView(size=4), "text": TextView(tokenizer=BytesTokenizer(), length=10)}
    source = TfdsSource(name="tiny", data_dir=folder, columns=COLUMNS)
    data = TrainData(source, views, batch_size=4, seed=0, prefetch=8)
    batches = data.iter_from(0)
    for k in range(30):
        batch = next(batches)
        np.testing.assert_array_equal(batch["text"], data[k]["text"])
        red = ((batch["image"][:, 0, 0, 0] + 1) * 127.5).round().astype(int)
        said = [BytesTokenizer().decode(tokens).split()[1] for tokens in batch["text"]]
        assert (red // 20).tolist() == list(map(int, said))
    batches.close()


def test_tensorflow_is_not_imported(folder):
    program = (
        "import sys, tempfile, pathlib\n"
        # A tensorflow that can be found, and that tells when it is imported.
        "trap = pathlib.Path(tempfile.mkdtemp()); sys.path.insert(0, str(trap))\n"
        "(trap / 'tensorflow.py').write_text('raise SystemExit(\"tensorflow was imported\")')\n"
        "from mmjax.data.sources import TfdsSource\n"
        f"s = TfdsSource(name='tiny', data_dir={folder!r}, columns={COLUMNS!r})\n"
        "print(len(s), len(s[0]['image']) > 20)\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root)
    assert run.stdout.split() == ["12", "True"], run.stderr
