"""Masks from sets of prototypes: those of a support, and a head that fits any number of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmjax.evaluators.linear_solvers import unit

ROUNDS = 8  # of k-means
HIDDEN, STEPS, RATE = 16, 500, 1e-2
Weights = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class Sets(NamedTuple):
    """What is known of a class: sets of unit prototypes, each f64[n, D], or without any f64[0, D].

    Attributes:
      foreground, background: of the tokens of a support.
      text: of what the class is called.
    """

    foreground: np.ndarray
    background: np.ndarray
    text: np.ndarray


def split(tokens: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Centres f64[n, D] of unit tokens f64[T, D], by spherical k-means; n is `count` or T if less.

    It starts from different tokens; a centre that is nearest to none stays where it is. One centre
    is the mean, made a unit vector.
    """
    count = min(count, len(tokens))
    if count < 2:
        return unit(tokens.mean(0, keepdims=True)) if count else tokens
    centres: np.ndarray = tokens[rng.permutation(len(tokens))[:count]]
    for _ in range(ROUNDS):
        nearest = (tokens @ centres.T).argmax(1)
        members = [tokens[nearest == k] for k in range(count)]
        pairs = zip(members, centres, strict=True)
        centres = np.stack([unit(own.mean(0)) if len(own) else old for own, old in pairs])
    return centres


def summary(tokens: np.ndarray, sets: Sets) -> np.ndarray:
    """What the head sees of unit tokens f64[T, D]: f64[T, 8], whatever the number of prototypes.

    The largest and the mean cosine with each of the three sets, 0 where a set has none, and whether
    there are visual prototypes and those of text.
    """
    columns: list[np.ndarray] = []
    for own in sets:
        cosines = tokens @ own.T
        columns += [cosines.max(1), cosines.mean(1)] if len(own) else 2 * [np.zeros(len(tokens))]
    there = [len(sets.foreground) > 0, len(sets.text) > 0]
    return np.stack([*columns, *(np.full(len(tokens), float(each)) for each in there)], axis=1)


def mask_loss(logits: jax.Array, masks: jax.Array) -> jax.Array:
    """Binary cross-entropy, mean over tokens, plus 1 - (2 Σpm + 1) / (Σp + Σm + 1) of each mask.

    Args:
      logits: f[N, T].
      masks: f[N, T], 0 or 1.
    """
    entropy = optax.sigmoid_binary_cross_entropy(logits, masks).mean()
    p = jax.nn.sigmoid(logits)
    dice = (2 * (p * masks).sum(1) + 1) / (p.sum(1) + masks.sum(1) + 1)
    total: jax.Array = entropy + (1 - dice).mean()
    return total


def fit(
    seen: np.ndarray, masks: np.ndarray, dropped: float, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """A mask head: an MLP on each token's summary, by 500 steps of Adam on all episodes.

    Args:
      seen: f64[N, T, 8], see `summary`.
      masks: bool[N, T].
      dropped: of the episodes that have both sides, the share in each step that loses the visual
        one, and as large a share that loses that of text.
      seed: of the start and of what is dropped.

    Returns:
      f[M, T, 8] -> logits f32[M, T].
    """
    x, y = jnp.asarray(seen, jnp.float32), jnp.asarray(masks, jnp.float32)
    both = (seen[:, 0, 6] > 0) & (seen[:, 0, 7] > 0)
    key = jax.random.key(seed)
    first, second, key = jax.random.split(key, 3)
    width = x.shape[2]
    weights = (
        jax.random.normal(first, (width, HIDDEN)) * (2 / width) ** 0.5,
        jnp.zeros(HIDDEN),
        jax.random.normal(second, (HIDDEN,)) * (2 / HIDDEN) ** 0.5,
        jnp.zeros(()),
    )
    optimizer = optax.adam(RATE)

    def loss(weights: Weights, key: jax.Array) -> jax.Array:
        draw = jax.random.uniform(key, (len(x), 1, 1))
        keep = jnp.stack([draw >= dropped, (draw < dropped) | (draw >= 2 * dropped)])
        keep = keep | ~both[:, None, None]
        return mask_loss(_logits(weights, x * _shown(*keep)), y)

    @jax.jit
    def train(weights: Weights, key: jax.Array) -> Weights:
        def step(state: tuple[Weights, Any], key: jax.Array) -> tuple[tuple[Weights, Any], None]:
            weights, own = state
            updates, own = optimizer.update(jax.grad(loss)(weights, key), own)
            return (optax.apply_updates(weights, updates), own), None

        keys = jax.random.split(key, STEPS)
        (weights, _), _ = jax.lax.scan(step, (weights, optimizer.init(weights)), keys)
        return weights

    trained = train(weights, key)
    return lambda seen: np.asarray(_logits(trained, jnp.asarray(seen, jnp.float32)))


def _shown(visual: jax.Array, text: jax.Array) -> jax.Array:
    """Which columns of summaries stay, where sides are dropped: f32[N, 1, 8]."""
    sides = [visual] * 4 + [text] * 2 + [visual, text]
    return jnp.concatenate(sides, axis=2).astype(jnp.float32)


def _logits(weights: Weights, x: jax.Array) -> jax.Array:
    inner, bias, outer, level = weights
    return jnp.einsum("ntk,k->nt", jax.nn.gelu(x @ inner + bias), outer) + level


def overlap(found: np.ndarray, masks: np.ndarray, classes: Sequence[object]) -> dict[str, float]:
    """Intersection over union of masks bool[N, T] with true ones, each of a class.

    Returns:
      `mIoU`: over all tokens of a class, mean over classes; `FB-IoU`: mean of that of all masks and
      that of what is outside of them.
    """

    def of(a: np.ndarray, b: np.ndarray) -> float:
        union = (a | b).sum()
        return float((a & b).sum() / union) if union else 1.0

    labels = np.asarray(classes)
    by_class = [of(found[labels == c], masks[labels == c]) for c in np.unique(labels)]
    both = [of(found, masks), of(~found, ~masks)]
    return {"mIoU": float(np.mean(by_class)), "FB-IoU": float(np.mean(both))}
