"""Logistic regression with an L2 penalty: small, exact and deterministic."""

import numpy as np
from scipy import optimize


def fit(
    features: np.ndarray, labels: np.ndarray, c: float = 1.0, tolerance: float = 1e-8
) -> tuple[np.ndarray, float]:
    """Minimises |w|^2 / 2 + c sum_i log(1 + exp(-z_i (w.x_i + b))), z_i = +-1; b is not penalised.

    The objective is scikit-learn's default one, and strictly convex in w, so that also perfectly
    separable data have one finite solution. Newton steps with step halving, in float64.

    Args:
      features: f[N,D].
      labels: bool[N]; both values have to occur.
      c: inverse strength of the penalty.
      tolerance: of the largest entry of the gradient, relative to c N.

    Returns:
      Weights f64[D] and bias b.

    Raises:
      ValueError: if only one label occurs.
      RuntimeError: if 100 steps do not reach the tolerance.
    """
    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        raise ValueError("logistic regression needs examples of both labels")
    sign = np.where(labels, 1.0, -1.0)
    x = np.concatenate([np.asarray(features, np.float64), np.ones((len(labels), 1))], axis=1)
    penalty = np.ones(x.shape[1])
    penalty[-1] = 0.0  # the bias

    def objective(w):
        return 0.5 * (penalty * w * w).sum() + c * np.logaddexp(0, -sign * (x @ w)).sum()

    w = np.zeros(x.shape[1])
    value = objective(w)
    for _ in range(100):
        wrong = 1 / (1 + np.exp(np.clip(sign * (x @ w), -500, 500)))  # probability of the other
        gradient = penalty * w - c * x.T @ (sign * wrong)
        if np.abs(gradient).max() <= tolerance * c * len(labels):
            return w[:-1], float(w[-1])
        curvature = c * wrong * (1 - wrong)
        hessian = (x * curvature[:, None]).T @ x
        hessian[np.diag_indices_from(hessian)] += penalty
        hessian[-1, -1] += 1e-12  # where all examples are certain, the bias has no curvature
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (new := objective(w - size * step)) > value and size > 1e-10:
            size /= 2
        w, value = w - size * step, new
    raise RuntimeError("logistic regression did not converge in 100 Newton steps")


def fit_classes(
    features: np.ndarray, labels: np.ndarray, classes: int, c: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Minimises |W|^2 / 2 - c sum_i log softmax(x_i W + b)_(y_i); b is not penalised.

    scikit-learn's objective for several classes, by L-BFGS in float64.

    Args:
      features: f[N,D].
      labels: i[N], in 0 .. classes - 1.
      classes: number of classes, at least 2.
      c: inverse strength of the penalty.

    Returns:
      Weights f64[D, classes] and biases f64[classes].

    Raises:
      ValueError: with fewer than two classes.
    """
    if classes < 2:
        raise ValueError("logistic regression needs at least two classes")
    x = np.asarray(features, np.float64)
    size = x.shape[1]
    rows = np.arange(len(x))

    def objective(flat):
        w, b = flat[: size * classes].reshape(size, classes), flat[size * classes :]
        scores = x @ w + b
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1)
        value = 0.5 * (w * w).sum() + c * (np.log(total) - scores[rows, labels]).sum()
        p /= total[:, None]
        p[rows, labels] -= 1
        return value, np.concatenate([(w + c * x.T @ p).ravel(), c * p.sum(axis=0)])

    start = np.zeros((size + 1) * classes)
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "maxcor": 20}
    )
    return found.x[: size * classes].reshape(size, classes), found.x[size * classes :]
