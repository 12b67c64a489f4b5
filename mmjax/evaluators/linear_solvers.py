"""Linear maps between two sets of features, in closed form and float64."""

from typing import Literal, NamedTuple

import numpy as np

from mmjax.evaluators.input_statistics import Features

Solver = Literal["none", "ols", "ridge", "procrustes", "robust_procrustes", "cca"]
Subspace = Literal["none", "pca", "cca"]
SAME_SIZE = ("none",)
SYMMETRIC = ("none", "procrustes", "cca")  # the map by which y finds x is the same, reversed
# Penalties that are tried, times the number of rows: of columns with variance 1.
ALPHAS = np.logspace(-6, 2, 17)
# Singular values below this part of the largest are rounding: features come in float32.
ROUNDING = 1e-6
CCA_COMPONENTS = 512
_CCA_HELD_OUT = 1000


class Standardizer(NamedTuple):
    """(x - mean) * scale by the rows it was fitted on; a missing number becomes the mean.

    Attributes:
      mean, scale: f64[D].
    """

    mean: np.ndarray
    scale: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """f64[N, D] -> f64[N, D]."""
        scaled: np.ndarray = np.nan_to_num((x - self.mean) * self.scale, nan=0.0)
        return scaled


def standardizer(x: Features, solver: Solver, scaled: bool | None = None) -> Standardizer:
    """Brings columns to mean 0 and standard deviation 1.

    The columns of a bag of words have one scale in common, that of a mean variance of 1: otherwise
    a word that occurs once would count as much as all the others. For `procrustes` nothing is
    scaled by default, since a rotation of the features would be none of the scaled ones. A constant
    column becomes 0.

    Args:
      x: of the rows that a map is fitted on.
      solver: of the map.
      scaled: whether columns are scaled, where the solver does not decide it.
    """
    there = ~np.isnan(x.values)
    count = np.maximum(there.sum(0), 1)
    known = np.where(there, x.values, 0)
    mean = known.sum(0) / count
    variance = (np.where(there, x.values - mean, 0) ** 2).sum(0) / count
    moves = np.sqrt(variance) > ROUNDING * np.abs(known).max(0, initial=0)
    spread = np.where(x.bag, variance[x.bag].mean() if x.bag.any() else 1.0, variance)
    if scaled is False or (scaled is None and "procrustes" in solver):
        spread = np.ones_like(spread)
    scale = np.where(moves, 1 / np.sqrt(np.where(moves, spread, 1)), 0.0)
    return Standardizer(mean, scale)


class Map(NamedTuple):
    """A linear map of queries and answers into one space.

    Attributes:
      query: f64[A, K]; None leaves queries as they are.
      answer: f64[B, K]; None leaves answers as they are.
      alpha: the penalty that was chosen, None of a solver without one.
    """

    query: np.ndarray | None
    answer: np.ndarray | None
    alpha: float | None = None

    def reversed(self) -> "Map":
        """The map of answers and queries."""
        return Map(self.answer, self.query, self.alpha)


def fit(
    solver: Solver,
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    alpha: float | None = None,
) -> Map:
    """The map by which x finds y.

    none: x and y as they are.
    ols: W of least |x W - y|^2, and of these of least norm (singular values of x below 1e-6 of the
      largest count as 0).
    ridge: W of least |x W - y|^2 + alpha |W|^2; alpha is that of the least leave-one-out error
      among 1e-6 to 100 times the number of rows (scikit-learn's `RidgeCV`).
    procrustes: orthogonal W of least |x W - y|^2 (Schonemann 1966, "A generalized solution of the
      orthogonal Procrustes problem"); of two sizes, U V' of the thin decomposition of x'y.
    robust_procrustes: that, and then five times again with rows weighted by w_i / max w, w_i =
      1 / (|y_i - x_i W| + 1e-3) (as SITTA's code, Paischer et al. 2023, arXiv 2307.05591).
    cca: canonical correlation analysis with a ridge (Vinod 1976) on the first 512 principal
      components of x and of y; each canonical variate is multiplied by its correlation, as in Gong
      et al. 2014 (arXiv 1212.4522) with the power 1. Its alpha is, of every other one of those of
      `ridge`, that of the lowest mean logarithm of the rank of the right answer among a fifth of
      the rows (1000 at most), drawn by `rng`, by the map of the other rows.

    Args:
      solver: which.
      x: f64[N, A], standardized; row i belongs to row i of y.
      y: f64[N, B]; B = A for `none`.
      rng: of the rows that `cca` holds out.
      alpha: of `ridge` and `cca`, in the place of the one that they would choose.
    """
    if solver == "none":
        return Map(None, None)
    if solver == "cca":
        return _cca(x, y, rng, alpha)
    if solver == "ridge":
        return _ridge(x, y, alpha)
    from scipy import linalg  # here to start faster

    if solver == "ols":
        return Map(linalg.lstsq(x, y, cond=ROUNDING)[0], None)
    found = _rotation(x, y)
    for _ in range(5 if solver == "robust_procrustes" else 0):
        weights = 1 / (np.linalg.norm(y - x @ found, axis=1, keepdims=True) + 1e-3)
        found = _rotation(x, y * (weights / weights.max()))
    return Map(found, None)


