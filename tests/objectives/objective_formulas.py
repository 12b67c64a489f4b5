"""The terms' formulas, written plainly in float64 NumPy from the papers, and exact derivatives.

The derivative is the complex step: f(x + ih) = f(x) + ih f'(x) to machine precision for h = 1e-30,
without the cancellation of finite differences. The formulas therefore avoid abs, max and conj.
"""

import numpy as np
from scipy.special import erf


def gelu(x):
    """x times the normal distribution function of x."""
    return x * (1 + erf(x / np.sqrt(2))) / 2


def normalize(raw):
    return raw / np.sqrt((raw**2).sum(-1, keepdims=True))


def logsumexp(s, where, axis=None):
    """log Σ exp over `where`; the reference point is real, so that derivatives pass."""
    top = np.where(where, s.real, -np.inf).max(axis, keepdims=True)
    total = np.where(where, np.exp(np.where(where, s, 0) - top), 0).sum(axis, keepdims=True)
    return np.squeeze(np.log(total) + top, axis)


def not_duplicate(ids):
    return (ids[:, None] != ids[None, :]) | np.eye(len(ids), dtype=bool)


def info_nce(x, y, log_scale, *, weights=(0.5, 0.5), smoothing=0.0, counted=None):
    x, y = normalize(x), normalize(y)
    s = np.exp(log_scale) * x @ y.T
    counted = np.ones(s.shape, bool) if counted is None else counted
    loss = 0
    for weight, axis in zip(weights, (1, 0), strict=True):
        mean = np.where(counted, s, 0).sum(axis) / counted.sum(axis)
        target = (1 - smoothing) * np.diag(s) + smoothing * mean
        loss = loss + weight * (logsumexp(s, counted, axis) - target).mean()
    return loss


def sigmoid(x, y, log_scale, bias, *, counted=None):
    x, y = normalize(x), normalize(y)
    sign = 2 * np.eye(len(x)) - 1
    z = sign * (np.exp(log_scale) * x @ y.T + bias)
    # log σ(z) = min(z, 0) - log(1 + exp(-|z|)), where the branch follows the real part.
    positive = z.real > 0
    log_sigmoid = np.where(positive, 0, z) - np.log1p(np.exp(np.where(positive, -z, z)))
    counted = np.ones(z.shape, bool) if counted is None else counted
    return -np.where(counted, log_sigmoid, 0).sum() / len(x)


def uniformity(x, t):
    x = normalize(x)
    i, j = np.triu_indices(len(x), 1)
    square = ((x[i] - x[j]) ** 2).sum(-1)
    return np.log(np.exp(-t * square).mean())


def cross_uniformity(x, y, t):
    x, y = normalize(x), normalize(y)
    square = ((x[:, None] - y[None]) ** 2).sum(-1)
    return np.log(np.exp(-t * square)[~np.eye(len(x), dtype=bool)].mean())


def alignment(x, y):
    return ((normalize(x) - normalize(y)) ** 2).sum(-1).mean()


def potentials(x, t):
    """log exp(-t |x_i - x_j|²) of all pairs."""
    return -t * ((x[:, None] - x[None]) ** 2).sum(-1)


def pinned_uniformity(x, t):
    i, j = np.triu_indices(len(x), 1)
    return np.log(np.exp(potentials(x, t)[i, j]).mean())


def centroid_gap(x, y):
    return np.sqrt(((normalize(x).mean(0) - normalize(y).mean(0)) ** 2).sum())


def joint_entropy(x, y, t):
    return np.log(np.exp(potentials(x, t) + potentials(y, t)).mean(1)).mean()


def value_and_grad(f, *args):
    """f(*args) and its derivative with respect to every argument, float64."""
    args = [np.asarray(a, np.float64) for a in args]
    grads = []
    for k, a in enumerate(args):
        grad = np.empty(a.shape)
        for index in np.ndindex(a.shape):
            step = a.astype(complex)
            step[index] += 1e-30j
            grad[index] = np.imag(f(*args[:k], step, *args[k + 1 :])) / 1e-30
        grads.append(grad)
    return np.real(f(*args)), grads


def error(actual, expected):
    """Norm of the difference relative to the norm expected."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
