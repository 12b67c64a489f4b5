"""Optimizer and the per-parameter rule tables.

Parameters are a flat dict path -> array. Which of them train, at what share of the learning rate
and with how much weight decay, is said by tables of (regular expression -> factor) whose first
match wins.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from mmjax.errors import ConfigError
from mmjax.parallel.layout import STACKED
from mmjax.recipe import OptimizerConfig
from mmjax.train import idle, learning_rate

Factor = float | tuple[float, ...]  # of all of a parameter, or of each layer of a stack
F = TypeVar("F", bound=Factor)


def frozen(
    patterns: Sequence[str], paths: Iterable[str], adapters: Iterable[str] = ()
) -> frozenset[str]:
    """The paths that `optimizer.freeze` makes constants, none of which is among `adapters`.

    Raises:
      ConfigError: for a pattern that no parameter matches, or when nothing is left to train.
    """
    paths, spared = list(paths), set(adapters)
    found = set()
    for pattern in patterns:
        matching = {path for path in paths if re.fullmatch(pattern, path)} - spared
        if not matching:
            raise ConfigError(
                f"optimizer.freeze: no parameter matches {pattern!r}; parameters have paths such "
                f"as {paths[0]!r} and {paths[-1]!r}"
            )
        found |= matching
    if len(found) == len(paths):
        raise ConfigError("optimizer.freeze: every parameter is frozen, nothing is left to train")
    return frozenset(found)


def factors(
    rules: Sequence[tuple[str, F]], paths: Iterable[str], default: float = 1.0
) -> dict[str, F | float]:
    """The factor of every path: that of the first rule that matches, or the default."""
    return {
        path: next((f for pattern, f in rules if re.fullmatch(pattern, path)), default)
        for path in paths
    }


def _scale(by: Mapping[str, Factor]) -> optax.GradientTransformation:
    """Multiplies updates by numbers, or by one for each layer of a stack."""

    def along(factor: Factor, x: jax.Array) -> jax.Array | float:
        if not isinstance(factor, tuple):
            return factor
        return jnp.asarray(factor, x.dtype).reshape(-1, *[1] * (x.ndim - 1))

    return optax.stateless(lambda updates, _: {k: u * along(by[k], u) for k, u in updates.items()})


def _check_layers(rules: Sequence[tuple[str, Factor]], shapes: Mapping[str, Any]) -> None:
    """Raises a ConfigError where a tuple of factors is not one for each layer of a stack."""
    for path, factor in factors(rules, shapes).items():
        if not isinstance(factor, tuple):
            continue
        layers = shapes[path].shape[0] if re.fullmatch(STACKED, path) else None
        if layers != len(factor):
            there = "is no stack of layers" if layers is None else f"stacks {layers} layers"
            raise ConfigError(
                f"optimizer.learning_rate_rules: {len(factor)} factors for {path!r}, which {there}"
            )


def _decay(rate: float, by: Mapping[str, float]) -> optax.GradientTransformation:
    """Adds rate * factor * parameter to what it is given (an update, or a gradient)."""
    return optax.stateless(
        lambda updates, params: {k: u + rate * by[k] * params[k] for k, u in updates.items()}
    )


def _adapt(coefficient: float, by: Mapping[str, float]) -> optax.GradientTransformation:
    """Makes updates `coefficient` times as long as their parameters, where these have a factor.

    Each layer of a stack by itself. A parameter or an update of length 0 stays as it is.
    """

    def length(path: str, x: jax.Array) -> jax.Array:
        axes = tuple(range(1 if re.fullmatch(STACKED, path) else 0, x.ndim))
        return jnp.sqrt((x * x).sum(axes, keepdims=True))

    def adapted(path: str, update: jax.Array, param: jax.Array) -> jax.Array:
        own, wanted = length(path, update), coefficient * length(path, param)
        either = (own == 0) | (wanted == 0)
        return update * jnp.where(either, 1.0, wanted / jnp.where(either, 1.0, own))

    return optax.stateless(
        lambda updates, params: {
            k: adapted(k, u, params[k]) if by[k] else u for k, u in updates.items()
        }
    )


class InTurn(NamedTuple):
    """Optimizer state of alternating updates: their number, and the state of each group's rule."""

    count: jax.Array  # type: ignore[assignment]  # a tuple has a method of this name
    states: tuple[optax.OptState, ...]


