"""Statistics of raw inputs, without any tower: what a simple method reads of an example."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmjax.data.views.base import content
from mmjax.evaluators.data import Embedded
from mmjax.schema.names import modality_of

LAYER = "statistics"
MOST_WORDS = 2000


class InputStatistics:
    """Statistics of inputs, in the place of a model: `embed` gives them for a batch.

    An example is reduced to a vector by the parts that its view says it holds (`View.content`):

      ids i[...]: as they are, -1 for none, to be counted by `Features`.
      numbers f[W] with a place each: as they are.
      channels f[..., C]: mean and standard deviation of every channel over all positions, those
        with NaN left out; NaN for a channel that has no number at all.

    So an image, a clip or a volume [..., H, W, C] gives 2C numbers, a signal or an ECG two for
    each channel, points two for each coordinate, a sequence of vectors [T, D] 2D (rows of zeros,
    its padding, left out), a sound two for each frequency of its power spectra, a vector or a row
    of a table itself, a graph the counts of its nodes' categories and of its kinds of edges, a
    text its ids without padding and marks, and a label its class.

    Args:
      views: name -> view; one that has no `content` makes arrays that are one part.
    """

    def __init__(self, views: Mapping[str, Callable[..., Any]]):
        self.modalities = tuple(dict.fromkeys(map(modality_of, views)))
        self._views = views

    def embed(self, modality: str, array: np.ndarray, layer: str = LAYER) -> np.ndarray:
        """f64[B, W] of a batch [B, ...].

        Args:
          modality: name of a view.
          array: inputs as the view makes them.
          layer: of no meaning here.
        """
        rows = [[_reduced(part) for part in self._parts(modality, example)] for example in array]
        return np.stack([np.concatenate(row) for row in rows])

    def ids(self, embedded: Embedded) -> np.ndarray:
        """Which columns of a modality's statistics are ids, bool[W]."""
        example = self._views[embedded.modality](embedded.raw(0), None, False)
        parts = self._parts(embedded.modality, example)
        return np.concatenate([np.full(len(_reduced(part)), _holds_ids(part)) for part in parts])

    def _parts(self, modality: str, example: np.ndarray) -> list[np.ndarray]:
        of_view = getattr(self._views[modality], "content", content)
        return [np.asarray(part) for part in of_view(example).values()]


def _holds_ids(part: np.ndarray) -> bool:
    return part.dtype.kind in "iub"


def _reduced(part: np.ndarray) -> np.ndarray:
    """One part of an example as f64[W]."""
    x = part.astype(np.float64)
    if _holds_ids(part) or part.ndim < 2:
        return x.reshape(-1)
    x = x.reshape(-1, x.shape[-1])
    there = ~np.isnan(x)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: a channel without a number
        mean = np.where(there, x, 0).sum(0) / there.sum(0)
        variance = np.where(there, (x - mean) ** 2, 0).sum(0) / there.sum(0)
    return np.concatenate([mean, np.sqrt(variance)])


class Features(NamedTuple):
    """Features of examples.

    Attributes:
      values: f64[N, D]; NaN where one is missing.
      bag: bool[D], columns that together are a bag of words.
    """

    values: np.ndarray
    bag: np.ndarray


def features(
    train: np.ndarray, test: np.ndarray, ids: np.ndarray, ngrams: int = 1
) -> tuple[Features, Features]:
    """Features of fitted and of held-out examples, from what `InputStatistics` gives.

    Columns of ids become a bag of words: counts c_w of the ids that occur in `train`, at most the
    2000 that most examples have, as tf-idf

        c_w (1 + ln((1 + N) / (1 + n_w))),   n_w of the N examples of `train` have w,

    each example scaled to length 1 (zeros where it has none of these ids).

    Args:
      train: f[N, W].
      test: f[M, W].
      ids: bool[W], which columns are ids.
      ngrams: runs of up to so many ids, side by side, are words, too.
    """
    words = _runs(np.concatenate([train[:, ids], test[:, ids]]), ngrams)
    fitted, held_out = words[: len(train)], words[len(train) :]
    known, n = np.unique(_distinct(fitted), return_counts=True)
    known, n = known[known >= 0], n[known >= 0]
    most = np.sort(np.argsort(-n, kind="stable")[:MOST_WORDS])
    known, idf = known[most], 1 + np.log((1 + len(train)) / (1 + n[most]))
    bag = np.arange(len(known) + int((~ids).sum())) < len(known)

    def of(rows: np.ndarray, own: np.ndarray) -> Features:
        weights = _counts(own, known) * idf
        weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
        return Features(np.concatenate([weights, rows[:, ~ids].astype(np.float64)], axis=1), bag)

    return of(train, fitted), of(test, held_out)


def _runs(ids: np.ndarray, longest: int) -> np.ndarray:
    """Ids f[N, L] and, after them, numbers of their runs of 2 to `longest`; -1 for none."""
    found, last = [ids], ids
    for length in range(2, longest + 1):
        before, after = last[:, :-1], ids[:, length - 1 :]
        pairs = np.stack([before, after], axis=-1).reshape(-1, 2)
        numbers = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(before.shape)
        # Beyond every number so far, so that a run is no id.
        start = max(float(each.max(initial=0)) for each in found) + 1
        last = np.where((before < 0) | (after < 0), -1, start + numbers)
        found.append(last)
    return np.concatenate(found, axis=1)


def _distinct(ids: np.ndarray) -> np.ndarray:
    """Ids f[N, L] with every repetition within a row replaced by -1."""
    ordered = np.sort(ids, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -1
    return ordered


def _counts(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How often each of the `known` ids [D], ascending, occurs in each row: f64[N, D]."""
    counts = np.zeros((len(ids), len(known)))
    if len(known):
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        row, column = np.nonzero(known[place] == ids)
        np.add.at(counts, (row, place[row, column]), 1)
    return counts
