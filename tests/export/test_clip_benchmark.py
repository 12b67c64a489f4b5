"""LAION's clip_benchmark on an exported model gives the numbers of our own evaluators."""

import numpy as np
import pytest
from third_party import needs

import mmjax
from mmjax.data.sets.emoji import EmojiSource
from mmjax.data.sources import MemorySource
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.zero_shot import ZeroShot
from mmjax.export import export

ROWS = 60


class Loader:
    """A data loader as clip_benchmark takes it: batches, and a dataset that names its classes."""

    def __init__(self, images, targets, classes):
        self.images, self.targets, self.dataset = images, targets, self
        self.classes = classes

    def __iter__(self):
        import torch

        for start in range(0, len(self.images), 16):
            part = slice(start, start + 16)
            pixels = torch.tensor(self.images[part]).permute(0, 3, 1, 2)
            targets = self.targets[part]
            yield pixels, targets if isinstance(targets[0], list) else torch.tensor(targets)


@pytest.fixture(scope="module")
def exported(run_of, tmp_path_factory):
    open_clip, _ = needs("open_clip"), needs("clip_benchmark")

    folder, _ = export(run_of("clip"), tmp_path_factory.mktemp("o") / "clip", format="open_clip")
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    source = EmojiSource(split="new_style")
    # open_clip makes typographic quotes plain, whatever the tokenizer: names without them.
    records = [source[i] for i in range(0, len(source), 20)]
    records = [r for r in records if r["text"][0].isascii()][:ROWS]
    data = MemorySource(
        data={m: [r[m][0] for r in records] for m in ("image", "text")},
        labels={"group": [r["group"] for r in records]},
    )
    ours = mmjax.load(run_of("clip"))
    images = ours.prepare("image", [r["image"][0] for r in records])
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    return model.eval(), tokenizer, images, EvalData(data, ours.bundle.views, 16), ours, records


def test_retrieval(exported):
    from clip_benchmark.metrics import zeroshot_retrieval

    model, tokenizer, images, data, ours, records = exported
    loader = Loader(images, [[r["text"][0]] for r in records], None)
    theirs = zeroshot_retrieval.evaluate(
        model, loader, tokenizer, "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    own = Retrieval()(ours, data)
    for k in (1, 5, 10):
        assert own[f"text_to_image/R@{k}"] == pytest.approx(
            theirs[f"image_retrieval_recall@{k}"], abs=1e-4
        )
        assert own[f"image_to_text/R@{k}"] == pytest.approx(
            theirs[f"text_retrieval_recall@{k}"], abs=1e-4
        )


def test_zero_shot(exported):
    from clip_benchmark.metrics import zeroshot_classification

    model, tokenizer, images, data, ours, records = exported
    groups = sorted({r["group"] for r in records})
    loader = Loader(images, [groups.index(r["group"]) for r in records], groups)
    # Its `evaluate` makes numbers of arrays of one element, which NumPy 2.4 refuses; up to there:
    classifier = zeroshot_classification.zero_shot_classifier(
        model, tokenizer, groups, ["a {c}", "{c}"], "cpu", amp=False
    )
    logits, target = zeroshot_classification.run_classification(
        model, classifier, loader, "cpu", amp=False
    )
    logits, target = logits.numpy(), target.numpy()
    place = (np.argsort(-logits, axis=1) == target[:, None]).argmax(axis=1)
    per_class = [(place[target == c] == 0).mean() for c in np.unique(target)]
    own = ZeroShot(labels="group", templates=("a {}", "{}"))(ours, data)
    assert own["top_1"] == pytest.approx((place < 1).mean(), abs=1e-4)
    assert own["top_5"] == pytest.approx((place < 5).mean(), abs=1e-4)
    assert own["mean_per_class"] == pytest.approx(np.mean(per_class), abs=1e-4)
