"""Modality gap, alignment and uniformity of two modalities.

The measures of Fahim, Murphy and Fyshe, "It's Not a Modality Gap" (arXiv 2405.18570), with the
alignment and uniformity of Wang and Isola (arXiv 2005.10242) and the effective rank of Roy and
Vetterli (EUSIPCO 2007).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.evaluators import logistic, tiles
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.tiles import Arrays
from mmjax.schema.annotations import TermRef, ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegativeInt


class Geometry(Evaluator):
    """Modality gap, alignment and uniformity of two modalities x and y, over records with both.

    Metrics, of N pairs of unit vectors (x_i, y_i):
      centroid_distance: |mean x - mean y|; 0 means no gap.
      linear_separability: accuracy of a linear classifier of x against y, on pairs that it was not
        fitted on; 1 means apart, 0.5 mixed.
      positive_cosine: mean of x_i.y_i.
      negative_cosine: mean of x_i.y_j, j != i.
      cosine_margin: positive_cosine minus that.
      alignment: mean of |x_i - y_i|^2; 0 is perfect.
      uniformity/<m>: log mean_{i<j} exp(-t |x_i - x_j|^2) of modality m; 0 for one point, near
        -2t for vectors spread over a sphere of many dimensions.
      cross_uniformity: log mean_{i != j} exp(-t |x_i - y_j|^2).
      effective_rank/<m>: exp of the entropy of the spectrum of the centred covariance, from 1 to D.
      pairs, unreadable: how many pairs, and items that could not be read.

    Args:
      pair: the two modalities.
      t: of uniformity.
      seed: of the split of pairs for the separability.
      separability_pairs: the separability uses at most so many pairs, drawn at random.
      term: name of an objective whose unit vectors are measured in the place of embeddings, such
        as the predictions of one of type `predictive`.
    """

    least_records = 10  # known before a run, so that a source that is too small does not end it

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("image", "text"),
        t: Factor = 2.0,
        seed: NonNegativeInt = 0,
        separability_pairs: Count = 10_000,
        term: TermRef | None = None,
    ):
        if len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"geometry: 'pair' is {pair!r}; give two different modalities")
        self.pair: tuple[str, str] = pair
        self.t, self.seed, self.separability_pairs = t, seed, separability_pairs
        self.term = term

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        first, second = self.pair
        layer = "unit" if self.term is None else f"objectives.{self.term}"
        embedded = embed(model, data, self.pair, layer=layer)
        _, a, b = np.intersect1d(embedded[first].rows, embedded[second].rows, return_indices=True)
        if len(a) < self.least_records:
            raise EvaluationError(
                f"geometry: only {len(a)} records have both {first!r} and {second!r}; the measures "
                f"of the gap need at least {self.least_records}"
            )
        x, y = embedded[first].unit[a], embedded[second].unit[b]
        if self.term is not None and not all(_unit(rows) for rows in (x, y)):
            raise EvaluationError(
                f"geometry: what the term {self.term!r} compares is not one unit vector of each "
                "item: leave out 'term'"
            )
        unreadable = sum(len(e.unreadable) for e in embedded.values())
        metrics = self.measure(x, y)
        return metrics | {"pairs": float(len(a)), "unreadable": float(unreadable)}

    def measure(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """The measures of N pairs.

        Args:
          x, y: f32[N,D], unit rows; row i of both is a pair.
        """
        first, second = self.pair
        wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
        cosine, count = (wide_x * wide_y).sum(axis=1), len(x)
        others = (wide_x.sum(0) @ wide_y.sum(0) - cosine.sum()) / (count * (count - 1))
        return {
            "centroid_distance": float(np.linalg.norm(wide_x.mean(0) - wide_y.mean(0))),
            "linear_separability": separability(x, y, self.seed, self.separability_pairs),
            "positive_cosine": float(cosine.mean()),
            "negative_cosine": float(others),
            "cosine_margin": float(cosine.mean() - others),
            "alignment": float(((wide_x - wide_y) ** 2).sum(axis=1).mean()),
            f"uniformity/{first}": uniformity(x, x, self.t),
            f"uniformity/{second}": uniformity(y, y, self.t),
            "cross_uniformity": uniformity(x, y, self.t),
            f"effective_rank/{first}": effective_rank(x),
            f"effective_rank/{second}": effective_rank(y),
        }


def _unit(x: np.ndarray) -> bool:
    """Whether rows are of length 1, or not finite, as of a model that diverged."""
    length = np.linalg.norm(x, axis=1)
    return bool((~np.isfinite(length) | (np.abs(length - 1) < 1e-3)).all())


def _near(t: jax.Array, rows: Arrays, columns: Arrays, real: jax.Array) -> jax.Array:
    """Sums over one tile of exp(-t |x_i - y_j|^2), j != i; see `tiles.sum_over_columns`."""
    # Unit vectors: |x - y|^2 = 2 - 2 x.y, and rounding must not make it negative.
    squared = jnp.maximum(2 - 2 * tiles.scores(rows["vector"], columns["vector"]), 0)
    other = real & (columns["index"] != rows["index"][:, None])
    return jnp.where(other, jnp.exp(-t * squared), 0).sum(axis=1)


def uniformity(x: np.ndarray, y: np.ndarray, t: float = 2.0) -> float:
    """log mean_{i != j} exp(-t |x_i - y_j|^2), tile by tile; with y = x the mean over i < j.

    Args:
      x, y: f32[N,D], unit rows, N >= 2.
    """
    index = np.arange(len(x), dtype=np.int32)
    sums = tiles.sum_over_columns(
        _near,
        len(x),
        lambda part: {"vector": x[part], "index": index[part]},
        {"vector": y, "index": index},
        np.float32(t),
    )
    return float(np.log(sums.sum(dtype=np.float64) / (len(x) * (len(x) - 1))))


def separability(x: np.ndarray, y: np.ndarray, seed: int = 0, most: int = 10_000) -> float:
    """Accuracy on 20 % of the pairs of a logistic regression fitted on the other 80 %.

    Both members of a pair are on the same side of the split, so both classes stay balanced.

    Args:
      x, y: f32[N,D].
      seed: of the split.
      most: pairs used, at most.
    """
    order = np.random.default_rng(seed).permutation(len(x))[:most]
    held_out, fitted = np.split(order, [max(1, round(0.2 * len(order)))])
    labels = np.repeat([True, False], len(fitted))
    weights, bias = logistic.fit(np.concatenate([x[fitted], y[fitted]]), labels)
    right_x = x[held_out] @ weights + bias > 0
    right_y = y[held_out] @ weights + bias <= 0
    return float(np.concatenate([right_x, right_y]).mean())


def effective_rank(x: np.ndarray) -> float:
    """exp(-sum_k p_k log p_k), p the singular values of the centred covariance over their sum.

    Args:
      x: f32[N,D].

    Returns:
      From 1 (all variance in one direction, or none at all) to D.
    """
    values = np.linalg.eigvalsh(np.cov(x, rowvar=False, dtype=np.float64)).clip(0)
    if values.sum() <= 1e-12:
        return 1.0
    p = values[values > 0] / values.sum()
    return float(np.exp(-(p * np.log(p)).sum()))
