"""The base class of decoding algorithms, and what they share."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

# `(ids i32[B, K, T], at i32[B]) -> (logits f32[B, K, V] of the id behind position `at`, hidden
# states f32[B, K, T, W] of all positions)`. Position t sees ids up to t alone, so that what stands
# behind `at` does not matter, and rows and candidates do not see each other.
NextToken = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class Start(NamedTuple):
    """What texts begin with.

    Attributes:
      ids: i32[B, T], the buffer: prompts, and padding behind them.
      length: i32[B], tokens of each prompt, at least 1.
      row: i32[B], numbers of the rows, by which a random algorithm draws.
    """

    ids: jax.Array
    length: jax.Array
    row: jax.Array


class Texts(NamedTuple):
    """What was generated.

    Attributes:
      ids: i32[B, T], prompts and what follows, with the id that ends a text where it came.
      length: i32[B], tokens of each, with prompt and end.
      log_likelihood: f32[B], log probability of what follows the prompt, by the model.
    """

    ids: jax.Array
    length: jax.Array
    log_likelihood: jax.Array


class Decoder:
    """A decoding algorithm; its options are the fields of a dataclass.

    Attributes:
      word: what recipes call the class, its `type`.
    """

    word: ClassVar[str] = ""

    def __call__(self, following: NextToken, start: Start, eos: int | None) -> Texts:
        """Continues texts until each has ended or the buffer is full.

        Args:
          following: the model.
          start: prompts.
          eos: the id that ends a text; None ends none before the buffer is full.
        """
        raise NotImplementedError


def put(ids: jax.Array, at: jax.Array, new: jax.Array, where: jax.Array) -> jax.Array:
    """Ids i32[B, T] with new ones i32[B] at positions i32[B], in the rows bool[B] `where`."""
    chosen = (jnp.arange(ids.shape[1]) == at[:, None]) & where[:, None]
    return jnp.where(chosen, new[:, None], ids)


def ends(new: jax.Array, at: jax.Array, eos: int | None, room: int) -> jax.Array:
    """Whether a text ends with ids i32[...] at positions i32[...] of a buffer of some room."""
    full = at + 1 >= room
    return full if eos is None else full | (new == eos)
