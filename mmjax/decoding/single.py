"""Greedy decoding and nucleus sampling: one text at a time, one token after the other."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmjax.decoding.base import Decoder, NextToken, Start, Texts, ends, put
from mmjax.schema.bounds import Portion, Positive, Seed


class _State(NamedTuple):
    ids: jax.Array  # i32[B, T]
    length: jax.Array  # i32[B]
    done: jax.Array  # bool[B]
    score: jax.Array  # f32[B]


class _OneByOne(Decoder):
    """Takes the next token of each text from the logits alone."""

    def choose(self, logits: jax.Array, row: jax.Array, at: jax.Array) -> jax.Array:
        """The next ids i32[B].

        Args:
          logits: f32[B, V].
          row: i32[B], numbers of the rows.
          at: i32[B], positions that the ids will have.
        """
        raise NotImplementedError

    def __call__(self, following: NextToken, start: Start, eos: int | None) -> Texts:
        room = start.ids.shape[1]

        def step(now: _State) -> _State:
            logits, _ = following(now.ids[:, None], now.length - 1)
            new = self.choose(logits[:, 0], start.row, now.length)
            log_p = jax.nn.log_softmax(logits[:, 0])
            own = jnp.take_along_axis(log_p, new[:, None], axis=1)[:, 0]
            going = ~now.done
            return _State(
                put(now.ids, now.length, new, going),
                now.length + going,
                now.done | ends(new, now.length, eos, room),
                now.score + jnp.where(going, own, 0.0),
            )

        begun = _State(start.ids, start.length, start.length >= room, jnp.zeros(len(start.ids)))
        found = jax.lax.while_loop(lambda now: ~now.done.all(), step, begun)
        return Texts(found.ids, found.length, found.score)


@dataclasses.dataclass(frozen=True)
class Greedy(_OneByOne):
    """Greedy decoding: the likeliest token, again and again."""

    def choose(self, logits: jax.Array, row: jax.Array, at: jax.Array) -> jax.Array:
        return jnp.argmax(logits, axis=1).astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class Nucleus(_OneByOne):
    """Nucleus sampling: tokens are drawn from the smallest set of likely ones.

    Of the softmax of logits / temperature, the likeliest tokens are kept until their probabilities
    sum to p, the last of them included (Holtzman et al. 2020, arXiv 1904.09751). p = 1 is plain
    sampling. A row draws by its own number and the token's position.

    Args:
      p: the sum.
      temperature: above 1 more even, below 1 sharper.
      seed: of what is drawn.
    """

    p: Portion = 0.95
    temperature: Positive = 1.0
    seed: Seed = 0

    def choose(self, logits: jax.Array, row: jax.Array, at: jax.Array) -> jax.Array:
        kept = nucleus(logits / self.temperature, self.p)

        def draw(row: jax.Array, at: jax.Array, kept: jax.Array) -> jax.Array:
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), row), at)
            return jax.random.categorical(key, kept)

        return jax.vmap(draw)(row, at, kept).astype(jnp.int32)


def nucleus(logits: jax.Array, p: float) -> jax.Array:
    """Logits f32[B, V] with -inf outside of the smallest set whose probabilities sum to p."""
    order = jnp.argsort(-logits, axis=1)
    sorted_p = jax.nn.softmax(jnp.take_along_axis(logits, order, axis=1), axis=1)
    before = jnp.cumsum(sorted_p, axis=1) - sorted_p
    place = jnp.argsort(order, axis=1)
    inside = jnp.take_along_axis(before < p, place, axis=1)
    return jnp.where(inside, logits, -jnp.inf)
