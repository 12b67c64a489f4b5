"""Contrastive search."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmjax.decoding.base import Decoder, NextToken, Start, Texts, ends, put
from mmjax.schema.bounds import Fraction, Repeats


class _State(NamedTuple):
    ids: jax.Array  # i32[B, T]
    length: jax.Array  # i32[B]
    done: jax.Array  # bool[B]
    score: jax.Array  # f32[B]
    logits: jax.Array  # f32[B, V], of the id behind


@dataclasses.dataclass(frozen=True)
class Contrastive(Decoder):
    """Contrastive search: a likely token whose hidden state is unlike all before it.

    Of the `k` likeliest tokens v the next one has the largest

        (1 - alpha) p(v | x_<t) - alpha max_{j < t} cos(h_v, h_j),

    with h the model's last hidden states, h_v that of v when it is appended, and j all positions
    before it, the prompt's too; of equal ones the likelier. Su et al. 2022 (arXiv 2202.06417,
    equation 5), Su and Xu 2023 (arXiv 2210.14140). It draws nothing; k = 1 or alpha = 0 is greedy.

    Args:
      k: number of candidates.
      alpha: weight of the degeneration penalty.
    """

    k: Repeats = 5
    alpha: Fraction = 0.6

    def __call__(self, following: NextToken, start: Start, eos: int | None) -> Texts:
        rows, room = start.ids.shape

        def step(now: _State) -> _State:
            log_p = jax.nn.log_softmax(now.logits)
            likely, candidates = jax.lax.top_k(log_p, min(self.k, log_p.shape[1]))
            here = jnp.arange(room) == now.length[:, None, None]
            tried = jnp.where(here, candidates[:, :, None], now.ids[:, None])
            logits, hidden = following(tried, now.length)
            index = now.length[:, None, None, None]
            own = jnp.take_along_axis(hidden, index, axis=2)[:, :, 0]
            cosine = jnp.einsum("bkw,bktw->bkt", _unit(own), _unit(hidden), precision="highest")
            before = jnp.arange(room) < now.length[:, None, None]
            penalty = jnp.where(before, cosine, -jnp.inf).max(2)
            value = (1 - self.alpha) * jnp.exp(likely) - self.alpha * penalty
            best = jnp.argmax(value, axis=1)[:, None]

            def chosen(x: jax.Array) -> jax.Array:
                return jnp.take_along_axis(x, best, axis=1)[:, 0]

            new, going = chosen(candidates), ~now.done
            return _State(
                put(now.ids, now.length, new, going),
                now.length + going,
                now.done | ends(new, now.length, eos, room),
                now.score + jnp.where(going, chosen(likely), 0.0),
                jnp.take_along_axis(logits, best[:, :, None], axis=1)[:, 0],
            )

        logits, _ = following(start.ids[:, None], start.length - 1)
        done = start.length >= room
        begun = _State(start.ids, start.length, done, jnp.zeros(rows), logits[:, 0])
        found = jax.lax.while_loop(lambda now: ~now.done.all(), step, begun)
        return Texts(found.ids, found.length, found.score)


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
