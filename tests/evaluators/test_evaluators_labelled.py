"""Galleries, several labels and clusters, against scikit-learn and rules written plainly."""

import itertools

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist
from sklearn import metrics

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators import Task, clusters, linkage, multilabel, ranking, run
from mmjax.evaluators.candidates import frequent, singular, words_of
from mmjax.evaluators.clusters import Clusters
from mmjax.evaluators.compression import compressed, csls
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.multilabel import MultiLabel
from mmjax.evaluators.open_vocabulary import OpenVocabulary
from mmjax.evaluators.retrieval import Retrieval
from mmjax.evaluators.spectrum import anisotropy
from mmjax.evaluators.structure import Structure, mutual_knn


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


class Vectors:
    """Hands unit vectors on."""

    modalities = ("image", "text")

    def embed(self, modality, array, layer="unit"):
        return array


def data(modalities=("image", "text"), **fields):
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(Columns("t", "t", fields, modalities), dict.fromkeys(modalities, view), 16)


@pytest.fixture(scope="module")
def rows():
    """12 queries with up to three labels, and 50 answers with one of eight."""
    rng = np.random.default_rng(0)
    labels = [list(rng.choice(8, rng.integers(1, 4), replace=False)) for _ in range(12)]
    return unit(rng.normal(size=(12, 5))), labels, unit(rng.normal(size=(50, 5))), np.arange(50) % 8


def test_ranks_of_several_labels_are_those_of_scikit_learn(rows):
    x, labels, y, known = rows
    relevant, scores = np.array([np.isin(known, own) for own in labels]), x @ y.T
    ranks = ranking.rank(x, y, [np.array(own) for own in labels], known)
    both = list(zip(relevant, scores, strict=True))
    expected = [metrics.ndcg_score(r[None], s[None]) for r, s in both]
    np.testing.assert_allclose(ranking.ndcg(ranks), expected, rtol=1e-6)
    expected = [metrics.ndcg_score(r[None], s[None], k=7) for r, s in both]
    np.testing.assert_allclose(ranking.ndcg(ranks, 7), expected, rtol=1e-6)
    expected = [
        metrics.average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)
    ]
    np.testing.assert_allclose(ranking.average_precision(ranks), expected, rtol=1e-6)
    places = [np.flatnonzero(r[np.argsort(-s)]) + 1 for r, s in both]
    expected = [len(own) / own[-1] for own in places]
    np.testing.assert_allclose(ranking.inverse_negative_penalty(ranks), expected, rtol=1e-6)
    for k in (None, 4):
        precision, average = ranking.precision_at(ranks, k)
        for i in range(len(x)):
            hit = relevant[i][np.argsort(-scores[i])]
            limit = hit.sum() if k is None else k
            hit, right = hit[:limit], hit.sum()
            at = np.cumsum(hit) / np.arange(1, limit + 1)
            assert precision[i] == pytest.approx(hit.mean())
            assert average[i] == pytest.approx((at * hit).sum() / min(limit, right))


def test_ties_share_their_places():
    same = np.tile(unit(np.ones((1, 3))), (6, 1))
    ranks = ranking.rank(same[:1], same, np.array([1]), np.array([1, 1, 0, 0, 0, 0]))
    discount = 1 / np.log2(np.arange(2, 8))
    assert ranking.ndcg(ranks) == pytest.approx(2 * discount.mean() / discount[:2].sum())
    # The later of two among six equal places is expected at 2 (6 + 1) / 3.
    assert ranking.inverse_negative_penalty(ranks) == pytest.approx(2 / (14 / 3))
    assert ranking.precision_at(ranks)[0] == 0  # wrong ones of equal score come first


def test_a_gallery_is_searched_by_labels(rows):
    x, labels, y, known = rows
    source = data(image=x, text=[None] * 12, words=labels)
    gallery = data(image=[None] * 50, text=y, word=known.tolist())
    told = dict(labels="words", gallery_labels="word", more=("nDCG", "MRR", "P@k", "mAP@R", "mINP"))
    task = Task(Retrieval(**told), source, {"gallery": gallery})
    found = run(Vectors(), {"retrieval/test": task})
    assert not [name for name in found if "text_to_image" in name]
    best = (x @ y.T).argmax(1)
    right = np.mean([known[b] in own for b, own in zip(best, labels, strict=True)])
    before = "retrieval/test/image_to_text"
    assert found[f"{before}/R@1"] == found[f"{before}/P@1"] == pytest.approx(right)
    assert (found[f"{before}/gallery"], found[f"{before}/queries"]) == (50, 12)
    assert found[f"{before}/MRR"] >= found[f"{before}/R@1"]
    assert 0 < found[f"{before}/mINP"] < found[f"{before}/mAP"]
    asked = Retrieval.asks("gallery", {"pairs": (("image", "text"),), "labels": "words",
                                       "gallery_labels": None})  # fmt: skip
    assert asked == {"pairs": (("text",),), "gallery_labels": "words"}
    told = {"pairs": (("image", "text"),), "labels": "words"}
    for sources, pairs in (({"source"}, told["pairs"]), ({"source", "gallery"}, (("image",),))):
        assert Retrieval.asks_beside("source", told, sources) == {**told, "pairs": pairs}


