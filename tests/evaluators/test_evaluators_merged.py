"""Merged and routed retrieval, against loops over queries and scikit-learn's classifier."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mmjax.data.registry import SOURCES
from mmjax.data.synthetic.routed_queries import ROUTES
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.merged_retrieval import MergedRetrieval

NAMES = ("query", *ROUTES)


class Vectors:
    """Hands unit vectors on."""

    modalities = NAMES

    def embed(self, modality, array, layer="unit"):
        return array


def source(split, **options):
    return SOURCES.parse({"type": "routed_queries", "split": split, **options}, "s", "s").build()


def data(of):
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(of, dict.fromkeys(NAMES, view), 64)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def expected(queries, train, index):
    """R@1 of every way, a query at a time."""
    items = [(r[m], m, r["id"]) for m in ROUTES for r in index if m in r]
    vectors = np.array([v for v, _, _ in items], np.float64)
    kinds, ids = np.array([m for _, m, _ in items]), np.array([i for _, _, i in items])
    x, of_train = (np.array([r["query"] for r in each], np.float64) for each in (queries, train))
    router = LogisticRegression(C=1e4 / len(of_train), tol=1e-8, max_iter=1000)
    router.fit(of_train, [r["route"] for r in train])
    likely = router.predict_log_proba(x)
    columns = [list(router.classes_).index(m) for m in kinds]
    centred = unit(vectors - np.stack([vectors[kinds == m].mean(0) for m in kinds]))
    found = {}
    for i, query in enumerate(queries):
        said, asked = router.predict(x[i : i + 1])[0], query["route"]
        cosine, flat = vectors @ x[i], centred @ unit(x[i] - of_train.mean(0))
        scores = {
            "merged": cosine,
            "centred": flat,
            "routed": np.where(kinds == said, cosine, -9),
            "oracle": np.where(kinds == asked, cosine, -9),
            "soft": flat + 0.1 * likely[i][columns],
        }
        right = (kinds == asked) & (ids == query["id"])
        for name, score in scores.items():
            found.setdefault(f"{name}/R@1", []).append(right[score.argmax()])
            found.setdefault(f"{name}/R@5", []).append(right[np.argsort(-score)[:5]].any())
        hit = found["oracle/R@1"][-1]
        found.setdefault("random/R@1", []).append(hit / 3)
        found.setdefault("router", []).append(said == asked)
        for m in ROUTES:
            found.setdefault(f"merged/share_{m}", []).append(kinds[cosine.argmax()] == m)
    return {name: np.mean(values) for name, values in found.items()}


@pytest.mark.parametrize("everywhere", [False, True])
def test_every_way_is_that_of_a_loop(everywhere):
    options = dict(offset=0.6, everywhere=everywhere, seed=1)
    queries, train = (source(s, examples=n, **options) for s, n in (("test", 60), ("train", 300)))
    index = source("index", **options)
    assert len(index) == (1000 if everywhere else 3000)
    assert sum(m in r for r in index for m in ROUTES) == 3000
    evaluator = MergedRetrieval(query="query", items=ROUTES, ks=(1, 5))
    found = evaluator(Vectors(), data(queries), train=data(train), index=data(index))
    for name, value in expected(list(queries), list(train), list(index)).items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    assert found["items"] == 3000


def test_an_offset_draws_queries_to_the_nearest_modality():
    options = dict(seed=3, examples=200)
    evaluator, shares = MergedRetrieval(query="query", items=ROUTES), []
    for offset in (0.0, 1.2):
        queries, train = (source(s, offset=offset, **options) for s in ("test", "train"))
        index = source("index", offset=offset, seed=3)
        found = evaluator(Vectors(), data(queries), train=data(train), index=data(index))
        shares.append(found["merged/share_text"])
    assert shares[0] < 0.45
    assert shares[1] == 1


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="should be two different views"):
        MergedRetrieval(items=("text",))
    queries, index = source("test", examples=5), source("index")
    few = source("train", examples=1)
    evaluator = MergedRetrieval(query="query", items=ROUTES)
    with pytest.raises(EvaluationError, match="do not ask for every item"):
        evaluator(Vectors(), data(queries), train=data(few), index=data(index))
    other = MergedRetrieval(query="query", items=("image", "video"))
    with pytest.raises(EvaluationError, match=r"the label 'route' is 'text', which is none of"):
        other(Vectors(), data(queries), train=data(source("train")), index=data(index))
    with pytest.raises(ValueError, match="the split 'index' has all topics"):
        type(index)(split="index", examples=3)
