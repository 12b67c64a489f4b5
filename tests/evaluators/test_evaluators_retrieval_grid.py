"""The grid of configurations, against scores of single pairs, and weights of other queries."""

import itertools

import numpy as np
import pytest

from mmjax.data.synthetic.entity_questions import CATEGORIES, EntityQuestions
from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.retrieval_grid import RetrievalGrid

QUERY, ITEMS = ("seen", "asked"), ("image", "text")
GRID = (0.0, 0.5, 2.0)


class Same:
    """A model whose embeddings are the unit vectors that it is given."""

    modalities = (*QUERY, *ITEMS)

    def embed(self, modality, array):
        return array


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def data(fields, ids):
    def view(value, rng, train):
        return value

    names = tuple(fields)
    columns = Columns("test", "test", {m: list(x) for m, x in fields.items()}, names, ids)
    return EvalData(columns, dict.fromkeys(names, view), 16)


def made(count, rng, pages):
    """Queries of pages: noisy images, and questions that know little."""
    ids = rng.integers(len(pages["image"]), size=count)
    fields = {
        "seen": unit(pages["image"][ids] + 0.6 * rng.normal(size=(count, 5))),
        "asked": unit(pages["text"][ids] + 2.0 * rng.normal(size=(count, 5))),
    }
    return fields, ids


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    image = unit(rng.normal(size=(30, 5)))
    pages = {"image": image, "text": unit(image + 0.8 * rng.normal(size=(30, 5)))}
    return pages, made(40, rng, pages), made(60, rng, pages)


def ranks(fields, ids, pages, weights):
    """The rank of the right page of each query."""
    found = []
    for i, own in enumerate(ids):
        scores = [
            sum(w * fields[a][i].astype(float) @ pages[b][j] for (a, b), w in weights.items())
            for j in range(len(pages["image"]))
        ]
        found.append(1 + sum(s > scores[own] for s in scores))
    return np.array(found)


def test_every_configuration_is_that_of_single_pairs(sets):
    pages, (fields, ids), (known, known_ids) = sets
    evaluator = RetrievalGrid(query=QUERY, items=ITEMS, grid=GRID, ks=(1, 5))
    gallery = data(pages, np.arange(30))
    found = evaluator(Same(), data(fields, ids), train=data(known, known_ids), gallery=gallery)
    fixed = {f"{a}_to_{b}": {(a, b): 1} for a in QUERY for b in ITEMS}
    fixed |= {f"{a}_to_all": {(a, b): 1 for b in ITEMS} for a in QUERY}
    fixed["all_to_all"] = dict.fromkeys(itertools.product(QUERY, ITEMS), 1)
    chosen = {}
    sets_of = {f"{a}_to_tuned": [(a, b) for b in ITEMS] for a in QUERY}
    sets_of["tuned"] = list(itertools.product(QUERY, ITEMS))
    for name, pairs in sets_of.items():
        first = [(ranks(known, known_ids, pages, {p: 1}) == 1).mean() for p in pairs]
        best = pairs[int(np.argmax(first))]
        others = [p for p in pairs if p != best]
        every = [
            {best: 1.0, **dict(zip(others, w, strict=True))}
            for w in itertools.product(GRID, repeat=len(others))
        ]
        scores = [(ranks(known, known_ids, pages, w) == 1).mean() for w in every]
        chosen[name] = every[int(np.argmax(scores))]
        for (a, b), weight in chosen[name].items():
            key = f"{a}_to_{b}" if name == "tuned" else b
            assert found[f"{name}/weight/{key}"] == weight, name
    for name, weights in (fixed | chosen).items():
        rank = ranks(fields, ids, pages, weights)
        assert found[f"{name}/R@1"] == pytest.approx((rank == 1).mean()), name
        assert found[f"{name}/R@5"] == pytest.approx((rank <= 5).mean()), name
        assert found[f"{name}/MRR"] == pytest.approx((1 / rank).mean()), name
        ndcg = np.where(rank <= 10, 1 / np.log2(1 + rank), 0).mean()
        assert found[f"{name}/nDCG@10"] == pytest.approx(ndcg), name
    assert found["queries"] == 40
    assert found["items"] == 30


def test_what_cannot_be_compared_is_refused(sets):
    pages, (fields, ids), _ = sets
    with pytest.raises(ValueError, match="have to name different views"):
        RetrievalGrid(query=("image",), items=("image",))
    with pytest.raises(ValueError, match="1,331 combinations of weights are too many"):
        RetrievalGrid(query=QUERY, items=ITEMS, grid=tuple(np.linspace(0, 1, 11)))
    other = data({**fields, "asked": fields["asked"][:, :3] * 0 + np.float32(3**-0.5)}, ids)
    with pytest.raises(EvaluationError, match="embeddings of different sizes"):
        RetrievalGrid(query=QUERY)(Same(), other, train=other, gallery=data(pages, np.arange(30)))


def test_pages_and_queries_are_of_the_same_entities():
    gallery, test = EntityQuestions(split="gallery"), EntityQuestions(split="test")
    pages = {gallery.id_of(i): gallery[i] for i in range(len(gallery))}
    assert len(pages) == 500
    asked = np.array([test[i]["question"] for i in range(len(test))])
    np.testing.assert_array_equal(asked.sum(1), 1)
    assert abs((asked[:, :CATEGORIES].sum(1)).mean() - 0.8) < 0.05
    for i in range(20):
        row, page = test[i], pages[test.id_of(i)]
        np.testing.assert_array_equal(row["image"], page["image"])
        # A word of the question is on the page unless the page left it out.
        others = page["text"][row["question"] == 0].sum()
        assert 1 <= others + page["text"][row["question"] == 1].sum() <= 9
    found = [pages[test.id_of(i)]["text"] @ test[i]["question"] for i in range(1000)]
    assert abs(np.mean(found) - 0.75) < 0.05
    two = EntityQuestions(split="rerank", attributes=2, categories=0.0, examples=50)
    np.testing.assert_array_equal(np.array(two.fields["question"]).sum(1), 2)
    assert min(two.id_of(i) for i in range(50)) >= 500