def test_what_a_query_has_already_is_not_searched_for_it(rows):
    x, _, y, _ = rows
    wanted = [[i, i + 12] if i else [0, 99] for i in range(12)]  # 99 is no answer
    has = [[], *([i, i + 1, i + 24] for i in range(1, 11)), [11, 23]]  # the last wants these alone
    source = data(image=x, text=[None] * 12, wants=wanted, has=has)
    gallery = data(image=[None] * 50, text=y, item=list(range(50)))
    options = dict(labels="wants", gallery_labels="item", exclude="has", ks=(3, 5))
    task = Task(Retrieval(**options, more=("recall@k", "nDCG@k")), source, {"gallery": gallery})
    found = run(Vectors(), {"retrieval/t": task})
    recall, gain = [], []
    for query, own, gone in zip(x, wanted, has, strict=True):
        left = [i for i in np.argsort(-(y @ query)) if i not in gone]
        right = [i for i in own if i in left]
        if right:
            recall.append([len({*left[:k]} & {*right}) / len(right) for k in (3, 5)])
            truth = [[float(i in right) for i in left]]
            gain.append(metrics.ndcg_score(truth, [-np.arange(len(left))], k=5))
    assert len(recall) == 11
    before = "retrieval/t/image_to_text"
    np.testing.assert_allclose(
        [found[f"{before}/recall@{k}"] for k in (3, 5)], np.mean(recall, axis=0)
    )
    assert found[f"{before}/nDCG@5"] == pytest.approx(np.mean(gain))
    assert found[f"{before}/gallery"] == pytest.approx(50 - 30 / 11)
    with pytest.raises(ValueError, match="exclude='has' needs 'labels'"):
        Retrieval(exclude="has")


def test_pools_are_the_mean_over_all_of_them():
    rng = np.random.default_rng(3)
    x, y = unit(rng.normal(size=(6, 3))), unit(rng.normal(size=(6, 3)))
    y[4] = y[1]  # a tie
    found = Retrieval(ks=(1, 2), pool=4)(Vectors(), data(image=x, text=y))
    for k in (1, 2):
        want = []
        for query in range(6):
            others = [i for i in range(6) if i != query]
            for own in itertools.combinations(others, 3):
                scores = y[list(own)] @ x[query] - y[query] @ x[query]
                above, equal = (scores > 1e-6).sum(), (abs(scores) <= 1e-6).sum()
                want.append(np.mean([above + tied < k for tied in range(equal + 1)]))
        assert found[f"image_to_text/R@{k}[pool=4]"] == pytest.approx(np.mean(want))
    with pytest.raises(ValueError, match=r"pool=7 needs one right answer .* there are 6"):
        Retrieval(pool=7)(Vectors(), data(image=x, text=y))


def test_a_modality_against_itself_leaves_the_query_out(rows):
    _, _, y, known = rows
    source = data(image=y, text=y, kind=known.tolist())
    found = Retrieval(pairs=(("image", "image"),), labels="kind")(Vectors(), source)
    scores = y @ y.T
    np.fill_diagonal(scores, -2)
    assert found["image_to_image/R@1"] == np.mean(known[scores.argmax(1)] == known)
    assert found["image_to_image/gallery"] == 49
    assert sorted(name.split("/")[0] for name in found) == ["image_to_image"] * 9 + ["unreadable"]


