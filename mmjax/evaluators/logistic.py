"""Logistic regression with an L2 penalty, by Newton's method: small, exact and deterministic."""

import numpy as np


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
