"""What terms of a model give of outputs: scores of pairs, and predictions."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
import numpy as np

from mmjax.model.definition import Definition
from mmjax.model.embedding import Embedding
from mmjax.objectives import Objectives, Term, TermError
from mmjax.objectives.scores import PairMatcher
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.names import modality_of
from mmjax.system import scoring
from mmjax.system.system import System

Arrays = Mapping[str, jax.Array]
M = TypeVar("M", bound=Term)
Matcher = Callable[[np.ndarray, np.ndarray], np.ndarray]
Predictor = Callable[[np.ndarray], np.ndarray]


class TermScores:
    """The terms of a model that score pairs or predict, as an `Embedder` asks for them.

    Args:
      definition, arrays, mesh: of the Embedder.
      fused: its outputs of fusions.
    """

    def __init__(
        self,
        definition: Definition[System],
        arrays: Arrays,
        mesh: jax.sharding.Mesh,
        fused: frozenset[str],
    ):
        self._definition, self._arrays, self._mesh = definition, arrays, mesh
        self._fused = fused
        self._shapes: dict[tuple[str, str], scoring.Shapes] = {}

    def features(self, term: str, modality: str) -> Callable[[System, Embedding], jax.Array]:
        """What gives f32[B, F], all that a term compares of a modality."""

        def features(system: System, embedding: Embedding) -> jax.Array:
            view = self._views(system.objectives.matcher(term)).get(modality)
            if view is None:
                raise TermError(f"The term {term!r} does not score {modality!r}.")
            found = system.objectives.compared(term, view, embedding)
            self._shapes[term, modality] = scoring.shapes_of(found)
            return scoring.flat(found)

        return features

    def scorer(self, term: str, queries: str, answers: str) -> scoring.FlatScore:
        """The score f32[q, a] of two modalities' rows of the layer `objectives.<term>`.

        Args:
          term: the name of one with a score of its own (`mmjax.objectives.scores`).
          queries, answers: its two views, in any order, which have been embedded.

        Raises:
          ValueError: for a term without such a score, or of other views.
        """
        own = self._of_terms(lambda terms: terms.scorer(term))
        rows, columns = self._sides(own, queries, answers)
        shapes = self._shapes[term, rows], self._shapes[term, columns]
        return scoring.FlatScore(
            own.pair_score(), *shapes, swapped=rows != next(iter(self._views(own)))
        )

    def matcher(self, term: str, queries: str, answers: str) -> Matcher:
        """Scores f32[P] of aligned rows [P, F] of two modalities' layer `objectives.<term>`.

        Args:
          term: the name of one that scores pairs (`mmjax.objectives.scores`).
          queries, answers: its two views, in any order, which have been embedded.

        Raises:
          ValueError: for a term without such a score, or of other views.
        """
        own = self._of_terms(lambda terms: terms.matcher(term))
        rows, columns = self._sides(own, queries, answers)

        def matched(arrays: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
            matcher = self._definition.merge(arrays).objectives.matcher(term)
            sides = {
                name: scoring.features_of(each, self._shapes[term, name])
                for name, each in ((rows, x), (columns, y))
            }
            first, second = self._views(own)
            return matcher.matched(sides[first], sides[second])

        program = jax.jit(matched, out_shardings=mesh_lib.replicated(self._mesh))
        return lambda x, y: np.asarray(program(self._arrays, x, y))

    def predictor(self, term: str, view: str) -> Predictor:
        """What a term predicts, f32[N, K], of rows f32[N, D] of a view's layer `raw`.

        Args:
          term: the name of one that predicts numbers, such as `regression` with a target.
          view: that it reads.

        Raises:
          ValueError: for a term that predicts none, or from another view.
        """
        own = self._of_terms(lambda terms: terms.predictor(term))
        if own.view != view:
            raise ValueError(f"the term {term!r} predicts from {own.view!r}, not from {view!r}")

        def predicted(arrays: Arrays, x: jax.Array) -> jax.Array:
            return self._definition.merge(arrays).objectives.predictor(term).predicted(x)

        program = jax.jit(predicted, out_shardings=mesh_lib.replicated(self._mesh))
        return lambda x: np.asarray(program(self._arrays, x))

    def _of_terms(self, asked: Callable[[Objectives], M]) -> M:
        """One of the model's terms; a ValueError where it is not there."""
        try:
            return asked(self._definition.merge(self._arrays).objectives)
        except TermError as error:
            raise ValueError(str(error)) from error

    def _sides(self, term: PairMatcher, queries: str, answers: str) -> tuple[str, str]:
        """What an Embedder is asked for to have the two views of a term."""
        rows, columns = self._known_by(queries), self._known_by(answers)
        if {rows, columns} != {*self._views(term)} or len(term.pair) != 2:
            raise ValueError(f"the term {term.name!r} scores {term.pair}, not {(queries, answers)}")
        return rows, columns

    def _views(self, term: PairMatcher) -> dict[str, str]:
        """Name for an Embedder -> view that a term scores."""
        return {self._known_by(view): view for view in term.pair}

    def _known_by(self, view: str) -> str:
        """What an Embedder is asked for to have a view: its tower, or the fusion itself."""
        return view if view in self._fused else modality_of(view)