def test_what_is_compared_may_be_shorter_coarser_or_without_hubs(rows):
    x, _, y, _ = rows
    signs = compressed(x, 4, 1) @ compressed(y, 4, 1).T
    hamming = ((x[:, None, :4] > 0) != (y[None, :, :4] > 0)).sum(-1)
    np.testing.assert_allclose(signs, 1 - 2 * hamming / 4, atol=1e-6)
    np.testing.assert_allclose(compressed(x, None, 8), x, atol=1e-2)
    np.testing.assert_allclose(compressed(x, 3, 32), unit(x[:, :3]), atol=1e-6)
    two = np.where(x >= np.sort(x)[:, -2:-1], x, 0)
    np.testing.assert_allclose(compressed(x, None, 32, top=2), unit(two), atol=1e-6)
    assert compressed(x, None, 32, top=5) is x
    with pytest.raises(ValueError, match="prefix=6 of embeddings of 5 numbers"):
        compressed(x, 6, 32)
    cosines = x @ y.T
    near = np.sort(cosines, 1)[:, -3:].mean(1), np.sort(cosines, 0)[-3:].mean(0)
    expected = 2 * cosines - near[0][:, None] - near[1][None]
    left, right = csls(x, y, 3)
    np.testing.assert_array_equal(np.argsort(left @ right.T, 1), np.argsort(expected, 1))
    np.testing.assert_allclose(2 * left @ right.T - near[0][:, None], expected, atol=1e-5)


def test_multilabel_metrics_are_those_of_their_formulas():
    rng = np.random.default_rng(1)
    scores, truth = rng.normal(size=(30, 6)), rng.random((30, 6)) < 0.3
    truth[:, 5], truth[0] = True, False  # a class without contrast; and an item with one label less
    found = multilabel.measure(scores, truth, 2)
    areas = []
    for s, t in zip(scores.T, truth.T, strict=True):
        if t.any() and not t.all():
            pairs = s[t][:, None] - s[~t][None]
            areas.append(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert found["AUROC"] == pytest.approx(np.mean(areas))
    labelled = truth.any(1)
    best = np.argsort(-scores, axis=1)[:, :2]
    hits = [truth[i, best[i]].mean() for i in np.flatnonzero(labelled)]
    assert found["P@k"] == pytest.approx(np.mean(hits))
    given = np.zeros_like(truth)
    np.put_along_axis(given, best, True, axis=1)
    g, t = given[labelled], truth[labelled]
    f1 = 2 * (g & t).sum(0) / (g.sum(0) + t.sum(0))
    assert found["macro_F1"] == pytest.approx(f1.mean())
    shares = []
    for one, own in zip(scores[labelled], t, strict=True):
        some, right = set(np.argsort(-one)[: own.sum()]), set(np.flatnonzero(own))
        shares.append(len(some & right) / len(some | right))
    assert found["jaccard"] == pytest.approx(np.mean(shares))
    assert (found["classes"], found["examples"]) == (6, 30)


def test_names_of_classes_rank_the_labels_of_an_item():
    names, places = ("cat", "dog", "tree"), np.eye(3, dtype=np.float32)
    images = unit(np.array([[1, 0.9, 0], [0, 0.2, 1], [0.3, 1, 0.2]]))
    source = data(image=images, text=["-"] * 3, tags=[["cat", "dog"], ["tree"], "dog"])
    source.views["text"] = lambda value, rng, train: places[names.index(value)]
    found = MultiLabel(labels="tags", k=1)(Vectors(), source)
    assert found["AUROC"] == found["mAP"] == found["nDCG"] == found["P@k"] == 1
    with pytest.raises(ValueError, match="'tags' 'cat', which is not among 'classes'"):
        MultiLabel(labels="tags", classes=("dog", "tree"))(Vectors(), source)
    # Prompts in place of names; of two, the mean.
    words = dict(
        zip(("miaow", "woof", "wood", "leaf"), np.eye(4, 3, dtype=np.float32), strict=True)
    )
    words["leaf"] = words["wood"]
    source.views["text"] = lambda value, rng, train: words[value]
    prompts = {"cat": ("miaow",), "dog": ("woof",), "tree": ("wood", "leaf")}
    assert MultiLabel(labels="tags", prompts=prompts, k=1)(Vectors(), source) == found
    del prompts["dog"]
    with pytest.raises(ValueError, match="prompts has none for the class 'dog'"):
        MultiLabel(labels="tags", prompts=prompts)(Vectors(), source)
    for wrong in (dict(prompts={"cat": ()}), dict(prompts=prompts, templates=("a {}",))):
        with pytest.raises(ValueError, match="'prompts' are whole"):
            MultiLabel(labels="tags", **wrong)


def test_clusters_are_those_of_a_plain_assignment():
    answer, truth = np.array([0, 0, 0, 1, 1, 2, 3]), np.array([1, 1, 0, 0, 0, 2, 2])
    assert clusters.assigned(answer, truth) == pytest.approx(5 / 7)
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(3), 20)
    x = unit(np.eye(4)[label] + 0.05 * rng.normal(size=(60, 4)))
    found = Clusters()(Vectors(), data(image=x, text=x, label=label))
    assert found["ARI"] == found["NMI"] == found["accuracy"] == 1
    expected = metrics.silhouette_score(x.astype(np.float64), label, metric="cosine")
    assert found["silhouette"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="60 clusters of 60 rows"):
        Clusters(clusters=60)(Vectors(), data(image=x, text=x, label=label))


