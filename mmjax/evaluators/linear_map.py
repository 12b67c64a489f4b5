"""Retrieval by a linear map in closed form: the simple method that a recipe is compared with."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.input_statistics import LAYER, Features, InputStatistics, features
from mmjax.evaluators.linear_solvers import (
    SAME_SIZE,
    SYMMETRIC,
    Map,
    Solver,
    Space,
    Subspace,
    fit,
    standardizer,
    subspace,
    unit,
)
from mmjax.evaluators.local_cka import LocalCka, linear_cka
from mmjax.evaluators.rank_metrics import More
from mmjax.evaluators.retrieval import Retrieval
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero, NonNegative, NonNegativeInt, PositiveInt

Read = Literal["tower", "statistics"]
Score = Literal["cosine", "local_cka"]


class LinearMap(Evaluator):
    """Retrieval after a closed-form linear map of one modality to the other, fitted on other rows.

    Metrics are those of `retrieval`, with the same names; and of each direction `fitted`, the
    number of pairs that the map was fitted on, and of `ridge` and `cca` the penalty `alpha`.

    Features are brought to mean 0 and standard deviation 1 on the rows that the map is fitted on
    (`linear_solvers.standardizer`). For a -> b, `ols` and `ridge` predict b from a, and the
    prediction is compared with all b; for b -> a another map is fitted that predicts a. The others
    have one map for both directions: `cca` brings both to canonical variates, `procrustes` turns a
    to b, and `none` compares features as they are. All of it is float64 on the host, until scores
    are ranked.

    With `subspace` both sides are first projected to `components` dimensions, which `cca` finds
    jointly and `pca` for each side (Hadgi et al. 2025, arXiv 2503.05283), and the map is fitted
    there. Further metrics of a pair `a_b`: with a subspace `a_b/cka`, linear CKA of the projected
    held-out pairs, and of `cca` `a_b/correlation`, the mean canonical correlation of the fitted
    rows.

    The further source `train` is what the map is fitted on: every a with every b of its record, as
    views make them in evaluation, without the augmentation or noise of training. With the optional
    `gallery`, the second modality of a pair is searched for there, by the first.

    Args:
      pairs: pairs of modalities.
      read: what the features are. `tower`: what the trained towers give; `statistics`: of the raw
        inputs, without any tower (`input_statistics.InputStatistics`): mean and standard deviation
        of every channel, vectors as they are, texts as bags of words; or a dict from modality to
        one of these, `tower` for those that it does not name.
      ngrams: modality, such as a text, of whose ids runs of up to so many are words, too.
      layer: of the towers: `unit`, the embeddings; `encoder`, what the encoders give to their
        heads; or the name of a further head.
      solver: `none`, `ols`, `ridge`, `procrustes`, `robust_procrustes` or `cca`, see
        `linear_solvers.fit`.
      alpha: the penalty of `ridge`, of `cca` and of the subspace `cca`; None chooses it.
      scaled: whether columns are scaled to standard deviation 1; None: but for `procrustes`.
      statistics: mean and deviation of held-out features: those of the fitted rows, or of their
        `own` set (Paischer et al. 2023, arXiv 2307.05591), which sees that set as a whole.
      subspace: `none`, `pca` or `cca`, see `linear_solvers.subspace`.
      components: dimensions of the subspace.
      score: `cosine`; or `local_cka`, of the mapped rows that the map was fitted on
        (`local_cka.LocalCka`).
      ks: the k of R@k.
      more: further metrics, as of `retrieval`.
      csls: as of `retrieval`.
      matching: of so many held-out pairs, the first ones, `matching`: the share that the best
        one-to-one assignment puts together (Hungarian algorithm); 0 for none.
      labels, gallery_labels: what is right, as of `retrieval`.
      alternatives: `first` takes one value per record, `all` takes each of them.
      limit: the most pairs to fit on, drawn by `seed`; None takes all.
      seed: of that, and of the rows by which `cca` chooses its penalty.

    Raises:
      EvaluationError: when called, for features of two sizes where the solver needs one, and for a
        `train` with fewer than five records that have both modalities.
    """

    further = ("train",)
    optional = ("gallery",)

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        read: Read | dict[str, Read] = "tower",
        ngrams: dict[str, Count] | None = None,
        layer: str = "unit",
        solver: Solver = "ridge",
        alpha: NonNegative | None = None,
        scaled: bool | None = None,
        statistics: Literal["train", "own"] = "train",
        subspace: Subspace = "none",
        components: Count = 20,
        score: Score = "cosine",
        ks: tuple[Count, ...] = (1, 5, 10),
        more: tuple[More, ...] = (),
        csls: Count | None = None,
        matching: CountOrZero = 0,
        labels: LabelRef | None = None,
        gallery_labels: LabelRef | None = None,
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
        self.alpha, self.scaled, self.statistics = alpha, scaled, statistics
        self.subspace, self.components = subspace, components
        self.score, self.matching = score, matching
        self._retrieval = Retrieval(
            pairs=pairs, ks=ks, alternatives=alternatives, labels=labels,
            gallery_labels=gallery_labels, more=more, csls=csls,
        )  # fmt: skip

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Modalities of every source; labels of what is searched and searched for."""
        if source == "train":
            return {"pairs": options["pairs"]}
        return Retrieval.asks(source, options)

    def __call__(
        self,
        model: Model,
        data: EvalData,
        mesh: Any = None,
        *,
        train: EvalData,
        gallery: EvalData | None = None,
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        names = tuple(self.read)
        queries, answers = (pair[0] for pair in self.pairs), (pair[1] for pair in self.pairs)
        if gallery is not None:
            names = tuple(dict.fromkeys(queries))
        sides = found = self._sides(model, train, data, names)
        if gallery is not None:
            found = self._sides(model, train, gallery, tuple(dict.fromkeys(answers)))
        unreadable = sum(len(side.test.unreadable) for side in sides.values())
        metrics = {"unreadable": float(unreadable)}
        for a, b in self.pairs:
            for name, part in self._pair(sides[a], found[b], gallery is not None):
                metrics |= {f"{name}/{key}": value for key, value in part.items()}
        return metrics

    def _sides(
        self, model: Model, train: EvalData, data: EvalData, names: tuple[str, ...]
    ) -> "dict[str, _Side]":
        """The features of these modalities; each source is read once for all of them."""
        sides = {}
        towers = [name for name in names if self.read[name] == "tower"]
        if towers:
            fitted, test = (
                embed(model, each, towers, self.alternatives, self.layer) for each in (train, data)
            )
            for name in towers:
                x, y = (_plain(each[name].unit) for each in (fitted, test))
                sides[name] = _Side(fitted[name], test[name], x, y)
        inputs = [name for name in names if self.read[name] == "statistics"]
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

    def _pair(
        self, a: "_Side", b: "_Side", one_way: bool
    ) -> Iterator[tuple[str, dict[str, float]]]:
        """The name of each direction, and its metrics; and what is of the pair."""
        name, other = a.train.modality, b.train.modality
        rng = np.random.default_rng(self.seed)
        rows = _joined(a.train, b.train)
        if self.limit is not None and len(rows) > self.limit:
            rows = rows[np.sort(rng.choice(len(rows), self.limit, replace=False))]
        if len(rows) < 5:
            raise EvaluationError(
                f"linear_map: 'train' has {len(rows)} pairs of {name!r} and {other!r}; a map needs "
                "at least 5"
            )
        how = (self.solver, self.scaled, self.statistics)
        (x, x_test), (y, y_test) = (
            side.standardized(at, *how) for side, at in zip((a, b), rows.T, strict=True)
        )
        if self.subspace != "none":
            space = subspace(self.subspace, x, y, self.components, rng, self.alpha)
            x, x_test, y, y_test = x @ space.x, x_test @ space.x, y @ space.y, y_test @ space.y
            yield f"{name}_{other}", self._of_subspace(space, a, b, x_test, y_test)
        cosine = self.score == "cosine"
        if cosine and self.solver in SAME_SIZE and x.shape[1] != y.shape[1]:
            raise EvaluationError(
                f"linear_map: {name!r} has {x.shape[1]} features and {other!r} {y.shape[1]}, but "
                f"solver={self.solver!r} needs as many: take 'ridge' or 'cca'"
            )
        there = fit(self.solver, x, y, rng, self.alpha)
        queries, gallery = _Test(a.test, x, x_test), _Test(b.test, y, y_test)
        directions = [(there, queries, gallery)]
        if not one_way:
            symmetric = self.solver in SYMMETRIC
            back = there.reversed() if symmetric else fit(self.solver, y, x, rng, self.alpha)
            directions.append((back, gallery, queries))
        for found, query, answer in directions:
            metrics = self._direction(found, query, answer) | {"fitted": float(len(rows))}
            if found.alpha is not None:
                metrics["alpha"] = found.alpha
            yield f"{query.of.modality}_to_{answer.of.modality}", metrics

    def _of_subspace(
        self, space: Space, a: "_Side", b: "_Side", x: np.ndarray, y: np.ndarray
    ) -> dict[str, float]:
        metrics: dict[str, float] = {}
        if space.correlations is not None:
            metrics["correlation"] = float(space.correlations.mean())
        if space.alpha is not None:
            metrics["alpha"] = space.alpha
        if a.test.source is b.test.source:
            pairs = _joined(a.test, b.test)
            metrics["cka"] = linear_cka(x[pairs[:, 0]], y[pairs[:, 1]]) if len(pairs) else 0.0
        return metrics

    def _direction(self, found: Map, query: "_Test", answer: "_Test") -> dict[str, float]:
        """Metrics of queries and answers that a map brings into one space."""
        (x, a), (y, b) = query.mapped(found.query), answer.mapped(found.answer)
        scores = None
        if self.score == "local_cka":
            scores = LocalCka(x, y)
            vectors = scores.vectors(a, b)
        else:
            vectors = unit(a).astype(np.float32), unit(b).astype(np.float32)
        ranked = (_Ranked.of(each.of, v) for each, v in zip((query, answer), vectors, strict=True))
        metrics = self._retrieval.direction(*ranked)
        if self.matching and query.of.source is answer.of.source:
            pairs = _joined(query.of, answer.of)[: self.matching]
            a, b = a[pairs[:, 0]], b[pairs[:, 1]]
            table = unit(a) @ unit(b).T if scores is None else scores.scores(a, b)
            metrics["matching"] = matched(table)
        return metrics


def matched(scores: np.ndarray) -> float:
    """The share of rows whose own column the assignment of the largest sum gives them, f[N, N]."""
    from scipy.optimize import linear_sum_assignment  # here to start faster

    rows, columns = linear_sum_assignment(scores, maximize=True)
    return float((rows == columns).mean())


class _Side(NamedTuple):
    """A modality: its items that maps are fitted on, those that are held out, their features."""

    train: Embedded
    test: Embedded
    fitted: Features
    held_out: Features

    def standardized(
        self, rows: np.ndarray, solver: Solver, scaled: bool | None, statistics: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """f64[R, D] of the rows that a map is fitted on, and f64[N, D] of what is held out."""
        own = Features(self.fitted.values[rows], self.fitted.bag)
        scale = standardizer(own, solver, scaled)
        of_test = scale if statistics == "train" else standardizer(self.held_out, solver, scaled)
        return scale(own.values), of_test(self.held_out.values)


class _Test(NamedTuple):
    """A modality for a map: held-out items, fitted features f64[R, D], held-out ones f64[N, D]."""

    of: Embedded
    fitted: np.ndarray
    held_out: np.ndarray

    def mapped(self, by: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The features, fitted and held out, in the space of the map."""
        if by is None:
            return self.fitted, self.held_out
        return self.fitted @ by, self.held_out @ by


class _Ranked(NamedTuple):
    """Held-out items of a modality, as `Retrieval.direction` ranks them."""

    modality: str
    unit: np.ndarray
    ids: np.ndarray
    fields: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, items: Embedded, vectors: np.ndarray) -> "_Ranked":
        return cls(items.modality, vectors, items.ids, items.fields)


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
