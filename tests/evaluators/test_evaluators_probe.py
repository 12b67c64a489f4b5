"""The probe on another modality: noise, adapters, an MLP, and what it refuses."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators import EVALUATORS
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.logistic import fit_mlp
from mmjax.evaluators.probe import Probe, adapted


class Vectors:
    """A model that embeds a vector as its direction."""

    modalities = ("a", "b")

    def embed(self, modality, array, layer="unit"):
        return array / np.linalg.norm(array, axis=1, keepdims=True)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def data(seed, count=300):
    """Class centres, and b that lies elsewhere than a by one shift."""
    world, rng = np.random.default_rng(0), np.random.default_rng(seed)
    centres, shift = world.normal(size=(3, 8)), 2 * world.normal(size=8)
    label = rng.integers(3, size=count)
    a, b = (centres[label] + 0.3 * rng.normal(size=(count, 8)) + o for o in (0, shift))

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    columns = Columns("test", "test", {"a": a, "b": b, "label": label}, ("a", "b"))
    return EvalData(columns, {"a": view, "b": view}, 64)


def measured(**options):
    further = {"train": data(1), **options.pop("further", {})}
    told = {"modalities": ("a",), "tested": ("b",), "layer": "unit", **options}
    return Probe(**told)(Vectors(), data(2), **further)["accuracy"]


def columns(source, name):
    rows = [source.source[i] for i in range(len(source.source))]
    return unit(np.stack([r[name] for r in rows])), np.array([r["label"] for r in rows])


def test_it_is_fitted_on_one_modality_and_tested_on_the_other():
    (x, y), (test, truth) = columns(data(1), "a"), columns(data(2), "b")
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    model = LogisticRegression(tol=1e-8, max_iter=1000).fit((x - mean) / deviation, y)
    expected = (model.predict((test - mean) / deviation) == truth).mean()
    assert measured() == pytest.approx(expected)
    assert measured() < 0.8 < measured(modalities=("b",))


def test_adapters_move_it_to_where_the_tested_modality_lies():
    paired = {"paired": data(3)}
    shifted = measured(adapter="shift", further=paired)
    assert shifted > measured() + 0.1
    assert measured(adapter="linear", further=paired) > measured() + 0.1
    rng = np.random.default_rng(0)
    x, u, v = (unit(rng.normal(size=(20, 4))) for _ in range(3))
    expected = unit(LinearRegression().fit(u, v).predict(x))
    np.testing.assert_allclose(adapted(x, u, v, "linear"), expected, atol=1e-12)
    np.testing.assert_allclose(adapted(x, u, v, "shift"), unit(x + v.mean(0) - u.mean(0)))


def test_noise_is_of_what_is_tested_as_another_modality():
    probe = Probe(modalities=("a", "b"), tested=("b", "b"), layer="unit", noise=0.2, copies=3)
    a, b = (unit(np.random.default_rng(s).normal(size=(5, 4))) for s in (0, 1))
    found = probe._noisy([a, b])
    assert found.shape == (15, 8)
    np.testing.assert_array_equal(found[:, 4:], np.tile(b, (3, 1)))
    np.testing.assert_allclose(np.linalg.norm(found[:, :4], axis=1), 1)
    eps = np.random.default_rng(0).standard_normal((15, 4))
    np.testing.assert_allclose(found[:, :4], unit(np.tile(a, (3, 1)) + 0.2 * eps))


def test_an_mlp_separates_what_a_line_does_not():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    assert (fit_mlp(x, y, 32, c=1e4)(x) == y).mean() > 0.95
    assert (fit_mlp(x, y, 32, c=1e-3)(x) == y).mean() < 0.8  # a strong penalty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tested": ("b", "c")}, "must be as many"),
        ({"adapter": "shift"}, "name it in 'tested'"),
        ({"noise": 0.1}, "set layer='unit'"),
        ({"several": True, "hidden": 4}, "set hidden=0"),
        ({"c": (1.0, 0.0)}, "above 0"),
        ({"region": "where", "modalities": ("a", "b")}, "of one modality's tokens"),
        ({"region": "where", "tested": ("b",)}, "of one modality's tokens"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Probe(**{"modalities": ("a",), **options})


def test_an_adapter_needs_pairs():
    with pytest.raises(ValueError, match="needs a source 'paired'"):
        measured(adapter="shift")


def test_each_source_has_to_have_its_own_side():
    options = EVALUATORS.spec("probe", modalities=("a",), tested=("b",)).options
    asked = {source: Probe.asks(source, options) for source in ("train", "source", "val", "paired")}
    assert asked == {
        "train": {"labels": "label", "region": None, "modalities": ("a",)},
        "source": {"labels": "label", "region": None, "tested": ("b",)},
        "val": {"labels": "label", "region": None, "tested": ("b",)},
        "paired": {"modalities": ("a",), "tested": ("b",)},
    }


class Tokens(Vectors):
    """Embeds three tokens of eight numbers, by layers that a probe of regions asks for."""

    def embed(self, modality, array, layer="unit"):
        assert layer in ("tokens", "encoder.tokens")
        return array if layer == "tokens" else 2 * array[:, ::-1]


def pages(seed, count=200):
    """Tokens of which one or two show the class, and where these are."""
    rng, world = np.random.default_rng(seed), np.random.default_rng(0)
    label, where = rng.integers(3, size=count), rng.random((count, 3)) < 0.5
    where[~where.any(1), 1] = True
    tokens = rng.normal(size=(count, 3, 8)) + where[..., None] * world.normal(size=(3, 8))[
        label][:, None]  # fmt: skip
    tokens = tokens.reshape(count, 24)
    fields = {"a": tokens, "label": label, "where": where.astype(int)}

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(Columns("test", "test", fields, ("a",)), {"a": view}, 64)


@pytest.mark.parametrize("layer", ["unit", "encoder"])
def test_a_region_is_the_mean_of_its_tokens(layer):
    train, test = pages(1), pages(2)

    def features(data):
        fields = data.source.fields
        tokens = np.float32(fields["a"]).astype(float)
        tokens = (tokens if layer == "unit" else 2 * tokens[:, ::-1]).reshape(-1, 3, 8)
        pairs = zip(tokens, fields["where"], strict=True)
        return np.stack([own[where > 0].mean(0) for own, where in pairs]), fields["label"]

    (x, y), (z, truth) = features(train), features(test)
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    model = LogisticRegression(tol=1e-8, max_iter=1000).fit((x - mean) / deviation, y)
    expected = (model.predict((z - mean) / deviation) == truth).mean()
    options = dict(modalities=("a",), region="where", layer=layer)
    found = Probe(**options)(Tokens(), test, train=train)
    assert found["accuracy"] == pytest.approx(expected)
    test.source.fields["where"][3] = np.zeros(3)
    with pytest.raises(ValueError, match="'where' of test test row 3 has 0 of 3 tokens"):
        Probe(**options)(Tokens(), test, train=train)


def several(seed, count=200):
    """Items with any of three labels, each decided by a noisy direction of its own."""
    rng, world = np.random.default_rng(seed), np.random.default_rng(9)
    a = rng.normal(size=(count, 8))
    has = a @ world.normal(size=(8, 3)) + 2 * rng.normal(size=(count, 3)) > 1
    labels = [[name for name, own in zip("xyz", row, strict=True) if own] for row in has]
    columns = Columns("test", "test", {"a": a, "label": labels}, ("a",))

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(columns, {"a": view}, 64), unit(a.astype(np.float32)), has


def one_vs_rest(c, test):
    (_, x, has), (_, tested, truth) = several(1, 30), several(test)
    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-6
    model = OneVsRestClassifier(LogisticRegression(C=c, tol=1e-8, max_iter=1000))
    scores = model.fit((x - mean) / deviation, has).decision_function((tested - mean) / deviation)
    two = np.argsort(-scores, axis=1)[:, :2]
    hits = np.take_along_axis(truth, two, axis=1)[truth.any(1)].mean()
    found = {"AUROC": roc_auc_score(truth, scores), "mAP": average_precision_score(truth, scores)}
    return {**found, "P@k": hits}


def test_several_labels_are_as_many_regressions_and_their_penalty_is_chosen():
    options = dict(modalities=("a",), layer="unit", several=True, k=2)
    sources = {"train": several(1, 30)[0], "val": several(2)[0]}
    found = Probe(**options, c=0.1)(Vectors(), several(3)[0], train=sources["train"])
    expected = {**one_vs_rest(0.1, 3), "classes": 3, "examples": 200}
    assert found == pytest.approx(expected, abs=1e-6)
    cs = (10.0, 0.1, 0.003)
    held_out = [one_vs_rest(c, 2)["AUROC"] for c in cs]
    assert len({*held_out}) == 3
    best = cs[int(np.argmax(held_out))]
    assert best != cs[0]
    chosen = Probe(**options, c=cs)(Vectors(), several(3)[0], **sources)
    assert chosen == pytest.approx({**expected, **one_vs_rest(best, 3), "c": best}, abs=1e-6)
    with pytest.raises(ValueError, match="needs a source 'val', to choose one by"):
        Probe(**options, c=cs)(Vectors(), several(3)[0], train=sources["train"])


def test_the_penalty_of_one_label_is_chosen_by_accuracy():
    cs, options = (1e-4, 1.0), dict(modalities=("a",), layer="unit")
    train, val, test = data(1, 20), data(4), data(2)
    alone = [Probe(**options, c=c)(Vectors(), val, train=train)["accuracy"] for c in cs]
    found = Probe(**options, c=cs)(Vectors(), test, train=train, val=val)
    assert found["c"] == cs[int(np.argmax(alone))]
    expected = Probe(**options, c=found["c"])(Vectors(), test, train=train)
    assert found == {**expected, "c": found["c"]}