def test_a_decoy_is_counted_where_it_is_the_first_answer():
    """Queries 0 and 1 find their decoy first, 2 the right answer, 3 something else."""
    answers = np.eye(6)
    queries = unit(answers[[1, 2, 4, 5]] + 0.3 * answers[[0, 0, 0, 0]])
    asked = data(image=queries, text=queries, right=[0, 0, 4, 0], wrong=[1, 2, 0, 1])
    gallery = data(image=answers, text=answers.astype(np.float32), number=np.arange(6))
    options = dict(pairs=(("image", "text"),), labels="right", gallery_labels="number")
    found = Retrieval(decoy="wrong", **options)(Vectors(), asked, gallery=gallery)
    assert found["image_to_text/decoy@1"] == 0.5
    assert found["image_to_text/R@1"] == 0.25
    found = Retrieval(by="wrong", ks=(1,), more=("nDCG@k",), **options)(
        Vectors(), asked, gallery=gallery
    )
    of_one = {name: found[f"image_to_text/R@1[wrong={name}]"] for name in (0, 1, 2)}
    assert of_one == {0: 1.0, 1: 0.0, 2: 0.0}
    assert found["image_to_text/nDCG@1"] == found["image_to_text/R@1"]
    by_id = Retrieval(pairs=(("image", "text"),), labels="right", gallery_labels="id")
    assert by_id(Vectors(), asked, gallery=gallery)["image_to_text/R@1"] == 0.25


def test_linkage_is_that_of_scipy_at_the_threshold_that_other_rows_choose():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 12, 90)
    x = unit(rng.normal(size=(12, 5))[label] + 0.25 * rng.normal(size=(90, 5)))
    own, other = (data(image=x[part], text=x[part], label=label[part])
                  for part in (slice(45), slice(45, None)))  # fmt: skip
    found = Clusters(method="linkage")(Vectors(), own, val=other)
    tree = hierarchy.linkage(pdist(x[:45].astype(np.float64), "cosine"), "single")
    expected = hierarchy.fcluster(tree, found["threshold"], "distance")
    assert found["ARI"] == pytest.approx(metrics.adjusted_rand_score(label[:45], expected))
    assert found["clusters"] == len(np.unique(expected)) > 2

    tree = hierarchy.linkage(pdist(x[45:].astype(np.float64), "cosine"), "single")

    def index(threshold):
        answer = hierarchy.fcluster(tree, threshold, "distance")
        return metrics.adjusted_rand_score(label[45:], answer)

    best = max(index(threshold) for threshold in linkage.THRESHOLDS)
    assert index(found["threshold"]) == pytest.approx(best)
    with pytest.raises(ValueError, match="method='linkage' needs a source 'val'"):
        Clusters(method="linkage")(Vectors(), own)


def test_structures_are_compared_by_cka_and_neighbours():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    measures = ("cka", "knn")
    same = Structure(measures=measures, k=5)(Vectors(), data(image=unit(x), text=unit(x @ turn)))
    assert same["cka"] == pytest.approx(1, abs=1e-5)
    assert same["mutual_knn"] == 1
    y = unit(rng.normal(size=(40, 9)))
    x = unit(x)
    found = Structure(measures=measures, k=5)(Vectors(), data(image=x, text=y))
    k, h = x @ x.T, np.eye(40) - 1 / 40
    centred = [h @ (v @ v.T).astype(np.float64) @ h for v in (x, y)]
    norms = np.linalg.norm(centred[0]) * np.linalg.norm(centred[1])
    assert found["cka"] == pytest.approx((centred[0] * centred[1]).sum() / norms, rel=1e-4)
    shared = [
        len(set(np.argsort(-k[i])[1:6]) & set(np.argsort(-(y @ y.T)[i])[1:6])) for i in range(40)
    ]
    assert found["mutual_knn"] == mutual_knn(x, y, 5) == pytest.approx(np.mean(shared) / 5)
    upper = np.triu_indices(40, 1)
    assert anisotropy(x) == pytest.approx(k[upper].mean(), abs=1e-6)


