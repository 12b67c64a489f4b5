"""Texts that a model generates by its term `captioning`, and how likely it finds given ones."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmjax.decoding import Decoder, Start, Texts
from mmjax.model.embedding import Embedding
from mmjax.objectives.captioning import Captioning
from mmjax.objectives.errors import TermError
from mmjax.objectives.fusion import Tokens
from mmjax.objectives.token_loss import token_cross_entropy
from mmjax.schema.names import modality_of
from mmjax.system.system import System

Arrays = Mapping[str, jax.Array]


class Likelihood(NamedTuple):
    """How likely given texts are.

    Attributes:
      log_likelihood: f32[B], log probability of all tokens but the first.
      right: f32[B], how many of them are the likeliest.
      tokens: f32[B], how many there are.
    """

    log_likelihood: jax.Array
    right: jax.Array
    tokens: jax.Array


class Writer:
    """The decoder of a model: its term of type `captioning` with the text's tower.

    Args:
      system: the model.
      name: of the term.
      given: values [B, ...] of the views that stand for the term's conditions, in their order. They
        may be other views, such as images where the decoder has learned from texts.
      values: name of a view -> values.

    Raises:
      TermError: for a term of another type, and for too many or too few conditions.
    """

    def __init__(self, system: System, name: str, given: Sequence[str], values: Arrays):
        self._system, self._name = system, name
        self.term = caption_term(system, name)
        asked = self.term.conditions
        if len(given) != len(asked):
            raise TermError(
                f"The term {name!r} has the conditions {asked!r}, but was given {tuple(given)!r}: "
                "name one view for each, in this order."
            )
        self._memory: Tokens | None = None
        if asked:
            outputs = system.embed({view: values[view] for view in given})
            seen = {
                own: self._read(own, outputs[view]) for own, view in zip(asked, given, strict=True)
            }
            rows = len(next(iter(seen.values())).unit)
            self._memory = self.term.memory(seen, jnp.ones(rows, bool))

    def hidden(self, ids: jax.Array, copies: int = 1) -> jax.Array:
        """What the layer to the vocabulary gets, f32[B copies, T, W], of ids i32[B copies, T]."""
        outputs = {}
        if self.term.lower == "tower":
            view = modality_of(self.term.text)
            outputs[self.term.text] = self._read(
                self.term.text, self._system.embed({view: ids})[view]
            )
        memory = self._memory
        if memory is not None and copies > 1:
            tokens, there = memory
            memory = jnp.repeat(tokens, copies, axis=0), jnp.repeat(there, copies, axis=0)
        return self.term.hidden(ids, outputs, memory)

    def following(
        self, ids: jax.Array, at: jax.Array, never: Sequence[int] = ()
    ) -> tuple[jax.Array, jax.Array]:
        """As `mmjax.decoding.NextToken`; ids `never` have no probability."""
        rows, copies, length = ids.shape
        hidden = self.hidden(ids.reshape(rows * copies, length), copies)
        hidden = hidden.reshape(rows, copies, length, -1)
        last = jnp.take_along_axis(hidden, at[:, None, None, None], axis=2)[:, :, 0]
        logits = self.term.answer(last)
        if never:
            logits = logits.at[:, :, jnp.asarray(never)].set(-jnp.inf)
        return logits, hidden

    def likelihood(self, ids: jax.Array) -> Likelihood:
        """Of whole texts i32[B, T]."""
        loss, right = token_cross_entropy(
            self.term.answer, self.hidden(ids), jnp.roll(ids, -1, axis=1)
        )
        asked = jnp.roll(self.term.real(ids), -1, axis=1).at[:, -1].set(False)
        loss, right = (jnp.where(asked, each, 0.0).sum(1) for each in (loss, right))
        return Likelihood(-loss, right, asked.sum(1, dtype=jnp.float32))

    def _read(self, view: str, embedding: Embedding) -> Embedding:
        return self._system.objectives.read(self._name, view, embedding)


def caption_term(system: System, name: str) -> Captioning:
    """The term of a model that generates.

    Raises:
      TermError: when there is none of that name.
    """
    terms = dict(system.objectives.terms)
    term = terms.get(name)
    if not isinstance(term, Captioning):
        known = [each for each, own in terms.items() if isinstance(own, Captioning)]
        raise TermError(
            f"There is no term {name!r} of type 'captioning'; there are {known or 'none'}."
        )
    if term.within:
        raise TermError(
            f"The term {name!r} has within={term.within!r}: of texts in a trunk's own sequence it "
            "has a loss, but does not generate them."
        )
    return term


def generate(
    system: System,
    name: str,
    decoder: Decoder,
    given: Sequence[str],
    values: Arrays,
    start: Start,
    *,
    eos: int | None,
    never: tuple[int, ...] = (),
) -> Texts:
    """Continues prompts, or captions.

    Args:
      system: the model.
      name: of its term.
      decoder: the algorithm.
      given, values: see `Writer`.
      start: prompts, each of one token or more, in a buffer as long as texts may get.
      eos: the id that ends a text.
      never: ids that are not generated, such as padding.
    """
    writer = Writer(system, name, given, values)
    return decoder(lambda ids, at: writer.following(ids, at, never), start, eos)
