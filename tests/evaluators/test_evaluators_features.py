"""Probe, few-shot, spectrum, structure and tuple retrieval, on features that are known."""

import itertools

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators import logistic
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.few_shot import FewShot
from mmjax.evaluators.geometry import effective_rank as of_covariance
from mmjax.evaluators.probe import Probe
from mmjax.evaluators.spectrum import Spectrum, effective_rank
from mmjax.evaluators.structure import Structure
from mmjax.evaluators.tuple_retrieval import TupleRetrieval


class Vectors:
    """A model that embeds a vector as its direction, and encodes it as it is."""

    modalities = ("x", "a", "b", "c")

    def embed(self, modality, array, layer="unit"):
        return array if layer == "encoder" else array / np.linalg.norm(array, axis=1, keepdims=True)


def data(fields, modalities, ids=None):
    def view(value, rng, train):
        return np.asarray(value, np.float32)

    source = Columns("test", "test", fields, modalities, ids)
    return EvalData(source, dict.fromkeys(modalities, view), batch_size=16)


def test_several_classes_are_told_apart_by_the_minimum_of_the_objective():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    x = rng.normal(size=(200, 4)) + 2 * np.eye(3, 4)[y]
    w, b = logistic.fit_classes(x, y, 3, c=0.5)

    def objective(w, b):
        s = x @ w + b
        top = s.max(1, keepdims=True)
        log_p = s - top - np.log(np.exp(s - top).sum(1, keepdims=True))
        return 0.5 * (w**2).sum() - 0.5 * log_p[np.arange(200), y].sum()

    best = objective(w, b)
    for _ in range(20):
        assert objective(w + 0.01 * rng.normal(size=w.shape), b) > best
        assert objective(w, b + 0.05 * rng.normal(size=3) * [1, -1, 0]) > best
    with pytest.raises(ValueError, match="two classes"):
        logistic.fit_classes(x, np.zeros(200, int), 1)


def test_a_probe_reads_the_encoder_of_every_modality_and_forgets_scales():
    rng = np.random.default_rng(1)

    def fields(count):
        y = rng.integers(4, size=count)
        # Each modality tells one of two bits of the class, in a small and in a large direction.
        a = np.stack(
            [rng.normal(size=count) * 9, 1e-3 * (y % 2) + 1e-4 * rng.normal(size=count)], 1
        )
        b = np.stack([500 * (y // 2) + rng.normal(size=count), rng.normal(size=count)], 1)
        return {"a": a, "b": b, "label": y}

    train = data(fields(300), ("a", "b"))
    tested = data(fields(200), ("a", "b"))
    probe = Probe(modalities=("a", "b"))
    found = probe(Vectors(), tested, train=train)
    assert found["accuracy"] > 0.99
    assert found["classes"] == 4
    alone = Probe(modalities=("a",))(Vectors(), tested, train=train)
    assert 0.4 < alone["accuracy"] < 0.6
    with pytest.raises(ValueError, match="no label 'shape'"):
        Probe(labels="shape", modalities=("a",))(Vectors(), tested, train=train)


def test_prototypes_of_clear_classes_are_right_and_cosines_are_plain_means():
    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(5), 12)
    x = np.eye(5, 8)[y] + 0.1 * rng.normal(size=(60, 8))
    found = FewShot(modality="x", draws=3)(Vectors(), data({"x": x, "label": y}, ("x",)))
    assert found["1_shot"] > 0.9
    assert found["5_shot"] == 1
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    s = u @ u.T
    same, itself = y[:, None] == y[None, :], np.eye(60, dtype=bool)
    assert found["intra"] == pytest.approx(s[same & ~itself].mean())
    assert found["inter"] == pytest.approx(s[~same].mean())
    noise = FewShot(modality="x")(
        Vectors(), data({"x": rng.normal(size=(60, 8)), "label": y}, ("x",))
    )
    assert noise["1_shot"] < 0.35
    rare = {"x": x, "label": np.arange(60)}
    with pytest.raises(ValueError, match="fewer than two classes have 6 rows"):
        FewShot(modality="x")(Vectors(), data(rare, ("x",)))


def test_scores_of_prototypes_where_the_support_does_not_matter():
    """Rows of a class are one point, and two classes are the same point.

    Its queries, 5 of class 1 and then 6 of class 0, are all answered with class 0; those of classes
    2 and 3 (11 and 9) are right. Class 4 has too few rows for one shot; 0 and 1 have for five.
    """
    y = np.repeat([1, 0, 2, 3, 4], [6, 7, 12, 10, 5])
    x = np.eye(4)[[0, 0, 1, 2, 3]][y]
    found = FewShot(modality="x", draws=3)(Vectors(), data({"x": x, "label": y}, ("x",)))
    assert [found[f"{n}_shot_classes"] for n in (1, 5)] == [4, 2]
    assert found["1_shot"] == pytest.approx(26 / 31)
    assert found["1_shot_f1"] == pytest.approx((12 / 17 + 0 + 1 + 1) / 4)
    gain = [1 / np.log2(place + 1) for place in range(1, 11)]
    own = sum(gain[5:]) / sum(gain[:6])  # of class 0: places 6 to 10, for the first 6
    assert found["1_shot_ndcg@10"] == pytest.approx((own + 1 + 1 + 1) / 4)
    assert found["5_shot"] == found["5_shot_f1"] == 1
    assert found["5_shot_ndcg@10"] == pytest.approx(1)


def test_few_shots_with_texts_are_told_by_both():
    """Two classes are one point each, 20 degrees apart; of texts both are nearest to class 1."""

    def at(degrees):
        return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], 1)

    y = np.repeat([0, 1], 8)
    fields = {"x": at(np.array([0.0, 20.0]))[y], "a": at(np.array([-40.0, 5.0]))[y], "label": y}

    def measured(**options):
        few = FewShot(modality="x", text="a", shots=(2,), draws=2, layer="unit", **options)
        return few(Vectors(), data(fields, ("x", "a")))

    found = measured(temperature=0.1)
    assert (found["2_shot"], found["2_shot_text"]) == (1, 0.5)
    # Of class 0, prototypes differ by 4 tanh(.030) and texts by tanh(1.15) at this temperature.
    assert found["2_shot_fused"] == 0.5
    # By 8 tanh(.030) and tanh(.115).
    assert measured(temperature=1.0, weights=(1.0, 8.0))["2_shot_fused"] == 1
    assert measured(temperature=1.0, weights=(1.0, 3.0))["2_shot_fused"] == 0.5
    with pytest.raises(ValueError, match="the modality itself"):
        FewShot(modality="x", text="x")


