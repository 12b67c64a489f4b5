"""Updates that leave parameters alone of which a step has no gradient."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Arrays = Mapping[str, jax.Array]


def active(gradient: Arrays) -> dict[str, jax.Array]:
    """path -> bool[], whether any number of the gradient is not 0; NaN is not."""
    return {path: (g != 0).any() for path, g in gradient.items()}


def keep(rule: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    """`rule`, but a parameter whose gradient is 0 keeps its value and its moments to the last bit.

    As PyTorch's optimizers do with a parameter that a loss does not reach, and whose gradient is
    None: no decay, no step by old momentum. What the rule counts over all parameters, such as the
    step of its schedule, goes on.

    Args:
      rule: of flat dicts, path -> array.
    """

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **extra: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        there = active(updates)
        updates, new = rule.update(updates, state, params, **extra)

        def kept(now: Any, before: Any) -> Any:
            if not isinstance(now, dict):
                return now
            return {path: jnp.where(there[path], now[path], before[path]) for path in now}

        state = jax.tree.map(kept, new, state, is_leaf=lambda x: isinstance(x, dict))
        return {k: jnp.where(there[k], u, jnp.zeros_like(u)) for k, u in updates.items()}, state

    return optax.GradientTransformationExtraArgs(rule.init, update)


class AdamState(NamedTuple):
    """Moments, and how often each parameter was updated, i32[n] in the order of sorted paths."""

    counts: jax.Array
    mu: optax.Updates
    nu: optax.Updates


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam for `keep`: the bias correction of each parameter counts its own updates.

    With one count for all, a parameter whose first gradient comes late would move
    (1 - b1) / (1 - b2)^1/2 times as far as Adam's first step is.
    """

    def init(params: optax.Params) -> AdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        counts = jnp.zeros([len(jax.tree.leaves(params))], jnp.int32)
        return AdamState(counts, zeros, jax.tree.map(jnp.zeros_like, params))

    def update(
        updates: optax.Updates, state: AdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, AdamState]:
        del params
        there, paths = active(updates), sorted(updates)
        counts = state.counts + jnp.stack([there[path] for path in paths]).astype(jnp.int32)
        own = {path: jnp.maximum(counts[i], 1) for i, path in enumerate(paths)}
        mu = {k: b1 * state.mu[k] + (1 - b1) * g for k, g in updates.items()}
        nu = {k: b2 * state.nu[k] + (1 - b2) * g * g for k, g in updates.items()}

        def scaled(k: str) -> jax.Array:
            first, second = mu[k] / (1 - b1 ** own[k]), nu[k] / (1 - b2 ** own[k])
            step: jax.Array = first / (jnp.sqrt(second) + eps)
            return step

        return {k: scaled(k) for k in updates}, AdamState(counts, mu, nu)

    return optax.GradientTransformation(init, update)