def test_words_of_captions():
    text = "A photo of <b> two DOGS, berries and 3 boxes at https://x.org/a.png glass.jpg bus!"
    assert words_of(text) == ["two", "dog", "berry", "and", "box", "glass", "bus"]
    assert [singular(w) for w in ("buses", "wishes", "cactus", "this", "cats")] == [
        "bus", "wish", "cactus", "this", "cat",
    ]  # fmt: skip
    assert frequent([["a", "b"], ["b"], ["c", "a"]], 2) == ["a", "b"]
    assert frequent([["a"], ["b"]], 2) == ["a", "b"]  # none occurs twice: all stay
    assert frequent([[]], 2) == []


def plain_cased(v, captions, texts, words, table, k=10, alpha=0.7, t=0.07, same=0.94):
    """CaSED of one image, step by step as the card of the method has it."""
    near = np.argsort(-(captions @ v))[:k]
    kept = []
    for i in near:
        if all(captions[i] @ captions[j] <= same for j in kept):
            kept.append(i)
    pooled = [w for i in kept for w in texts[i]]
    most = max(pooled.count(w) for w in pooled)
    chosen = [w for w in dict.fromkeys(pooled) if pooled.count(w) >= min(2, most)]
    c = captions[kept].mean(0)
    c = c / np.linalg.norm(c)
    vectors = np.stack([table[words.index(w)] for w in chosen])
    p = [np.exp(vectors @ each / t) for each in (v, c)]
    p = [each / each.sum() for each in p]
    return chosen[int((alpha * p[0] + (1 - alpha) * p[1]).argmax())], len(chosen)


def test_open_vocabulary_is_the_method_written_plainly():
    rng = np.random.default_rng(3)
    words = list(range(30))
    table = unit(rng.normal(size=(30, 8)))
    texts = [list(rng.choice(30, 3, replace=False)) for _ in range(200)]
    captions = unit(
        np.stack([table[own].sum(0) for own in texts]) + 0.1 * rng.normal(size=(200, 8))
    )
    label = rng.integers(30, size=25)
    images = unit(table[label] + 0.3 * rng.normal(size=(25, 8)))
    none = [None] * 25
    source = data(image=images, text=none, label=label)
    database = data(image=[None] * 200, text=captions, words=texts)
    vocabulary = data(image=[None] * 30, text=table, word=words)
    evaluator = OpenVocabulary(labels="label", words="words", word="word", duplicates=0.9)
    found = evaluator(Vectors(), source, database=database, vocabulary=vocabulary)
    plain = [plain_cased(v, captions, texts, words, table, same=0.9) for v in images]
    assert found["accuracy"] == np.mean([w == n for (w, _), n in zip(plain, label, strict=True)])
    assert found["candidates"] == np.mean([count for _, count in plain])
    assert found["vocabulary/accuracy"] == np.mean((images @ table.T).argmax(1) == label)
    assert 0.3 < found["accuracy"] <= found["classes/accuracy"]
    assert 0 < found["similarity"] <= 1
    with pytest.raises(ValueError, match="'words' needs the source 'vocabulary'"):
        evaluator(Vectors(), source, database=database)


def test_names_are_words_of_texts():
    names = ["red dog", "blue cat", "green trees"]
    captions = [f"a {name} here" for name in names for _ in range(2)]
    known = {}

    def view(value, rng, train):
        if isinstance(value, str):
            for word in words_of(value) or [value]:
                known.setdefault(word, len(known))
            return np.eye(16, dtype=np.float32)[[known[w] for w in words_of(value)]].sum(0)
        return np.asarray(value, np.float32)

    class Model(Vectors):
        def embed(self, modality, array, layer="unit"):
            return unit(array)

    views = {"image": view, "text": view}
    database = EvalData(Columns("t", "t", {"text": captions}, ("text",)), views, 4)
    images = [view(name, None, False) for name in names]
    columns = Columns("t", "t", {"image": images, "text": names}, ("image", "text"))
    found = OpenVocabulary(k=2)(Model(), EvalData(columns, views, 4), database=database)
    assert found["accuracy"] == found["cluster_accuracy"] == 1
    assert found["IoU"] == 0.5


def test_evaluators_say_what_each_source_has():
    told = dict(labels="label", modality="image", text="text", words="words", word="word")
    assert OpenVocabulary.asks("database", told) == {"text": "text", "words": "words"}
    assert OpenVocabulary.asks("source", told) == {"modality": "image", "labels": "label"}
