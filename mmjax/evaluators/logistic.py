"""Classifiers of features, by scikit-learn: logistic regression to convergence, and an MLP."""

import warnings
from collections.abc import Callable

import numpy as np

from mmjax.evaluators.errors import EvaluationError


def fit(features: np.ndarray, labels: np.ndarray, c: float = 1.0) -> tuple[np.ndarray, float]:
    """Minimises |w|^2 / 2 + c sum_i log(1 + exp(-z_i (w.x_i + b))), z_i = +-1; b is not penalised.

    The objective is strictly convex in w, so that also perfectly separable data have one finite
    solution. Newton steps, in float64.

    Args:
      features: f[N,D].
      labels: bool[N]; both values have to occur.
      c: inverse strength of the penalty, scikit-learn's `C`.

    Returns:
      Weights f64[D] and bias b.

    Raises:
      EvaluationError: if only one label occurs.
    """
    from sklearn.linear_model import LogisticRegression  # here to start faster

    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        raise EvaluationError("logistic regression needs examples of both labels")
    model = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-8, max_iter=100)
    model.fit(np.asarray(features, np.float64), labels)
    return model.coef_[0], float(model.intercept_[0])


def fit_classes(
    features: np.ndarray, labels: np.ndarray, classes: int, c: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Minimises |W|^2 / 2 - c sum_i log softmax(x_i W + b)_(y_i); b is not penalised.

    By L-BFGS, in float64. Of two classes it is the difference of both columns that is penalised, as
    by `fit`.

    Args:
      features: f[N,D].
      labels: i[N], in 0 .. classes - 1; each of them has to occur.
      classes: number of classes, at least 2.
      c: inverse strength of the penalty, scikit-learn's `C`.

    Returns:
      Weights f64[D, classes] and biases f64[classes].

    Raises:
      EvaluationError: with fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression  # here to start faster

    if classes < 2:
        raise EvaluationError("logistic regression needs at least two classes")
    if classes == 2:
        weights, bias = fit(features, np.asarray(labels) == 1, c)
        return np.stack([-weights, weights], axis=1) / 2, np.array([-bias, bias]) / 2
    model = LogisticRegression(C=c, solver="lbfgs", tol=1e-8, max_iter=1000)
    model.fit(np.asarray(features, np.float64), labels)
    return model.coef_.T, model.intercept_


def fit_mlp(
    features: np.ndarray, labels: np.ndarray, hidden: int, c: float = 1.0, seed: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """An MLP with one hidden layer of ReLU: 800 steps of Adam, rate 1e-3, batches of 128.

    Args:
      features: f[N,D].
      labels: i[N], in 0 .. classes - 1; each of them has to occur.
      hidden: width of the hidden layer.
      c: inverse strength of the L2 penalty, on the scale of `fit_classes`.
      seed: of its start and of the order of rows.

    Returns:
      f[M,D] -> i64[M], the predicted labels.
    """
    from sklearn.exceptions import ConvergenceWarning  # here to start faster
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits  # of scikit-learn

    batch = min(128, len(features))
    epochs = -(-800 * batch // len(features))
    model = MLPClassifier(
        (hidden,),
        alpha=batch / (c * len(features)),  # which it divides by the rows of a batch
        batch_size=batch,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )
    # Its products are small: more threads would only wait for each other.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after its steps by design
        model.fit(np.asarray(features, np.float64), labels)
    predict: Callable[[np.ndarray], np.ndarray] = model.predict
    return predict
