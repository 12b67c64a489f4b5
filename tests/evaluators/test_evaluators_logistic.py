import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mmjax.evaluators import logistic


def blobs(distance, n=60, d=7, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2 * n, d))
    x[:n, 0] += distance
    return x, np.arange(2 * n) < n


@pytest.mark.parametrize("distance", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("c", [0.1, 1.0, 100.0])
def test_gradient_is_zero_at_the_solution(distance, c):
    x, labels = blobs(distance)
    w, b = logistic.fit(x, labels, c)
    probability = 1 / (1 + np.exp(-(x @ w + b)))
    np.testing.assert_allclose(w + c * x.T @ (probability - labels), 0, atol=1e-4)
    np.testing.assert_allclose((probability - labels).sum(), 0, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_c_is_that_of_scikit_learn(classes, c):
    """By another solver, for two classes, too."""
    rng = np.random.default_rng(1)
    labels = np.arange(90) % classes
    x = rng.normal(size=(classes, 5))[labels] + rng.normal(size=(90, 5))
    w, b = logistic.fit_classes(x, labels, classes, c)
    assert w.shape == (5, classes)
    p = np.exp(x @ w + b)
    model = LogisticRegression(C=c, solver="newton-cg", tol=1e-10, max_iter=1000).fit(x, labels)
    np.testing.assert_allclose(p / p.sum(1, keepdims=True), model.predict_proba(x), atol=1e-5)


def test_more_features_than_examples():
    x, labels = blobs(1.0, n=5, d=40)
    w, b = logistic.fit(x, labels)
    assert ((x @ w + b > 0) == labels).all()


def test_one_label_is_an_error():
    with pytest.raises(ValueError, match="both labels"):
        logistic.fit(np.ones((4, 2)), np.ones(4, bool))
    with pytest.raises(ValueError, match="two classes"):
        logistic.fit_classes(np.ones((4, 2)), np.zeros(4, int), 1)