def in_turn(
    rule: optax.GradientTransformationExtraArgs,
    groups: Sequence[Sequence[str]],
    paths: Iterable[str],
) -> optax.GradientTransformationExtraArgs:
    """Update k is that of turn k mod len(groups): with moments and a schedule of its own.

    Each turn leaves the parameters that only other groups name as they are, moments and all, as
    optimizers of several losses with a common part do.

    Args:
      rule: of every turn.
      groups: regular expressions, those of each turn.
      paths: parameters that train.

    Raises:
      ConfigError: for one group, and for an expression that matches nothing.
    """
    if len(groups) < 2:
        raise ConfigError(f"optimizer.turns={groups} has to have at least two groups")
    paths = list(paths)
    named = []
    for number, group in enumerate(groups):
        for pattern in group:
            if not any(re.fullmatch(pattern, path) for path in paths):
                raise ConfigError(
                    f"optimizer.turns[{number}]: no trained parameter matches {pattern!r}"
                )
        named.append({path for path in paths if any(re.fullmatch(p, path) for p in group)})
    others = [set().union(*named) - own for own in named]

    def of(turn: int, tree: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {k: jnp.zeros_like(v) if k in others[turn] else v for k, v in tree.items()}

    def init(params: optax.Params) -> InTurn:
        return InTurn(jnp.zeros([], jnp.int32), tuple(rule.init(params) for _ in groups))

    def update(
        updates: optax.Updates, state: InTurn, params: optax.Params | None = None, **extra: Any
    ) -> tuple[optax.Updates, InTurn]:
        def turn(number: int) -> Callable[..., tuple[optax.Updates, tuple[optax.OptState, ...]]]:
            def apply(
                updates: optax.Updates,
                states: tuple[optax.OptState, ...],
                params: optax.Params | None,
            ) -> tuple[optax.Updates, tuple[optax.OptState, ...]]:
                own = of(number, updates)
                own, new = rule.update(own, states[number], params, **extra)
                return of(number, own), (*states[:number], new, *states[number + 1 :])

            return apply

        which = state.count % len(groups)
        branches = [turn(number) for number in range(len(groups))]
        updates, states = jax.lax.switch(which, branches, updates, state.states, params)
        return updates, InTurn(optax.safe_increment(state.count), states)

    return optax.GradientTransformationExtraArgs(init, update)


def make(
    optimizer: OptimizerConfig, steps: int, params: Mapping[str, Any]
) -> optax.GradientTransformationExtraArgs:
    """The whole update rule, for the parameters that train.

    `adamw`, `lamb` and `lion` add the weight decay to the update. `sgd` and `lars` add it to the
    gradient, so that the momentum accumulates it, as PyTorch's SGD and most papers do. `lamb` (You
    et al. 2020, arXiv 1904.00962) makes the update of each parameter as long as the parameter, and
    `lars` (You et al. 2017, arXiv 1708.03888) its gradient 0.001 times as long: the gradient g with
    the decay λw of parameter w, of length |g + λw|, as in the code of SimCLR, Barlow Twins and
    optax; the paper divides by |g| + λ|w|. What does not decay by `weight_decay_rules`, mostly
    biases and norms, keeps its length, as in their authors' code.

    Args:
      optimizer: section `optimizer` of the config.
      steps: of the whole run.
      params: path -> array, or shape, of the parameters that train.

    Returns:
      A transformation of flat dicts: clip, precondition, decay, schedule and rates. Its `update`
      takes `peak=`, f32[], in place of `optimizer.learning_rate`.

    Raises:
      ConfigError: for a learning rate rule, or a parameter of a turn, that matches nothing, and
        for a rule with another number of factors than there are layers.
    """
    paths = list(params)
    for pattern, _ in optimizer.learning_rate_rules:
        if not any(re.fullmatch(pattern, path) for path in paths):
            raise ConfigError(
                f"optimizer.learning_rate_rules: no trained parameter matches {pattern!r}"
            )
    _check_layers(optimizer.learning_rate_rules, params)
    rates = factors(optimizer.learning_rate_rules, paths)
    b1, b2 = optimizer.b1, optimizer.b2
    parts = []
    if optimizer.clip_norm is not None:
        parts.append(optax.clip_by_global_norm(optimizer.clip_norm))
    decays = factors(optimizer.weight_decay_rules, paths)
    decay = (_decay(optimizer.weight_decay, decays),) if optimizer.weight_decay else ()

    kept = optimizer.keep_idle
    adam = (idle.scale_by_adam if kept else optax.scale_by_adam)(b1, b2, optimizer.eps)
    momentum = optax.trace(b1) if b1 else optax.identity()
    parts += {
        "adamw": (adam, *decay),
        "lamb": (adam, *decay, _adapt(1.0, decays)),
        "lars": (*decay, _adapt(1e-3, decays), momentum),
        "lion": (optax.scale_by_lion(b1, b2), *decay),
        "sgd": (*decay, momentum),
    }[optimizer.type]
    if any(rate != 1.0 for rate in rates.values()):
        parts.append(_scale(rates))
    parts.append(
        learning_rate.scale_by(optimizer, learning_rate.updates_of_a_turn(optimizer, steps))
    )
    rule = idle.keep(optax.chain(*parts)) if kept else optax.chain(*parts)
    return in_turn(rule, optimizer.turns, paths) if optimizer.turns else rule


def state_shardings(
    transformation: optax.GradientTransformation,
    params: Mapping[str, jax.ShapeDtypeStruct],
    shardings: Mapping[str, Any],
    other: Any,
) -> Any:
    """Layout of the optimizer's state: moments lie as their parameters do.

    Args:
      transformation: what `make` returned.
      params: shapes of the parameters that train.
      shardings: layout of each of them.
      other: layout of everything else (counters).
    """
    state = jax.eval_shape(transformation.init, dict(params))
    return optax.tree.map_params(
        transformation,
        lambda _, sharding: sharding,
        state,
        dict(shardings),
        transform_non_params=lambda _: other,
    )


def norm(tree: Any) -> jax.Array:
    """Global L2 norm of all arrays of a tree, in float32."""
    length: jax.Array = optax.global_norm(jax.tree.map(lambda x: x.astype(jnp.float32), tree))
    return length
