"""One learned vector in the place of a word that turns every caption into a chosen class."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

# (vector f[W], captions i[N, T]) -> embeddings f32[N, D], unit rows; a pytree, so that it is an
# argument of programs.
WithToken = Callable[[jax.Array, jax.Array], jax.Array]


def fitted_token(
    embed: WithToken,
    captions: np.ndarray,
    classes: np.ndarray,
    target: int,
    start: np.ndarray,
    *,
    bound: float | None,
    steps: int,
    learning_rate: float,
    temperature: float,
) -> np.ndarray:
    """The vector v that minimizes the mean of -log softmax_k(t(v) · c_k / temperature) at a class.

    By Adam, and after each step back to |v| <= bound. Liu et al. 2023 (SAGE, arXiv 2306.00974,
    their universal token), of a text tower t in place of a generator and a classifier.

    Args:
      embed: the tower with v in one place of every caption.
      captions: i[N, T].
      classes: f32[K, D], unit rows.
      target: number of the class.
      start: f32[W], v before the first step.
      bound: of the length of v; None for none.
      steps, learning_rate: of Adam.
      temperature: of the softmax.

    Returns:
      f32[W].
    """
    state = optax.adam(learning_rate).init(jnp.asarray(start))
    how = jnp.asarray([learning_rate, np.inf if bound is None else bound, temperature], jnp.float32)
    v = inside(jnp.asarray(start), how[1])
    for _ in range(steps):
        v, state = _step(v, state, embed, captions, classes, target, how)
    return np.asarray(v)


@jax.jit
def _step(
    v: jax.Array,
    state: optax.OptState,
    embed: WithToken,
    captions: jax.Array,
    classes: jax.Array,
    target: jax.Array,
    how: jax.Array,
) -> tuple[jax.Array, optax.OptState]:
    """One step, compiled once for all targets, bounds and rates."""
    learning_rate, bound, temperature = how

    def loss(v: jax.Array) -> jax.Array:
        logits = embed(v, captions) @ classes.T / temperature
        return -jax.nn.log_softmax(logits, axis=1)[:, target].mean()

    updates, state = optax.adam(learning_rate).update(jax.grad(loss)(v), state, v)
    return inside(optax.apply_updates(v, updates), bound), state


def inside(v: jax.Array, bound: jax.Array) -> jax.Array:
    """A vector, shortened to a length of `bound` where it is longer."""
    return v * jnp.minimum(1.0, bound / jnp.maximum(jnp.linalg.norm(v), 1e-12))
