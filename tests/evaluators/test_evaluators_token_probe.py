"""The linear probe of tokens against ridge regression by scikit-learn, and what it refuses."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.token_probe import TokenProbe

TOKENS, DIM = 6, 3


class Tokens:
    """A model whose second layer is the square of the first; one token stands before the others."""

    modalities = ("image",)

    def embed(self, modality, values, layer="unit"):
        tokens = np.concatenate([np.full((len(values), 1, DIM), 9.0), values], axis=1)
        return (tokens if layer == "encoder.tokens" else tokens**2).reshape(len(values), -1)


def data(seed, rows=12):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, TOKENS, DIM)).astype(np.float32)
    shares = np.clip(x[..., 0] ** 2 + 0.5 * x[..., 1] - 0.4, 0, 1)
    columns = Columns("test", "test", {"image": x, "mask": shares}, ("image",))
    return EvalData(columns, {"image": lambda value, rng, train: value}, 5)


def parts(source):
    rows = [source.source[i] for i in range(len(source.source))]
    x = np.concatenate([row["image"] for row in rows]).astype(np.float64)
    return np.concatenate([x, x**2], axis=1), np.concatenate([row["mask"] for row in rows])


def test_it_is_ridge_regression_of_all_tokens():
    layers = ("encoder.tokens", "early.encoder.tokens")
    probe = TokenProbe(layers=layers, alpha=2.0, above=0.1, skip=1)
    found = probe(Tokens(), data(2), train=data(1))
    (x, y), (test, truth) = parts(data(1)), parts(data(2))
    truth = truth > 0.1
    taken = Ridge(alpha=2.0).fit(x, np.where(y > 0.1, 1.0, -1.0)).predict(test) > 0
    both = (taken & truth).sum()
    assert found["Dice"] == pytest.approx(2 * both / (taken.sum() + truth.sum()))
    assert found["IoU"] == pytest.approx(both / (taken | truth).sum())
    assert found["accuracy"] == pytest.approx((taken == truth).mean())
    assert found["chance"] == pytest.approx(2 * truth.mean() / (1 + truth.mean()))
    assert found["tokens"] == 12 * TOKENS
    alone = TokenProbe(layers=layers[:1], above=0.1, skip=1)(Tokens(), data(2), train=data(1))
    assert alone["Dice"] < found["Dice"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "has 6 numbers, but the layer 'encoder.tokens' of 'image' is not made of as many"),
        ({"skip": 1, "mask": "region"}, "has no mask 'region'"),
        ({"skip": 1, "above": 1.0}, "covers 0 of 72 tokens"),
    ],
)
def test_what_cannot_be_probed(options, message):
    with pytest.raises(EvaluationError, match=message):
        TokenProbe(**options)(Tokens(), data(2), train=data(1))
    with pytest.raises(ValueError, match="name at least one layer"):
        TokenProbe(layers=())
