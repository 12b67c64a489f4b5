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


class PairMatcher(Term):
    """A term that scores pairs of two views by something else than a cosine of two vectors.

    Attributes:
      matches_pairs: True.
      pair: (first view, second view); more of a term that is of tuples and scores no pairs.
    """

    matches_pairs: ClassVar[bool] = True
    pair: tuple[ViewRef, ...]

    def compared(self, view: str, embedding: Embedding) -> Features:
        """{name: [B, ...]} of numbers or bool, what is compared of the rows of one of the views."""
        raise NotImplementedError

    def matched(self, x: Features, y: Features) -> jax.Array:
        """f32[B], the score of row i of the first view with row i of the second."""
        raise NotImplementedError


class PairScorer(PairMatcher):
    """One whose score of all pairs of a tile needs no parameters, so that it ranks a whole gallery.

    What its parameters make of a row is in the row's features.

    Attributes:
      scores_pairs: True.
    """

    scores_pairs: ClassVar[bool] = True

    def pair_score(self) -> PairScore:
        """The score of the features of a tile, before the temperature."""
        raise NotImplementedError

    def matched(self, x: Features, y: Features) -> jax.Array:
        score = self.pair_score()

        def of_one(x: Features, y: Features) -> jax.Array:
            x, y = jax.tree.map(lambda a: a[None], (x, y))
            return score(x, y)[0, 0]

        found: jax.Array = jax.vmap(of_one)(dict(x), dict(y))
        return found
