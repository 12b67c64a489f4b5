"""Terms with a score of their own, by which pairs can be ranked after training, too."""

from collections.abc import Callable
from typing import ClassVar

import jax

from mmjax.model.embedding import Embedding
from mmjax.objectives.base import Features, Term
from mmjax.schema.annotations import ViewRef

# f32[r, c] of the features of r rows and of c columns. It is compiled once for equal ones, so it
# compares and hashes by value, as a frozen dataclass does.
PairScore = Callable[[Features, Features], jax.Array]


class PairScorer(Term):
    """A term that scores pairs of two views by something else than a cosine of two vectors.

    What its parameters make of a row is in the row's features; the score has none.

    Attributes:
      scores_pairs: True.
      pair: (view of the rows, view of the columns).
    """

    scores_pairs: ClassVar[bool] = True
    pair: tuple[ViewRef, ViewRef]

    def compared(self, view: str, embedding: Embedding) -> Features:
        """{name: [B, ...]} of numbers or bool, what is compared of the rows of one of the views."""
        raise NotImplementedError

    def pair_score(self) -> PairScore:
        """The score of the features of a tile, before the temperature."""
        raise NotImplementedError