def test_effective_rank_is_of_singular_values():
    rng = np.random.default_rng(3)
    u, _ = np.linalg.qr(rng.normal(size=(50, 6)) - 0)
    u = u - u.mean(0)
    u, _ = np.linalg.qr(u)
    values = np.array([4.0, 2, 1, 1, 0, 0])
    p = values / values.sum()
    expected = np.exp(-(p[:4] * np.log(p[:4])).sum())
    x = (u * values) @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert effective_rank(x) == pytest.approx(expected, rel=0.05)
    assert effective_rank(x) > of_covariance(x)
    assert effective_rank(np.ones((5, 3))) == 1
    found = Spectrum(modality="x")(Vectors(), data({"x": rng.normal(size=(200, 6))}, ("x",)))
    assert found["effective_rank"] > 5.8
    assert -3 < found["uniformity"] < -1.5


def test_structure_follows_a_modality_or_shared_concepts():
    rng = np.random.default_rng(4)
    concepts = np.stack([rng.permutation([1, 1, 0, 0, 0, 0]) for _ in range(80)]).astype(float)
    fields = {"a": concepts + 0.01, "b": rng.normal(size=(80, 4)), "concepts": concepts}
    tested = data(fields, ("a", "b"))
    own = Structure(modality="a", reference="concepts")(Vectors(), tested)
    # Cosines are an increasing function of the shared concepts, with many ties in both.
    assert own["spearman"] == pytest.approx(1)
    assert own["pearson"] == pytest.approx(1)
    assert Structure(modality="a", reference="a")(Vectors(), tested)["pearson"] == pytest.approx(1)
    other = Structure(modality="b", reference="concepts", examples=60)(Vectors(), tested)
    assert abs(other["spearman"]) < 0.15
    assert other["examples"] == 60
    with pytest.raises(ValueError, match="neither a modality nor a field"):
        Structure(modality="a", reference="colour")(Vectors(), tested)


