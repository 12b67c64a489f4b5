"""Retrieval by a linear map in closed form: the simple method that a recipe is compared with."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.input_statistics import LAYER, Features, InputStatistics, features
from mmjax.evaluators.linear_solvers import SAME_SIZE, SYMMETRIC, Solver, fit, standardizer, unit
from mmjax.evaluators.retrieval import Retrieval
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, PositiveInt

Read = Literal["tower", "statistics"]


class LinearMap(Evaluator):
    """Retrieval after a closed-form linear map of one modality to the other, fitted on other rows.

    Metrics are those of `retrieval`, with the same names; and of each direction `fitted`, the
    number of pairs that the map was fitted on, and of `ridge` and `cca` the penalty `alpha`.

    Features are brought to mean 0 and standard deviation 1 on the rows that the map is fitted on
    (`linear_solvers.standardizer`). For a -> b, `ols` and `ridge` predict b from a, and the
    prediction is compared with all b; for b -> a another map is fitted that predicts a. The others
    have one map for both directions: `cca` brings both to canonical variates, `procrustes` turns a
    to b, and `none` compares features as they are. Scores are cosines. All of it is float64 on the
    host, until cosines are ranked.

    The further source `train` is what the map is fitted on: every a with every b of its record, as
    views make them in evaluation, without the augmentation or noise of training.

    Args:
      pairs: pairs of modalities.
      read: what the features are. `tower`: what the trained towers give; `statistics`: of the raw
        inputs, without any tower (`input_statistics.InputStatistics`): mean and standard deviation
        of every channel, vectors as they are, texts as bags of words; or a dict from modality to
        one of these, `tower` for those that it does not name.
      ngrams: modality, such as a text, of whose ids runs of up to so many are words, too.
      layer: of the towers: `unit`, the embeddings; `encoder`, what the encoders give to their
        heads; or the name of a further head.
      solver: `none`, `ols`, `ridge`, `procrustes` or `cca`, see `linear_solvers.fit`.
      ks: the k of R@k.
      alternatives: `first` takes one value per record, `all` takes each of them.
      limit: the most pairs to fit on, drawn by `seed`; None takes all.
      seed: of that, and of the rows by which `cca` chooses its penalty.

    Raises:
      EvaluationError: when called, for features of two sizes where the solver needs one, and for a
        `train` with fewer than five records that have both modalities.
    """

    further = ("train",)

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        read: Read | dict[str, Read] = "tower",
        ngrams: dict[str, Count] | None = None,
        layer: str = "unit",
        solver: Solver = "ridge",
        ks: tuple[Count, ...] = (1, 5, 10),
        alternatives: Literal["first", "all"] = "first",
        limit: PositiveInt | None = 10_000,
        seed: NonNegativeInt = 0,
    ):
        if not pairs or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
            raise ValueError(f"linear_map: 'pairs' is {pairs!r}; give pairs of two modalities")
        if not ks or min(ks) < 1:
            raise ValueError(f"linear_map: 'ks' is {ks!r}; give numbers from 1 up")
        if limit is not None and limit < 5:
            raise ValueError(f"linear_map: limit={limit} must be at least 5, or None")
        names = dict.fromkeys(name for pair in pairs for name in pair)
        if isinstance(read, Mapping) and not set(read) <= set(names):
            raise ValueError(
                f"linear_map: 'read' names {', '.join(read)}, but 'pairs' only {', '.join(names)}"
            )
        self.read: dict[str, Read] = {
            name: read.get(name, "tower") if isinstance(read, Mapping) else read for name in names
        }
        if layer != "unit" and "tower" not in self.read.values():
            raise ValueError(
                f"linear_map: layer={layer!r} is of towers, but read={read!r} needs none: leave it "
                "out"
            )
        self.ngrams = dict(ngrams or {})
        for name, longest in self.ngrams.items():
            if self.read.get(name) != "statistics" or longest < 1:
                raise ValueError(
                    f"linear_map: ngrams={self.ngrams}: {name!r} has to be read as statistics, and "
                    "the number to be at least 1"
                )
        self.pairs, self.layer, self.solver = pairs, layer, solver
        self.alternatives, self.limit, self.seed = alternatives, limit, seed
        self._retrieval = Retrieval(pairs=pairs, ks=ks, alternatives=alternatives)

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        sides = self._sides(model, train, data)
        unreadable = sum(len(side.test.unreadable) for side in sides.values())
        metrics = {"unreadable": float(unreadable)}
        for pair in self.pairs:
            for found, part in self._both(*(sides[name] for name in pair)):
                metrics |= {f"{found}/{name}": value for name, value in part.items()}
        return metrics

    def _sides(self, model: Model, train: EvalData, data: EvalData) -> "dict[str, _Side]":
        """The features of every modality; each source is read once for all of them."""
        sides = {}
        towers = [name for name, read in self.read.items() if read == "tower"]
        if towers:
            fitted, test = (
                embed(model, each, towers, self.alternatives, self.layer) for each in (train, data)
            )
            for name in towers:
                x, y = (_plain(each[name].unit) for each in (fitted, test))
                sides[name] = _Side(fitted[name], test[name], x, y)
        inputs = [name for name, read in self.read.items() if read == "statistics"]
        if inputs:
            raw = InputStatistics(data.views)
            fitted, test = (
                embed(raw, each, inputs, self.alternatives, LAYER) for each in (train, data)
            )
            for name in inputs:
                seen = (fitted[name].unit, test[name].unit)
                x, y = features(*seen, raw.ids(test[name]), self.ngrams.get(name, 1))
                sides[name] = _Side(fitted[name], test[name], x, y)
        return sides

    def _both(self, a: "_Side", b: "_Side") -> Iterator[tuple[str, dict[str, float]]]:
        """The name of each direction, and its metrics."""
        (name, size), (other, answers) = (
            (side.train.modality, side.fitted.values.shape[1]) for side in (a, b)
        )
        if self.solver in SAME_SIZE and size != answers:
            raise EvaluationError(
                f"linear_map: {name!r} has {size} features and {other!r} {answers}, but "
                f"solver={self.solver!r} needs as many: take 'ridge' or 'cca'"
            )
        rng = np.random.default_rng(self.seed)
        rows = _joined(a.train, b.train)
        if self.limit is not None and len(rows) > self.limit:
            rows = rows[np.sort(rng.choice(len(rows), self.limit, replace=False))]
        if len(rows) < 5:
            raise EvaluationError(
                f"linear_map: 'train' has {len(rows)} pairs of {name!r} and {other!r}; a map needs "
                "at least 5"
            )
        (x, x_test), (y, y_test) = (
            side.standardized(at, self.solver) for side, at in zip((a, b), rows.T, strict=True)
        )
        there = fit(self.solver, x, y, rng)
        back = there.reversed() if self.solver in SYMMETRIC else fit(self.solver, y, x, rng)
        queries, gallery = _Test(name, x_test, a.test.ids), _Test(other, y_test, b.test.ids)
        for found, query, answer in ((there, queries, gallery), (back, gallery, queries)):
            query, answer = query.mapped(found.query), answer.mapped(found.answer)
            metrics = self._retrieval.direction(query, answer) | {"fitted": float(len(rows))}
            if found.alpha is not None:
                metrics["alpha"] = found.alpha
            yield f"{query.modality}_to_{answer.modality}", metrics


class _Side(NamedTuple):
    """A modality: its items that maps are fitted on, those that are held out, their features."""

    train: Embedded
    test: Embedded
    fitted: Features
    held_out: Features

    def standardized(self, rows: np.ndarray, solver: Solver) -> tuple[np.ndarray, np.ndarray]:
        """f64[R, D] of the rows that a map is fitted on, and f64[N, D] of what is held out."""
        own = Features(self.fitted.values[rows], self.fitted.bag)
        scale = standardizer(own, solver)
        return scale(own.values), scale(self.held_out.values)


class _Test(NamedTuple):
    """Held-out items of a modality, as `Retrieval.direction` ranks them."""

    modality: str
    unit: np.ndarray
    ids: np.ndarray

    def mapped(self, by: np.ndarray | None) -> "_Test":
        """Unit vectors f32[N, K] of the features."""
        x = self.unit if by is None else self.unit @ by
        return self._replace(unit=unit(x).astype(np.float32))


def _plain(x: np.ndarray) -> Features:
    return Features(x.astype(np.float64), np.zeros(x.shape[1], bool))


def _joined(a: Embedded, b: Embedded) -> np.ndarray:
    """Positions i64[R, 2] of all pairs of an item of a and one of b that are of one record."""
    first = np.searchsorted(b.rows, a.rows, side="left")
    count = np.searchsorted(b.rows, a.rows, side="right") - first
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.stack(
        [np.repeat(np.arange(len(a.rows)), count), np.repeat(first, count) + within], axis=1
    )
