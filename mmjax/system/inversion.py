"""Modality inversion: pseudo-tokens whose embedding by a tower is a given vector."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmjax.encoders.prompts import Prompts
from mmjax.errors import ConfigError
from mmjax.model.definition import Definition
from mmjax.system.system import System

BATCH = 64  # targets at a time


def invert(
    definition: Definition[System],
    arrays: Mapping[str, jax.Array],
    modality: str,
    value: np.ndarray,
    targets: np.ndarray,
    *,
    tokens: int = 1,
    steps: int = 150,
    learning_rate: float = 2e-2,
    weight_decay: float = 0.01,
    seed: int = 0,
) -> np.ndarray:
    """Embeddings of one input with pseudo-tokens that bring it as near to each target as they can.

    Of every target t by itself, v f[tokens, W] ~ N(0, 0.02^2) minimizes 1 - cos(g(value, v), t) by
    AdamW: textual inversion (Mistretta et al. 2025, "Cross the Gap", arXiv 2502.04263, and their
    code's constants). The pseudo-tokens stand behind the first position of the tower's transformer,
    as prompts do, and have no position of their own.

    Args:
      definition: structure of the System.
      arrays: path -> array, all of its variables.
      modality: of the tower g, whose encoder reads prompts.
      value: input of the tower without a batch, such as the ids i32[T] of "a photo of".
      targets: f32[Q, D], unit rows, of any modality.
      tokens: number of pseudo-tokens.
      steps, learning_rate, weight_decay: of AdamW.
      seed: of the first pseudo-tokens, which are the same for every target.

    Returns:
      f32[Q, D], unit rows.

    Raises:
      ConfigError: for a tower that reads no prompts, or of another size than the targets.
    """
    tower = definition.merge(arrays).towers.get(modality)
    if tower is None or not tower.encoder.reads_prompts:
        raise ConfigError(
            f"inversion into {modality!r} needs a tower of it whose encoder reads prompts, such as "
            "'text_transformer'"
        )
    if tower.dim != targets.shape[1]:
        raise ConfigError(
            f"inversion: {modality!r} has embeddings of {tower.dim} numbers, the targets of "
            f"{targets.shape[1]}"
        )
    start = 0.02 * jax.random.normal(jax.random.key(seed), (tokens, tower.encoder.width))
    rule = optax.adamw(learning_rate, weight_decay=weight_decay)
    program = _program(definition, modality, rule, steps)
    parts = []
    for first in range(0, len(targets), BATCH):
        part = targets[first : first + BATCH]
        padded = np.concatenate([part, np.repeat(part[-1:], BATCH - len(part), axis=0)])
        parts.append(np.asarray(program(dict(arrays), jnp.asarray(value), padded, start)))
    return np.concatenate(parts)[: len(targets)].astype(np.float32)


def _program(
    definition: Definition[System], modality: str, rule: optax.GradientTransformation, steps: int
) -> jax.stages.Wrapped:
    """`(arrays, value, targets f[Q, D], start) -> f[Q, D]`, compiled."""

    def embed(arrays: Mapping[str, jax.Array], value: jax.Array, v: jax.Array) -> jax.Array:
        tower = definition.merge(arrays).towers[modality]
        unit: jax.Array = tower(value[None], prompts=Prompts(v[None])).unit[0]
        return unit.astype(jnp.float32)

    def one(
        arrays: Mapping[str, jax.Array], value: jax.Array, start: jax.Array, target: jax.Array
    ) -> jax.Array:
        def loss(v: jax.Array) -> jax.Array:
            return 1 - embed(arrays, value, v) @ target

        def step(
            state: tuple[jax.Array, optax.OptState], _: None
        ) -> tuple[tuple[jax.Array, optax.OptState], None]:
            v, moments = state
            updates, moments = rule.update(jax.grad(loss)(v), moments, v)
            return (optax.apply_updates(v, updates), moments), None

        (v, _), _ = jax.lax.scan(step, (start, rule.init(start)), None, steps)
        return embed(arrays, value, v)

    def every(
        arrays: Mapping[str, jax.Array], value: jax.Array, targets: jax.Array, start: jax.Array
    ) -> jax.Array:
        return jax.vmap(lambda target: one(arrays, value, start, target))(targets)

    return jax.jit(every)