def test_structure_follows_overlaps_of_sets_and_looks_at_the_nearest_row():
    rng = np.random.default_rng(5)
    fields = {"a": rng.normal(size=(30, 5)), "s": rng.random((30, 7)) < 0.4}
    fields |= {"t": rng.random((30, 4)) < 0.2}
    fields["t"][:3] = False
    overlap, cosine = np.zeros((30, 30)), np.zeros((30, 30))
    for i, j in np.ndindex(30, 30):
        for sets in (fields["s"], fields["t"]):
            either = (sets[i] | sets[j]).sum()
            overlap[i, j] += (sets[i] & sets[j]).sum() / either / 2 if either else 0
        x, y = fields["a"][i], fields["a"][j]
        cosine[i, j] = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    tested = data(fields, ("a",))
    both = ("correlation", "nearest")
    found = Structure(modality="a", sets=("s", "t"), measures=both)(Vectors(), tested)
    upper = np.triu_indices(30, 1)
    assert found["pearson"] == pytest.approx(np.corrcoef(overlap[upper], cosine[upper])[0, 1], 1e-4)
    assert found["chance_nearest"] == pytest.approx(overlap[upper].mean())
    nearest = (cosine - 2 * np.eye(30)).argmax(1)
    assert found["nearest"] == pytest.approx(np.mean([overlap[i, nearest[i]] for i in range(30)]))
    with pytest.raises(ValueError, match="needs a reference, not 'sets'"):
        Structure(modality="a", sets=("s",), measures=("knn",))
    with pytest.raises(ValueError, match="'colour' is not a vector of one length"):
        Structure(modality="a", sets=("colour",))(Vectors(), tested)


def hits(score, ids, answer_ids):
    """R@1 of plain scores [Q, G], wrong ones with an equal score half above."""
    right = ids[:, None] == answer_ids[None, :]
    best = np.where(right, score, -np.inf).max(1, keepdims=True)
    return (np.where(right, -np.inf, score).max(1, keepdims=True) < best).mean()


@pytest.mark.parametrize("score", ["cosine_sum", "multilinear"])
def test_queries_of_two_find_their_candidate(score):
    rng = np.random.default_rng(5)
    answers, queries = 6, 40
    b = [*rng.normal(size=(answers, 4)), *[None] * queries]
    a, c = ([*[None] * answers, *rng.normal(size=(queries, 4))] for _ in range(2))
    ids = np.concatenate([np.arange(answers), rng.integers(answers, size=queries)])
    tested = data({"a": a, "b": b, "c": c}, ("a", "b", "c"), ids)
    found = TupleRetrieval(query=("a", "c"), answer=("b",), score=score)(Vectors(), tested)
    u = [np.stack([v / np.linalg.norm(v) for v in side if v is not None]) for side in (a, b, c)]
    both = u[0] + u[2] if score == "cosine_sum" else u[0] * u[2]
    assert found["R@1"] == pytest.approx(hits(both @ u[1].T, ids[answers:], ids[:answers]))
    assert found["gallery"] == answers
    assert found["queries"] == queries
    assert found["chance_R@1"] == pytest.approx(1 / answers)


@pytest.mark.parametrize("labels", [None, "entity"])
@pytest.mark.parametrize("missing", ["drop", "zero"])
def test_what_is_missing_scores_zero_in_a_gallery_of_its_own(missing, labels):
    """Two entries of a mention, each with a text and an image, which some lack."""
    rng = np.random.default_rng(8)

    def some(*lacking, count=30):
        return [None if i in lacking else v for i, v in enumerate(rng.normal(size=(count, 4)))]

    names = rng.permutation([f"entity {i % 20}" for i in range(30)])
    ids = np.array([int(name.split()[1]) for name in names])
    mentions = {"a": some(3, 7), "b": some(5, 7, 9), "entity": names}
    entries = {"c": some(2, count=20), "x": some(2, 11, count=20)}
    entries["entity"] = [f"entity {i}" for i in range(20)]
    # Whoever compares ids where labels are asked for finds others.
    tested = data(mentions, ("a", "b"), ids if labels is None else np.arange(30))
    gallery = data(entries, ("c", "x"))
    evaluator = TupleRetrieval(
        query=("a", "b"), answer=("c", "x"), score="paired_sum", missing=missing, labels=labels
    )
    found = evaluator(Vectors(), tested, gallery=gallery)

    def units(rows):
        return np.stack([np.zeros(4) if v is None else v / np.linalg.norm(v) for v in rows])

    x, y = (
        [units(part[name]) for name in two]
        for part, two in ((mentions, ("a", "b")), (entries, ("c", "x")))
    )
    has = any if missing == "zero" else all
    kept, there = (
        np.array([has(u.any(1)[i] for u in side) for i in range(len(side[0]))]) for side in (x, y)
    )
    score = (x[0] @ y[0].T + x[1] @ y[1].T)[np.ix_(kept, there)]
    right = (ids[:, None] == np.arange(20))[np.ix_(kept, there)]
    score, right = score[right.any(1)], right[right.any(1)]
    rank = 1 + (score > score[right][:, None]).sum(1)
    assert found["queries"] == len(rank)
    assert found["gallery"] == there.sum() == (19 if missing == "zero" else 18)
    assert found["R@5"] == pytest.approx((rank <= 5).mean())
    assert found["MRR"] == pytest.approx((1 / rank).mean())
    assert found["mean_rank"] == pytest.approx(rank.mean())


