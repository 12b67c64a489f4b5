"""Benchmarks with code of their own find for a model what ours finds."""

import importlib
import io
import json
import runpy
import sys

import numpy as np
import pytest
from own_data_files import shard
from PIL import Image
from third_party import needs

import mmjax
from mmjax.extras import MissingExtra

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "grey": (99, 99, 99)}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """32 images of 4 colours with noise, by file: name -> number of the class."""
    folder, random, found = tmp_path_factory.mktemp("colours"), np.random.default_rng(0), {}
    for i in range(32):
        noisy = np.array([*COLOURS.values()][i % 4]) + random.normal(0, 60, (24, 20 + i % 3, 3))
        file = folder / f"{i:02}.png"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file)
        found[file] = i % 4
    return found


@pytest.fixture(scope="module")
def model(run_of):
    return mmjax.load(run_of("clip"))


def test_clip_benchmark_counts_as_we_do(images, model, run_of, tmp_path, monkeypatch):
    needs("clip_benchmark.cli")
    (tmp_path / "test").mkdir()
    rows = ((f.stem, f.read_bytes(), b"%d" % number) for f, number in images.items())
    files = {
        name: v
        for stem, image, c in rows
        for name, v in ((f"{stem}.png", image), (f"{stem}.cls", c))
    }
    shard(tmp_path / "test/0.tar", files)
    (tmp_path / "test/nshards.txt").write_text("1")
    (tmp_path / "classnames.txt").write_text("\n".join(COLOURS))
    templates = ("a picture of {}", "{}")
    (tmp_path / "zeroshot_classification_templates.txt").write_text(
        "\n".join(each.format("{c}") for each in templates)
    )
    out = tmp_path / "found.json"
    words = (
        "eval --model_type=mmjax --pretrained=any --no_amp --dataset=wds/colours --num_workers=0"
    )
    monkeypatch.setattr(
        sys,
        "argv",
        ["x", *words.split(), f"--model={run_of('clip')}", f"--dataset_root={tmp_path}",
         f"--output={out}"],
    )  # fmt: skip
    runpy.run_module("mmjax.harnesses.clip_benchmark", run_name="__main__")
    found = json.loads(out.read_text())["metrics"]
    scores = model.zero_shot(list(images), list(COLOURS), templates).scores
    right = scores.argmax(axis=1) == np.fromiter(images.values(), int)
    assert found["acc1"] == pytest.approx(right.mean())
    assert found["mean_per_class_recall"] == pytest.approx(right.mean())  # 8 images of each


def test_clip_benchmark_searches_captions(images, model, run_of, tmp_path):
    metrics = needs("clip_benchmark.metrics.zeroshot_retrieval")
    torch = needs("torch")
    from mmjax.harnesses import clip_benchmark

    towers, transform, tokenizer = clip_benchmark.load(str(run_of("clip")))
    names = [f"{[*COLOURS][c]} number {i}" for i, c in enumerate(images.values())]
    inputs = torch.stack([transform(Image.open(file)) for file in images])
    batches = [(inputs[:20], [[n] for n in names[:20]]), (inputs[20:], [[n] for n in names[20:]])]
    found = metrics.evaluate(towers, batches, tokenizer, "cpu", amp=False, recall_k_list=[3])
    best = model.search(model.encode(texts=names), model.encode(images=list(images)), k=3)
    recall = (best.positions == np.arange(32)[:, None]).any(axis=1).mean()
    assert found["image_retrieval_recall@3"] == pytest.approx(recall)


def test_mteb_classifies_as_we_do(images, model, run_of):
    mteb = needs("mteb")
    datasets = needs("datasets")
    mocks = needs("mteb.mocks.mock_tasks.zeroshot_classification")
    from mmjax.harnesses.mteb import Encoder

    class Colours(mocks.MockZeroShotClassificationTask):
        def load_data(self, **_):
            columns = {"image": [Image.open(f) for f in images], "label": [*images.values()]}
            self.dataset = datasets.DatasetDict(test=datasets.Dataset.from_dict(columns))
            self.data_loaded = True

        def get_candidate_labels(self):
            return list(COLOURS)

    encoder = Encoder(run_of("clip"))
    assert encoder.mteb_model_meta.modalities == ["text", "image"]
    result = mteb.evaluate(encoder, Colours(), cache=None, overwrite_strategy="always")
    labels = model.zero_shot(list(images), list(COLOURS)).scores.argmax(axis=1)
    right = labels == np.fromiter(images.values(), int)
    assert result[0].get_score() == pytest.approx(right.mean())


def test_mteb_runs_its_own_trials(run_of):
    """Its mock tasks of every kind: classification, clustering, STS, retrieval, reranking."""
    mteb = needs("mteb")
    from mmjax.harnesses.mteb import Encoder

    tried = mteb.mock_run(Encoder(run_of("clip"))).task_results
    failed = {n: each for n, each in tried.items() if type(each).__name__ == "TaskError"}
    assert not failed
    ran = {name for name, each in tried.items() if each is not None}
    assert {"MockRetrievalTask", "MockAny2AnyRetrievalT2I", "MockVisionCentricQA"} <= ran
    assert not any("Audio" in name or "Video" in name for name in ran)


def test_mteb_hears_sounds():
    """A sound of another sampling rate goes through the model's own view."""
    needs("mteb")
    soundfile = needs("soundfile")
    from mmjax.harnesses import mteb as harness

    wave = harness._sound({"array": np.linspace(-0.5, 0.5, 1000, dtype=np.float32),
                           "sampling_rate": 8000})  # fmt: skip
    back, rate = soundfile.read(io.BytesIO(wave))
    assert rate == 8000
    np.testing.assert_allclose(back, np.linspace(-0.5, 0.5, 1000), atol=1e-6)


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("clip_benchmark", "torch", "clip_benchmark"),
        ("clip_benchmark", "clip_benchmark", "clip_benchmark"),
        ("mteb", "mteb", "mteb"),
    ],
)
def test_a_missing_package_ends_the_command_in_one_sentence(
    module, package, extra, monkeypatch, capsys
):
    if package == "clip_benchmark":
        needs("torch")
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(f"mmjax.harnesses.{module}", run_name="__main__")
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mmjax: ")
    assert line.endswith(f"needs the package {package}: pip install 'mmjax[{extra}]'")


def test_where_it_is_imported_a_missing_package_is_an_error_of_ours(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.delitem(sys.modules, "mmjax.harnesses.mteb", raising=False)
    with pytest.raises(
        MissingExtra, match=r"MTEB needs the package mteb: pip install 'mmjax\[mteb"
    ):
        importlib.import_module("mmjax.harnesses.mteb")
