"""Beam search."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmjax.decoding.base import Decoder, NextToken, Start, Texts, ends
from mmjax.schema.bounds import Moderate, Repeats

_NONE = -1e9  # the score of no text


class _State(NamedTuple):
    ids: jax.Array  # i32[B, K, T], of the beams
    score: jax.Array  # f32[B, K], their log likelihoods, the largest first
    length: jax.Array  # i32[B], of all beams of a row
    done: jax.Array  # bool[B]
    ended: jax.Array  # i32[B, K, T], the best texts that have ended
    value: jax.Array  # f32[B, K], log likelihood / tokens ** length_penalty
    likely: jax.Array  # f32[B, K], log likelihood
    size: jax.Array  # i32[B, K], tokens


@dataclasses.dataclass(frozen=True)
class Beam(Decoder):
    """Beam search: the `width` likeliest beginnings are continued side by side.

    Of the 2 `width` likeliest continuations of a row's beams, those among the first `width` that
    end are kept as texts, and the first `width` that do not end go on. A text of n new tokens, its
    end included, is worth log likelihood / n ** length_penalty; a row is done when it has `width`
    texts and its best beam, at its present length, is worth no more than the worst of them, or the
    buffer is full. The best text is the answer. So does transformers, with early_stopping=False.

    Args:
      width: number of beams.
      length_penalty: 0 for the likeliest text; above 0 longer ones are preferred.
    """

    width: Repeats = 4
    length_penalty: Moderate = 1.0

    def __call__(self, following: NextToken, start: Start, eos: int | None) -> Texts:
        rows, room = start.ids.shape
        width = self.width

        def worth(score: jax.Array, size: jax.Array) -> jax.Array:
            return score / jnp.maximum(size, 1).astype(jnp.float32) ** self.length_penalty

        def step(now: _State) -> _State:
            logits, _ = following(now.ids, now.length - 1)
            total = jax.nn.log_softmax(logits) + now.score[:, :, None]
            vocabulary = total.shape[2]
            score, which = jax.lax.top_k(total.reshape(rows, -1), 2 * width)
            new = (which % vocabulary).astype(jnp.int32)
            longer = jnp.take_along_axis(now.ids, (which // vocabulary)[:, :, None], axis=1)
            here = jnp.arange(room) == now.length[:, None, None]
            longer = jnp.where(here, new[:, :, None], longer)
            over = ends(new, now.length[:, None], eos, room)
            first = jnp.arange(2 * width) < width

            # Texts that have ended, and the best of all of them.
            size = now.length + 1 - start.length
            value = jnp.where(over & first, worth(score, size[:, None]), _NONE)
            values = jnp.concatenate([now.value, value], axis=1)
            best, places = jax.lax.top_k(values, width)

            def merged(old: jax.Array, new: jax.Array) -> jax.Array:
                both = jnp.concatenate([old, new], axis=1)
                index = places.reshape(places.shape + (1,) * (both.ndim - 2))
                return jnp.take_along_axis(both, index, axis=1)

            sizes = jnp.broadcast_to((now.length + 1)[:, None], new.shape)
            going = ~now.done
            kept = going[:, None]

            # Beams that go on.
            left, order = jax.lax.top_k(jnp.where(over, _NONE, score), width)
            length = now.length + going
            full = best[:, -1] > _NONE / 2
            hopeless = full & (worth(left[:, 0], size) <= best[:, -1])
            return _State(
                jnp.where(
                    kept[..., None], jnp.take_along_axis(longer, order[:, :, None], axis=1), now.ids
                ),
                jnp.where(kept, left, now.score),
                length,
                now.done | hopeless | (length >= room),
                jnp.where(kept[..., None], merged(now.ended, longer), now.ended),
                jnp.where(kept, best, now.value),
                jnp.where(kept, merged(now.likely, score), now.likely),
                jnp.where(kept, merged(now.size, sizes), now.size),
            )

        ids = jnp.repeat(start.ids[:, None], width, axis=1)
        nothing = jnp.full((rows, width), _NONE)
        begun = _State(
            ids,
            nothing.at[:, 0].set(0.0),  # of equal beams one is continued
            start.length,
            start.length >= room,
            ids,
            nothing.at[:, 0].set(jnp.where(start.length >= room, 0.0, _NONE)),
            jnp.zeros((rows, width)),
            jnp.repeat(start.length[:, None], width, axis=1),
        )
        found = jax.lax.while_loop(lambda now: ~now.done.all(), step, begun)
        return Texts(found.ended[:, 0], found.size[:, 0], found.likely[:, 0])
