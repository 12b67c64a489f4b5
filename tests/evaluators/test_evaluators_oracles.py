"""Metrics against those of libraries: ranx and torchmetrics."""

from types import SimpleNamespace

import numpy as np
import pytest
from third_party import needs

from mmjax.evaluators.data import EvalData
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.zero_shot import ZeroShot

KS = (1, 5, 10)


@pytest.fixture(scope="module")
def sides():
    """Queries and answers, about five of which share an id with a query, and what is right."""
    rng = np.random.default_rng(0)
    concepts = rng.normal(size=(12, 8))

    def side(count):
        ids = np.concatenate([np.arange(12), rng.integers(12, size=count - 12)])
        x = concepts[ids] + 1.5 * rng.normal(size=(count, 8))
        unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        return SimpleNamespace(modality="x", unit=unit, ids=ids)

    queries, answers = side(40), side(60)
    scores = queries.unit.astype(np.float64) @ answers.unit.T.astype(np.float64)
    return queries, answers, scores, queries.ids[:, None] == answers.ids[None, :]


def test_ranx_has_the_same_retrieval(sides):
    ranx = needs("ranx")
    queries, answers, scores, right = sides
    found = Retrieval(ks=KS).direction(queries, answers)
    qrels = {f"q{i}": {f"d{j}": 1 for j in np.flatnonzero(line)} for i, line in enumerate(right)}
    run = {f"q{i}": {f"d{j}": s for j, s in enumerate(line)} for i, line in enumerate(scores)}
    names = [*(f"hit_rate@{k}" for k in KS), "map"]
    want = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), names)
    assert found["mAP"] == pytest.approx(want["map"], abs=1e-6)
    for k in KS:
        assert found[f"R@{k}"] == pytest.approx(want[f"hit_rate@{k}"], abs=1e-6)


def test_torchmetrics_has_the_same_retrieval(sides):
    torch, retrieval = needs("torch"), needs("torchmetrics.retrieval")
    queries, answers, scores, right = sides
    found = Retrieval(ks=KS).direction(queries, answers)
    rows = torch.arange(len(scores))[:, None].expand(*scores.shape)
    # It takes scores for probabilities: an answer of 0 or less is not retrieved.
    given = torch.tensor(scores + 2).flatten(), torch.tensor(right).flatten(), rows.flatten()
    for name, metric in (
        ("mAP", retrieval.RetrievalMAP()),
        *((f"R@{k}", retrieval.RetrievalHitRate(top_k=k)) for k in KS),
    ):
        assert found[name] == pytest.approx(float(metric(*given[:2], indexes=given[2])), abs=1e-6)


def test_torchmetrics_has_the_same_zero_shot(make_source):
    """Classes of unequal sizes, told apart by noisy vectors."""
    torch, classification = needs("torch"), needs("torchmetrics.functional.classification")
    rng = np.random.default_rng(1)
    classes, truth = 9, np.concatenate([np.arange(9), rng.integers(3, size=30)])
    vectors = rng.normal(size=(classes, 8))
    items = vectors[truth] + 1.5 * rng.normal(size=(len(truth), 8))
    source = make_source(len(truth))
    for index, record in enumerate(source.records):
        record |= {"image": items[index], "kind": f"class {truth[index]}"}
    source.labels = lambda field, language="en": [f"class {c}" for c in range(classes)]
    own = {
        "image": lambda value, rng, train: value.astype(np.float32),
        "text": lambda value, rng, train: vectors[int(value.split()[1])].astype(np.float32),
    }

    class Model:
        modalities = ("image", "text")

        def embed(self, modality, array, layer="unit"):
            return array / np.linalg.norm(array, axis=1, keepdims=True)

    found = ZeroShot(labels="kind")(Model(), EvalData(source, own, 8))
    scores = torch.tensor(items @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T)
    for name, options in (
        ("top_1", {"average": "micro"}),
        ("top_5", {"average": "micro", "top_k": 5}),
        ("mean_per_class", {"average": "macro"}),
    ):
        want = classification.multiclass_accuracy(
            scores, torch.tensor(truth), num_classes=classes, **options
        )
        assert found[name] == pytest.approx(float(want), abs=1e-6)
