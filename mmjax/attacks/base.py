"""The base class of attacks: what they minimize, and how a change is fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmjax.attacks import losses
from mmjax.schema.bounds import Factor, NonNegative

# `f32[B, ...] in [0, 1] -> f32[B, D]`, unit rows; a pytree, so that it is an argument of programs.
Tower = Callable[[jax.Array], jax.Array]
# `f32[B, ...] in [0, 1] -> the same`, what an attack makes of inputs.
Change = Callable[[jax.Array], jax.Array]


@dataclass(kw_only=True)
class Attack(ABC):
    """A way to change inputs so that a frozen tower embeds them elsewhere.

    With a the embedding of a changed input, c the clean one and t that of its own text, an attack
    minimizes a weighted sum of

        distance: -mean |a - c|^2
        contrastive: -NCE(c -> a) - text NCE(a -> t), as AdvCLIP
        topology: -T(c, a) - text T(a, t), of neighbourhoods, as AdvCLIP
        attract: towards the text of the batch that is unlike the clean input, as GAMA

    of `mmjax.attacks.losses`.

    Attributes:
      distance, contrastive, topology, attract: weights of the four.
      text: weight of the texts in the second and third.
      temperature: of the second.
      margin: of the fourth.
    """

    distance: NonNegative = 1.0
    contrastive: NonNegative = 0.0
    topology: NonNegative = 0.0
    attract: NonNegative = 0.0
    text: NonNegative = 5.0
    temperature: Factor = 0.1
    margin: NonNegative = 0.2

    def __post_init__(self) -> None:
        if not self.distance + self.contrastive + self.topology + self.attract:
            raise ValueError(
                "attack: all weights are 0; give one of distance, contrastive, topology, attract"
            )

    @abstractmethod
    def random(self, shape: tuple[int, ...], seed: int) -> Change:
        """A change of the same size that nothing was fitted for, what an attack is measured by.

        Args:
          shape: of one input.
          seed: of the change.

        Raises:
          ConfigError: for inputs that it does not change, such as vectors by a patch.
        """

    @abstractmethod
    def fitted(self, tower: Tower, inputs: np.ndarray, texts: np.ndarray, seed: int) -> Change:
        """The change that the attack comes to.

        Args:
          tower: that it is fitted to.
          inputs: f32[N, ...] in [0, 1].
          texts: f32[N, D], unit rows, embeddings of their texts.
          seed: of start and order.

        Raises:
          ConfigError: as `random`.
        """

    def loss(self, changed: jax.Array, clean: jax.Array, texts: jax.Array) -> jax.Array:
        """What is minimized, of f32[B, D] each, unit rows; see the class."""
        total = jnp.zeros(())
        if self.distance:
            total -= self.distance * ((changed - clean) ** 2).sum(-1).mean()
        if self.contrastive:
            apart = losses.info_nce(clean, changed, self.temperature)
            apart += self.text * losses.info_nce(changed, texts, self.temperature)
            total -= self.contrastive * apart
        if self.topology:
            apart = losses.topology(clean, changed)
            apart += self.text * losses.topology(changed, texts)
            total -= self.topology * apart
        if self.attract:
            total += self.attract * losses.attraction(changed, clean, texts, self.margin)
        return total


@dataclass(kw_only=True)
class FittedAttack(Attack):
    """One whose change has parameters that all inputs share, fitted by Adam.

    Attributes:
      steps, learning_rate: of Adam.
      batch_size: inputs of a step.
    """

    steps: int
    learning_rate: Factor
    batch_size: int

    @abstractmethod
    def start(self, shape: tuple[int, ...], seed: int) -> Any:
        """The parameters before the first step, for inputs of a shape."""

    @abstractmethod
    def changed(self, parameters: Any, inputs: jax.Array) -> jax.Array:
        """Inputs f32[B, ...] in [0, 1] by parameters."""

    def fitted(self, tower: Tower, inputs: np.ndarray, texts: np.ndarray, seed: int) -> Change:
        rule = optax.adam(self.learning_rate)
        parameters = self.start(inputs.shape[1:], seed)
        state = rule.init(parameters)

        @jax.jit
        def step(
            parameters: Any, state: Any, tower: Tower, inputs: jax.Array, texts: jax.Array
        ) -> Any:
            clean = tower(inputs)

            def loss(parameters: Any) -> jax.Array:
                return self.loss(tower(self.changed(parameters, inputs)), clean, texts)

            updates, state = rule.update(jax.grad(loss)(parameters), state, parameters)
            return optax.apply_updates(parameters, updates), state

        # A loop of programs: in a compiled loop convolutions are slow on CPUs.
        for rows in batches(len(inputs), self.batch_size, self.steps, seed):
            parameters, state = step(parameters, state, tower, inputs[rows], texts[rows])
        return jax.jit(lambda x: self.changed(parameters, x))


def batches(rows: int, size: int, steps: int, seed: int) -> list[np.ndarray]:
    """Rows of each step, from all in random order again and again; at most as many as there are."""
    rng, size = np.random.default_rng(seed), min(size, rows)
    orders = [rng.permutation(rows) for _ in range(-(-steps * size // rows))]
    return list(np.concatenate([np.empty(0, np.int64), *orders])[: steps * size].reshape(steps, -1))