def _rotation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    turn: np.ndarray = u @ vt
    return turn


class Space(NamedTuple):
    """Projections of x and y into a subspace of few dimensions.

    Attributes:
      x: f64[A, K].
      y: f64[B, K'].
      alpha: the penalty of `cca`, None of `pca`.
      correlations: canonical ones f64[K] of `cca` on the fitted rows, None of `pca`.
    """

    x: np.ndarray
    y: np.ndarray
    alpha: float | None = None
    correlations: np.ndarray | None = None


def subspace(
    kind: Subspace,
    x: np.ndarray,
    y: np.ndarray,
    components: int,
    rng: np.random.Generator,
    alpha: float | None = None,
) -> Space:
    """Projections of both sides before a map is fitted.

    pca: the first principal components of each side by itself.
    cca: the first canonical variates of both, as `fit` finds them but not multiplied by their
      correlations; its alpha is chosen likewise, for so many components.

    Args:
      kind: which, not `none`.
      x: f64[N, A], standardized.
      y: f64[N, B].
      components: K; fewer where a side has fewer.
      rng: of the rows that `cca` holds out.
      alpha: of `cca`, in the place of the one that it would choose.
    """
    if kind == "pca":
        first, second = (_components(each)[2][:, :components] for each in (x, y))
        return Space(first, second)
    found = _cca(x, y, rng, alpha, components)
    assert found.query is not None
    assert found.answer is not None
    u, v = x @ found.query, y @ found.answer
    lengths = np.linalg.norm(u, axis=0) * np.linalg.norm(v, axis=0)
    correlations = (u * v).sum(0) / np.maximum(lengths, 1e-300)
    return Space(found.query, found.answer, found.alpha, correlations)


def _ridge(x: np.ndarray, y: np.ndarray, alpha: float | None) -> Map:
    from sklearn.linear_model import RidgeCV  # here to start faster

    if alpha is not None:
        inner = x.T @ x + alpha * np.eye(x.shape[1])
        return Map(np.linalg.solve(inner, x.T @ y), None, alpha)
    model = RidgeCV(alphas=ALPHAS * len(x)).fit(x, y)
    return Map(np.reshape(model.coef_, (y.shape[1], x.shape[1])).T, None, float(model.alpha_))


def _cca(
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    alpha: float | None = None,
    components: int | None = None,
) -> Map:
    """All canonical variates, times their correlations; or the first `components` as they are."""
    if alpha is None:
        order = rng.permutation(len(x))
        out, kept = np.split(order, [min(len(x) // 5, _CCA_HELD_OUT)])
        alphas = ALPHAS[::2] * len(x)  # a decomposition each
        tried = _canonical(x[kept], y[kept], alphas, components)
        errors = [_mean_log_rank(x[out], y[out], each) for each in tried]
        alpha = float(alphas[int(np.argmin(errors))])
    (found,) = _canonical(x, y, np.array([alpha]), components)
    return found


def _canonical(
    x: np.ndarray, y: np.ndarray, alphas: np.ndarray, components: int | None = None
) -> list[Map]:
    """Canonical variates, times their correlations unless few are taken, with each penalty."""
    (u, s, v), (p, t, w) = (_components(each) for each in (x, y))
    shared = u.T @ p
    maps = []
    for alpha in alphas:
        # Of x = u s v', x (x'x + alpha)^(-1/2) is u s / sqrt(s^2 + alpha) v'.
        a, b = 1 / np.sqrt(s**2 + alpha), 1 / np.sqrt(t**2 + alpha)
        left, correlation, right = np.linalg.svd(
            (s * a)[:, None] * shared * (t * b), full_matrices=False
        )
        query, answer = v @ (a[:, None] * left), w @ (b[:, None] * right.T)
        if components is None:
            query, answer = query * correlation, answer * correlation
        maps.append(Map(query[:, :components], answer[:, :components], float(alpha)))
    return maps


def _components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u f[N, R], s f[R], v f[D, R] of the R first principal components of centred rows."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    kept = (s > ROUNDING * s[0]) & (np.arange(len(s)) < CCA_COMPONENTS)
    kept[0] = True  # of constant features, so that something is left to rank by: zeros
    return u[:, kept], s[kept], vt[kept].T


def _mean_log_rank(x: np.ndarray, y: np.ndarray, found: Map) -> float:
    """Of the right answer y_i of every x_i, both ways; equal scores count as one half."""
    scores = unit(x @ found.query) @ unit(y @ found.answer).T
    right = np.diag(scores)
    total = 0.0
    for s in (scores, scores.T):
        above = (s > right[:, None]).sum(1) + ((s == right[:, None]).sum(1) - 1) / 2
        total += float(np.log1p(above).mean())
    return total


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays one."""
    rows: np.ndarray = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
    return rows
