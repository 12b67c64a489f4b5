"""Natural captions that a model takes for something else, searched for with few calls of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.attacks import words as words_lib
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.gradients import of_inputs
from mmjax.evaluators.word_slots import Classes, Prompts, WordSlots, classes_of
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, NonNegativeInt, Repeats


class WordSearch(Evaluator):
    """How soon one finds a natural caption that is nearer to another class than to its own.

    A caption is a template with words in its slots, none of them twice. Its margin is its cosine
    with the mean of its class's items less the greatest with that of another class, and it fails
    where that is below 0. From one random caption of each class three searches start (Liu et al.
    2023, SAGE, arXiv 2306.00974, with a text tower in place of a generator): `random` captions;
    `climb`, swaps of one word by chance that stay where the margin falls; and `gradient`, the swaps
    that the margin's gradient by the words' vectors says are best. A call is one caption or one
    gradient. It is for one's own models: captions stay in memory, and these numbers are all that is
    kept.

    Metrics, of each search:
      SEARCH/success@k: share that failed within k calls.
      SEARCH/calls: mean calls to the failure, the greatest budget where there was none.
      SEARCH/transfer: with `other`, share of the failures that fail for that tower, too; 0 of none.
    And `natural/top_1`, accuracy on random captions; `started`, how many searches there are: the
    classes, or texts, whose first caption is right. Of no searches all are 0.

    Args:
      words: that may stand in slots, each of one token.
      template: of captions, with slots `*` and one `{}`.
      filler: the one of the words that says nothing and may stand in many slots.
      labels: the field that holds the class.
      modality: of the items that the classes are the means of.
      text: view of the captions.
      own_texts: captions are of the records' texts and not of the names of the classes.
      other: a further tower (modality, text) that failures are tried on; its text view is the same.
      budgets: of calls, each a k.
      prompts: searches, at most; of more classes or texts so many are drawn.
      draws: random captions of each, for `natural/top_1`.
      seed: of all chance.
    """

    least_records = 2

    def __init__(
        self,
        *,
        words: tuple[str, ...],
        template: str = "* {} *",
        filler: str | None = None,
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        text: ViewRef = "text",
        own_texts: bool = False,
        other: tuple[ViewRef, ViewRef] | None = None,
        budgets: tuple[Repeats, ...] = (20, 60, 200),
        prompts: Count = 64,
        draws: Repeats = 10,
        seed: NonNegativeInt = 0,
    ):
        if not budgets:
            raise ValueError("word_search: budgets is empty; give a number of calls")
        self.slots = WordSlots(template, words, filler)
        self.labels, self.modality, self.text, self.own_texts = labels, modality, text, own_texts
        self.other, self.budgets, self.prompts = other, budgets, prompts
        self.draws, self.seed = draws, seed

    def check(self, data: EvalData) -> None:
        Prompts(self.slots, data, self.text, ("x",))

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        known = self._classes(model, data, self.modality)
        drawn = np.random.default_rng([self.seed, 3]).permutation(len(known.of))[: self.prompts]
        drawn.sort()
        of, truth = [known.of[row] for row in drawn], known.truth[drawn]
        prompts = Prompts(self.slots, data, self.text, of)
        margins = _Margins(model, data.known_by(self.text), prompts, known.vectors, truth)
        rng, grammar = np.random.default_rng([self.seed, 0]), self.slots.grammar
        every = np.arange(len(of))
        natural = [
            margins.of(every, np.stack([grammar.natural(rng) for _ in of])) >= 0
            for _ in range(self.draws)
        ]
        starts = np.stack([grammar.natural(rng, grammar.slots) for _ in of])
        rows = np.flatnonzero(margins.of(every, starts) >= 0)
        metrics = {"natural/top_1": float(np.mean(natural)), "started": float(len(rows))}
        further = None
        if self.other is not None:
            theirs = self._classes(model, data, self.other[0])
            if not np.array_equal(theirs.names, known.names):
                raise EvaluationError(
                    f"word_search: the records with {self.other[0]!r} are not of the same classes "
                    f"as those with {self.modality!r}"
                )
            tower = data.known_by(self.other[1])
            further = _Margins(model, tower, prompts, theirs.vectors, truth)
        for name, search in words_lib.SEARCHES.items():
            own = [
                search(
                    starts[r],
                    grammar,
                    margins.vectors,
                    np.random.default_rng([self.seed, int(r), 1]),
                )
                for r in rows
            ]
            found = words_lib.run(own, lambda c, g: margins(rows, c, g), max(self.budgets))
            metrics |= self._metrics(name, found)
            if further is not None:
                failed = [(rows[n], one.choice) for n, one in enumerate(found) if one.calls]
                metrics[f"{name}/transfer"] = further.share(failed)
        return metrics

    def _metrics(self, name: str, found: list[words_lib.Found]) -> dict[str, float]:
        most = max(self.budgets)
        calls = np.array([one.calls or most + 1 for one in found])

        def mean(values: np.ndarray) -> float:
            return float(values.mean()) if found else 0.0

        within = {f"{name}/success@{k}": mean(calls <= k) for k in self.budgets}
        return within | {f"{name}/calls": mean(np.minimum(calls, most))}

    def _classes(self, model: Model, data: EvalData, modality: str) -> Classes:
        own = self.slots if self.own_texts else None
        return classes_of(model, data, modality, self.labels, self.text, own, "word_search")


class _Margins:
    """Margins of captions, and their gradients by the vectors of the words in the slots."""

    def __init__(
        self, model: Model, tower: str, prompts: Prompts, classes: np.ndarray, truth: np.ndarray
    ):
        free = of_inputs(model, "free_words", "word_search")
        self._words, self._prompts, self._truth = free(tower), prompts, truth
        self._classes = jnp.asarray(classes)
        self.vectors = self._words.table[prompts.token_ids]  # f32[V, W]
        self._margins, self._slopes = jax.jit(_margins), jax.jit(jax.grad(_sum_of_margins, 2))

    def of(self, rows: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """f32[N] of the captions of prompts `rows` [N] with choices i[N, S]."""
        none = np.zeros((0, self.vectors.shape[1]), np.float32)
        ids = self._prompts.ids(rows, choices)
        where = self._classes, self._truth[rows]
        return np.asarray(self._margins(self._words.embed, ids, none, *where))

    def share(self, captions: list[tuple[int, np.ndarray]]) -> float:
        """How many captions, (prompt, choice) each, have a margin below 0; 0 of none."""
        if not captions:
            return 0.0
        rows, choices = (np.stack(column) for column in zip(*captions, strict=True))
        return float((self.of(rows, choices) < 0).mean())

    def __call__(
        self, rows: np.ndarray, choices: np.ndarray, gradient: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `mmjax.attacks.words.Measure`, of the prompts `rows`."""
        margins, width = self.of(rows, choices), self.vectors.shape[1]
        if not gradient:
            return margins, np.zeros((*choices.shape, width), np.float32)
        free = len(self._words.table) + np.arange(choices.size).reshape(choices.shape)
        ids, own = self._prompts.put(rows, free), self.vectors[choices].reshape(-1, width)
        where = self._classes, self._truth[rows]
        slopes = np.asarray(self._slopes(self._words.embed, ids, own, *where))
        return margins, slopes.reshape(*choices.shape, width)


def _margins(
    embed: Any, ids: jax.Array, vectors: jax.Array, classes: jax.Array, truth: jax.Array
) -> jax.Array:
    """f32[N]: the cosine with the own class less the greatest with another."""
    cosines = embed(ids, vectors) @ classes.T
    own = jnp.take_along_axis(cosines, truth[:, None], axis=1)[:, 0]
    is_own = jnp.arange(len(classes)) == truth[:, None]
    return own - jnp.where(is_own, -jnp.inf, cosines).max(axis=1)


def _sum_of_margins(*arguments: Any) -> jax.Array:
    return _margins(*arguments).sum()