@pytest.mark.parametrize("answer", [("b",), ("b", "c")])
@pytest.mark.parametrize("tight", [0.0, 0.02])
def test_volumes_rank_tuples_as_determinants_do(tight, answer):
    rng = np.random.default_rng(6)
    x = {m: rng.normal(size=(30, 5)) for m in "abc"}
    x["b"] += x["a"]
    if tight:  # the examples nearly agree, and the vectors of each a little more
        x["c"] += x["a"]
        x = {m: 1 + tight * vectors for m, vectors in x.items()}
    found = TupleRetrieval(query=("a",), answer=answer, score="volume")(
        Vectors(), data(x, ("a", "b", "c"))
    )
    u = {m: v / np.linalg.norm(v, axis=1, keepdims=True) for m, v in x.items()}
    volume = np.empty((30, 30))
    for i, j in itertools.product(range(30), range(30)):
        rows = np.stack([u["a"][i], *(u[m][j] for m in answer)])
        volume[i, j] = np.sqrt(np.linalg.det(rows @ rows.T))
    ids = np.arange(30)
    assert found["R@1"] == pytest.approx(hits(-volume, ids, ids))
    assert found["true_volume"] == pytest.approx(np.diag(volume).mean(), rel=1e-4)
    assert found["volume_ratio"] == pytest.approx(np.diag(volume).mean() / volume.mean(), rel=1e-4)


def test_options_that_cannot_be_are_refused():
    for options in (
        {"query": ("a",), "answer": ("a",)},
        {"query": (), "answer": ("a",)},
        {"query": ("a", "b"), "answer": ("c",), "score": "volume"},
        {"query": ("a", "b"), "answer": ("c",), "score": "paired_sum"},
        {"query": ("a",), "answer": ("b",), "score": "volume", "missing": "zero"},
    ):
        with pytest.raises(ValueError, match="tuple_retrieval"):
            TupleRetrieval(**options)


class OfTokens:
    """Tokens f32[N, T, D] of a modality `text`, side by side."""

    modalities = ("text",)

    def __init__(self, tokens):
        self.tokens = tokens

    def dim(self, modality):
        return self.tokens.shape[2]

    def embed(self, modality, values, layer="unit"):
        assert layer == "tokens"
        return self.tokens[np.asarray(values)].reshape(len(values), -1)


def test_isotropy_is_one_minus_the_mean_cosine_within_texts():
    rng = np.random.default_rng(0)
    lengths = (1, 2, 5, 4)
    tokens = rng.normal(size=(4, 5, 8)).astype(np.float32) + 0.5
    tokens /= np.linalg.norm(tokens, axis=2, keepdims=True)
    tokens[np.arange(5) >= np.array(lengths)[:, None]] = 0
    pairs = [
        float(tokens[n, i] @ tokens[n, j])
        for n, length in enumerate(lengths)
        for i in range(length)
        for j in range(length)
        if i != j
    ]

    def measured(tokens):
        source = Columns("test", "test", {"text": list(range(len(tokens)))}, ("text",))
        data = EvalData(source, {"text": lambda value, rng, train: np.int32(value)}, 2)
        return Spectrum(modality="text", layer="tokens")(OfTokens(tokens), data)

    found = measured(tokens)
    assert found == {"isotropy": pytest.approx(1 - np.mean(pairs)), "examples": 4}
    # A constant that is large beside them points all of them the same way.
    far = np.where((tokens != 0).any(2, keepdims=True), tokens + 3 / 8**0.5, 0)
    far /= np.maximum(np.linalg.norm(far, axis=2, keepdims=True), 1e-9)
    assert measured(far)["isotropy"] < 0.2
    with pytest.raises(EvaluationError, match="no example has two tokens"):
        measured(tokens[:1])
