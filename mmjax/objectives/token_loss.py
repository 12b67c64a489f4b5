"""Cross-entropy over a vocabulary, of some tokens of a batch."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from mmjax.objectives.base import Loss

Reduction = Literal["tokens", "rows"]
Answer = Callable[[Any], jax.Array]  # f32[..., W], or a tree of arrays -> logits f32[..., V]


def token_loss(
    answer: Answer, x: jax.Array, ids: jax.Array, asked: jax.Array, reduction: Reduction
) -> Loss:
    """Mean cross-entropy of the tokens that are asked for, and the share that is right.

    Args:
      answer: layer that gives the logits.
      x: f32[B, T, W].
      ids: i32[B, T], what is right; any number where nothing is asked.
      asked: bool[B, T].
      reduction: mean over all `tokens` that are asked for, or first over those of each row.
    """
    loss, right = token_cross_entropy(answer, x, jnp.where(asked, ids, 0))
    weight = asked.astype(jnp.float32)
    if reduction == "rows":
        weight = weight / jnp.maximum(weight.sum(1, keepdims=True), 1.0)
    total = jnp.maximum(weight.sum(), 1.0)
    accuracy = jnp.where(asked, right, 0.0).sum() / jnp.maximum(asked.sum(), 1)
    return jnp.where(asked, weight * loss, 0.0).sum() / total, {"accuracy": accuracy}


def token_cross_entropy(answer: Answer, x: Any, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy f32[B, T], and whether the likeliest id is the right one, f32[B, T].

    One position at a time, in memory for B logits of the vocabulary.

    Args:
      answer: layer that gives the logits f32[B, V] of one position.
      x: what it reads, f32[B, T, W] or a tree of arrays [B, T, ...].
      ids: i32[B, T], what is right.
    """

    @jax.checkpoint  # no position's logits are kept for the backward pass
    def at(_: None, one: tuple[Any, jax.Array]) -> tuple[None, tuple[jax.Array, ...]]:
        x, ids = one
        logits = answer(x)
        own = jnp.take_along_axis(logits, ids[:, None], axis=1)[:, 0]
        right = (logits.argmax(1) == ids).astype(jnp.float32)
        return None, (jax.nn.logsumexp(logits, axis=1) - own, right)

    by_position = jax.tree.map(lambda each: jnp.swapaxes(each, 0, 1), x)
    _, found = jax.lax.scan(at, None, (by_position, ids.T))
    loss, right = (each.T for each in found)
    return loss, right
