"""Ridge regression of attributes, against scikit-learn on the same folds."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.linear_solvers import ALPHAS
from mmjax.evaluators.regression import Regression


class Vectors:
    """A model whose layer `encoder` gives a vector as it is."""

    modalities = ("text",)

    def embed(self, modality, array, layer="unit"):
        assert layer == "encoder"
        return array


def data(seed, count=40, numbers=3, noise=0.3):
    world, rng = np.random.default_rng(0), np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)) * np.arange(1, 7)
    y = x @ world.normal(size=(6, numbers)) + noise * rng.normal(size=(count, numbers))
    columns = Columns("test", "test", {"text": x, "norms": list(y)}, ("text",))

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(columns, {"text": view}, 16)


def predicted(x, y, test):
    scaler = StandardScaler().fit(x)
    model = RidgeCV(alphas=ALPHAS * len(x)).fit(scaler.transform(x), y)
    return model.predict(scaler.transform(test))


def arrays(data):
    fields = data.source.fields
    return np.asarray(fields["text"], np.float32).astype(float), np.array(fields["norms"])


def test_it_is_fitted_on_other_rows():
    (x, y), (z, truth) = arrays(data(1)), arrays(data(2, noise=8))
    left = truth - predicted(x, y, z)
    expected = 1 - (left**2).sum() / ((truth - y.mean(0)) ** 2).sum()
    found = Regression(target="norms", layer="encoder")(Vectors(), data(2, noise=8), train=data(1))
    errors = {"MSE": (left**2).mean(), "MAE": np.abs(left).mean()}
    assert found == pytest.approx(
        {"R2": expected, **errors, "numbers": 3, "examples": 40}, rel=1e-3
    )
    assert 0 < expected < 0.99


def test_without_other_rows_each_fold_is_predicted_from_the_others():
    x, y = arrays(data(1, noise=8))
    fold = np.random.default_rng(3).permutation(40) % 4
    left, all_of_it = 0.0, 0.0
    for k in range(4):
        there, out = fold != k, fold == k
        left += ((y[out] - predicted(x[there], y[there], x[out])) ** 2).sum()
        all_of_it += ((y[out] - y[there].mean(0)) ** 2).sum()
    evaluator = Regression(target="norms", layer="encoder", folds=4, seed=3)
    found = evaluator(Vectors(), data(1, noise=8))
    assert found["R2"] == pytest.approx(1 - left / all_of_it, abs=1e-4)


def test_numbers_that_are_not_in_the_features_are_not_found():
    source = data(1)
    rng = np.random.default_rng(5)
    source.source.fields["norms"] = list(rng.normal(size=40))  # single numbers
    found = Regression(target="norms", layer="encoder")(Vectors(), source)
    assert found["R2"] < 0.15
    assert found["numbers"] == 1


def test_what_cannot_be_regressed():
    with pytest.raises(ValueError, match="folds=1 should be at least 2"):
        Regression(target="norms", folds=1)
    evaluator = Regression(target="norms", layer="encoder")
    with pytest.raises(EvaluationError, match="9 records are too few for 5 folds"):
        evaluator(Vectors(), data(1, 9))
    source = data(1)
    source.source.fields["norms"][3] = np.zeros(2)
    with pytest.raises(EvaluationError, match="'norms' of test test row 3 has 2 numbers"):
        evaluator(Vectors(), source)
    source.source.fields["norms"] = [np.zeros(3)] * 40
    with pytest.raises(EvaluationError, match="'norms' is the same in all records"):
        evaluator(Vectors(), source)


class Forecaster(Vectors):
    """A model with a term that maps six numbers to three."""

    weights = np.random.default_rng(7).normal(size=(6, 3)).astype(np.float32)

    def embed(self, modality, array, layer="unit"):
        assert layer == "raw"
        return array

    def predictor(self, term, view):
        if term != "forecast":
            raise ValueError(f"no term {term!r}")
        assert view == "text"
        return lambda x: x @ self.weights + 5


def test_a_term_is_measured_beside_a_guess_and_by_its_parts():
    source = data(1)
    rng = np.random.default_rng(2)
    guess, unit = rng.normal(size=40), rng.uniform(1, 3, 40)
    source.source.fields |= {"last": list(guess), "spread": list(unit)}
    x, y = arrays(source)
    told = x @ Forecaster.weights + 5
    found = Regression(
        target="norms", term="forecast", baseline="last", unit="spread",
        parts=(("small", 2), ("large", 4)),
    )(Forecaster(), source)  # fmt: skip
    left, naive = (y - told) * unit[:, None], (y - guess[:, None]) * unit[:, None]
    parts = [(x[:, a:b] @ Forecaster.weights[a:b]).std(0).mean() for a, b in ((0, 2), (2, 6))]
    expected = {
        "R2": 1 - ((y - told) ** 2).sum() / ((y - y.mean(0)) ** 2).sum(),
        "MSE": (left**2).mean(),
        "MAE": np.abs(left).mean(),
        "baseline/MSE": (naive**2).mean(),
        "baseline/MAE": np.abs(naive).mean(),
        "share/small": parts[0] / sum(parts),
        "share/large": parts[1] / sum(parts),
        "numbers": 3,
        "examples": 40,
    }
    assert found == pytest.approx(expected, rel=1e-4)


def test_what_a_term_cannot_be_asked():
    with pytest.raises(ValueError, match="name the term"):
        Regression(target="norms", parts=(("all", 6),))
    source = data(1)
    for options, says in (
        ({"term": "align"}, "no term 'align'"),
        ({"parts": (("some", 5),)}, "of 5 numbers, but 'text' has 6"),
        ({"baseline": "norms", "unit": "norms"}, "'norms' has 3 numbers, and should have one$"),
    ):
        own = {"target": "norms", "term": "forecast", **options}
        with pytest.raises(EvaluationError, match=says):
            Regression(**own)(Forecaster(), source)
    with pytest.raises(EvaluationError, match="is trained already: leave out 'train'"):
        Regression(target="norms", term="forecast")(Forecaster(), source, train=source)
    wide = data(1, numbers=4)
    with pytest.raises(EvaluationError, match="'norms' has 4 numbers, but 3 are predicted"):
        Regression(target="norms", term="forecast")(Forecaster(), wide)
