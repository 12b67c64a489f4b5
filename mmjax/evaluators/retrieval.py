"""Retrieval: recall at k, ranks and precision, between modalities and within one."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.records import options
from mmjax.evaluators import rank_metrics, ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.compression import Bits, compressed, csls
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.rank_metrics import More
from mmjax.evaluators.token_rows import token_rows
from mmjax.schema.annotations import LabelRef, TermRef, ViewRef
from mmjax.schema.bounds import Bounds, Count, CountOrZero


class Retrieval(Evaluator):
    """Retrieval between two modalities, in both directions, or within one.

    Every item of a modality is a query once, and the whole of the other modality is its gallery.
    An answer is right if its record has the query's id, so a query can have several right answers
    (five captions of an image); queries without one are left out and not counted. Answers with
    equal scores count by the mean over their random order, see `mmjax.evaluators.ranking`.

    A pair of one modality, such as ('image', 'image'), searches its other items, never the query
    itself: those of the query's `labels`, or other alternatives of its record.

    With the optional source `gallery` answers are that source's, and the first modality of a pair
    searches for the second, in this direction only.

    Metrics of the direction `image_to_text`, each with that prefix and a slash:
      R@1, R@5, R@10: share of queries with a right answer among the first 1, 5, 10.
      median_rank, mean_rank: of the best right answer, from 1.
      mAP: mean over queries of the average precision.
      queries, gallery: how many; chance_R@1: the expected R@1 of random scores.
      of `more`: nDCG over all answers; nDCG@k over the first k of each of `ks`; MRR, the mean
        reciprocal of the best right answer's rank; P@k, the precision among the first k of each of
        `ks`; recall@k, the share of all right answers that are among these, as recommenders are
        measured; mAP@R and R-precision; mINP, the mean of the number of right answers over the
        rank of the last of them.
      of `by`: R@k[kind=2] and such, of the queries whose label `kind` is 2.
      of `decoy`: decoy@1, the share of queries whose first answer is one of the decoy's, of those
        queries that have such an answer.
    And `unreadable`: items of the source that could not be read.

    Args:
      pairs: pairs of modalities.
      ks: the k of R@k.
      alternatives: `first` takes one value per record, `all` takes each of them.
      layer: of the towers: `unit`, the embeddings; or as `Embedder.embed` names them.
      labels: the field by which answers are right, in the place of the id; of a query it may hold
        several values, such as the words of an image.
      gallery_labels: that field of the gallery's records, if it has another name.
      more: further metrics.
      by: a label of queries, such as what they ask for; R@k of each of its values are metrics, too.
      decoy: a label of the query whose value, as the label of an answer, marks wrong answers of
        interest, such as the image that an edit should have changed.
      exclude: a label of the query whose values, as `gallery_labels` of answers, are not searched
        for it, such as what a user has already. It goes with `labels`.
      prefix, bits, top: of embeddings, see `compression.compressed`.
      pool: with a number, `R@k[pool=300]` is R@k where a query searches its right answer among so
        many random answers, the mean over all such pools; every query needs one right answer.
      csls: scores are `compression.csls` with so many neighbours; None for cosines.
      tokens: of an item, with its padding: every token is then an item, as `labels` says of each of
        the first ones what it is, and `layer` is one of tokens. 0 for whole items.
      term: name of an objective that scores pairs by more than two vectors, such as one of type
        `late_interaction_nce`; its own score ranks, over all pairs. What it compares of each item,
        such as all tokens, is held in memory.
    """

    optional = ("gallery",)

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        ks: tuple[Count, ...] = (1, 5, 10),
        alternatives: Literal["first", "all"] = "first",
        layer: str = "unit",
        labels: LabelRef | None = None,
        gallery_labels: LabelRef | None = None,
        more: tuple[More, ...] = (),
        by: LabelRef | None = None,
        decoy: LabelRef | None = None,
        exclude: LabelRef | None = None,
        prefix: Count | None = None,
        bits: Bits = 32,
        top: Count | None = None,
        csls: Count | None = None,
        pool: Annotated[int, Bounds(ge=2)] | None = None,
        tokens: CountOrZero = 0,
        term: TermRef | None = None,
    ):
        if not pairs or any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"retrieval: 'pairs' is {pairs!r}; give pairs of modalities")
        if not ks or min(ks) < 1:
            raise ValueError(f"retrieval: 'ks' is {ks!r}; give numbers from 1 up")
        self.pairs, self.ks, self.alternatives = pairs, ks, alternatives
        if term is not None:
            told = {"layer": layer != "unit", "prefix": prefix, "bits": bits != 32, "top": top}
            if other := [name for name, given in {**told, "csls": csls}.items() if given]:
                raise ValueError(f"retrieval: 'term' and {other[0]!r} are two scores; give one")
            layer = f"objectives.{term}"
        if exclude is not None and labels is None:
            raise ValueError(f"retrieval: exclude={exclude!r} needs 'labels' of what is right")
        if tokens and labels is None:
            raise ValueError(f"retrieval: tokens={tokens} needs 'labels' of each token")
        self.tokens = tokens
        self.layer, self.labels, self.more, self.term = layer, labels, more, term
        self.exclude, self.pool = exclude, pool
        self.prefix, self.bits, self.top, self.csls = prefix, bits, top, csls
        self.gallery_labels, self.by, self.decoy = gallery_labels or labels, by, decoy

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Queries of a `gallery` are of one source and answers of the other, labels of both."""
        if source == "gallery":
            labels = options["gallery_labels"] or options["labels"]
            return {"pairs": tuple(p[1:] for p in options["pairs"]), "gallery_labels": labels}
        # `linear_map`, which measures the same way, lacks some of these.
        names = ("pairs", "labels", "by", "decoy", "exclude")
        return {name: options[name] for name in names if name in options}

    @classmethod
    def asks_beside(
        cls, source: str, options: Mapping[str, Any], sources: Collection[str]
    ) -> Mapping[str, Any]:
        """With a gallery, queries need not have what answers have."""
        asked = dict(cls.asks(source, options))
        if source == "source" and "gallery" in sources:
            asked["pairs"] = tuple(pair[:1] for pair in options["pairs"])
        return asked

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, gallery: EvalData | None = None
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        every, first, second = (
            dict.fromkeys(name for pair in self.pairs for name in pair[part])
            for part in (slice(2), slice(1), slice(1, 2))
        )
        names = every if gallery is None else first
        answers = queries = self._items(model, data, names, self.labels)
        if gallery is not None:
            answers = self._items(model, gallery, second, self.gallery_labels)
        read = [*queries.values(), *(() if answers is queries else answers.values())]
        metrics = {"unreadable": float(sum(len(e.unreadable) for e in read))}
        for pair in self.pairs:
            for query, answer in self.directions(pair, gallery):
                score = self._score(model, query, answer)
                part = self.direction(queries[query], answers[answer], score=score)
                metrics |= {f"{query}_to_{answer}/{name}": value for name, value in part.items()}
        return metrics

    def _items(
        self, model: Model, data: EvalData, names: Iterable[str], labels: str | None
    ) -> dict[str, Embedded]:
        """What is searched and searched for: items, or the tokens of items."""
        found = embed(model, data, names, self.alternatives, self.layer)
        if not self.tokens or labels is None:
            return found
        return {
            name: token_rows(own, self.tokens, labels, "retrieval") for name, own in found.items()
        }

    def directions(self, pair: tuple[str, str], gallery: Any) -> list[tuple[str, str]]:
        """(query, answer) of a pair: both ways, but only there in a gallery of its own."""
        if gallery is not None or pair[0] == pair[1]:
            return [pair]
        return [pair, (pair[1], pair[0])]

    def _score(self, model: Any, query: str, answer: str) -> ranking.Score | None:
        """What ranks the layer of the term; None without one."""
        if self.term is None:
            return None
        try:
            score: ranking.Score = model.scorer(self.term, query, answer)
        except ValueError as error:
            raise EvaluationError(f"retrieval: {error}") from error
        return score

    def direction(
        self, queries: Any, answers: Any, *, score: ranking.Score | None = None
    ) -> dict[str, float]:
        """Metrics of one direction.

        Args:
          queries, answers: `Embedded`, or anything with `modality`, `unit` f32[N,D] and
            `ids` i64[N], and `fields` where there are labels. Where both are one object, or queries
            say by `own` i64[N] which answers they are, a query is no answer to itself.
          score: what ranks; None for cosines.
        """
        if score is None and queries.unit.shape[1] != answers.unit.shape[1]:
            raise EvaluationError(
                f"{queries.modality!r} has embeddings of {queries.unit.shape[1]} numbers and "
                f"{answers.modality!r} of {answers.unit.shape[1]}; retrieval needs equal sizes"
            )
        asked, known = self._labelled(queries, answers, self.labels)
        own = getattr(queries, "own", None)
        if queries is answers:
            own = np.arange(len(queries.unit))
        vectors = self._vectors(queries.unit, answers.unit)
        excluded = self._excluded(queries, answers)
        ranks = ranking.rank(*vectors, asked, known, own, score, excluded)
        best = ranking.best(ranks)
        rank = ranking.expected_rank(best)
        gallery = np.full(len(rank), ranks.gallery - (own is not None))
        if excluded is not None:
            gallery -= [int(np.isin(known, excluded[query]).sum()) for query in best.query]
        return (
            {f"R@{k}": float(ranking.hit(best, k).mean()) for k in self.ks}
            | {
                "median_rank": float(np.median(rank)),
                "mean_rank": float(rank.mean()),
                "mAP": float(ranking.average_precision(ranks).mean()),
                "queries": float(len(rank)),
                "gallery": float(gallery.mean()),
                "chance_R@1": float((best.right / gallery).mean()),
            }
            | rank_metrics.further(ranks, rank, self.ks, self.more)
            | self._by(queries, best)
            | rank_metrics.among(best, gallery, self.ks, self.pool)
            | self._decoys(queries, answers, vectors, own, score, excluded)
        )

    def _labelled(self, queries: Any, answers: Any, label: str | None) -> tuple[Any, np.ndarray]:
        """A label of the queries as numbers, and what answers are called there; None: the ids."""
        if label is None:
            return queries.ids, answers.ids
        by = self.gallery_labels or "id"
        return numbered(
            [values_of(own, label) for own in queries.fields],
            [values_of(own, by) for own in answers.fields],
            f"retrieval: {by!r}",
        )

    def _excluded(self, queries: Any, answers: Any) -> list[np.ndarray] | None:
        """What is no answer of each query, as numbers of `_labelled`; None where nothing is."""
        if self.exclude is None:
            return None
        asked, _ = self._labelled(queries, answers, self.exclude)
        return [np.atleast_1d(own) for own in asked]

    def _by(self, queries: Any, best: ranking.BestAnswer) -> dict[str, float]:
        if self.by is None:
            return {}
        values = [str(queries.fields[i].get(self.by)) for i in best.query]
        return {
            f"R@{k}[{self.by}={value}]": float(
                ranking.hit(best, k)[np.array(values) == value].mean()
            )
            for value in sorted(set(values))
            for k in self.ks
        }

    def _decoys(
        self,
        queries: Any,
        answers: Any,
        vectors: tuple[np.ndarray, np.ndarray],
        own: np.ndarray | None,
        score: ranking.Score | None,
        excluded: list[np.ndarray] | None,
    ) -> dict[str, float]:
        if self.decoy is None:
            return {}
        asked, known = self._labelled(queries, answers, self.decoy)
        best = ranking.best(ranking.rank(*vectors, asked, known, own, score, excluded))
        return {"decoy@1": float(ranking.hit(best, 1).mean())}

    def _vectors(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is compared of queries and answers."""
        try:
            x, y = (compressed(each, self.prefix, self.bits, self.top) for each in (x, y))
        except ValueError as error:
            raise EvaluationError(f"retrieval: {error}") from error
        return (x, y) if self.csls is None else csls(x, y, self.csls)


def values_of(fields: Mapping[str, Any], key: str) -> list[Any]:
    """The values of a label of a record; none where it lacks it."""
    value = fields.get(key)
    if value is None:
        return []
    if isinstance(value, np.ndarray):
        return value.reshape(-1).tolist()
    return options(value)


def numbered(
    queries: Sequence[Sequence[Any]], answers: Sequence[Sequence[Any]], where: str
) -> tuple[Any, np.ndarray]:
    """Labels as numbers: of queries one each, i64[Q], or several, Q arrays; of answers one, i64[G].

    Answers without a label get a number that no query has.

    Raises:
      EvaluationError: for an answer with several labels; `where` names them.
    """
    number: dict[Any, int] = {}
    if any(len(own) > 1 for own in answers):
        raise EvaluationError(f"{where} of an answer should be one value, but some have several")
    known = np.array([number.setdefault(v, len(number)) if own else -1
                      for own in answers for v in (own or (None,))], np.int64)  # fmt: skip
    asked = [np.array([number.get(v, -2) for v in own], np.int64) for own in queries]
    if all(len(own) == 1 for own in asked):
        return np.concatenate(asked), known
    return asked, known
