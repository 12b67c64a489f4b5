"""The base class of encoders, and what they return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, get_args

import jax
from flax import nnx

from mmjax.errors import UserError
from mmjax.schema.bounds import Count


class EncoderError(UserError, ValueError):
    """An option or an input that an encoder cannot take; the message says which, and what to do."""


def check_choice(key: str, value: Any, choices: Any) -> None:
    """Raises EncoderError unless `value` of the option `key` is one of a `Literal`'s."""
    if value not in get_args(choices):
        raise EncoderError(
            f"{key}={value!r} is not one of {', '.join(map(repr, get_args(choices)))}"
        )


def check_rate(key: str, value: float) -> None:
    """Raises EncoderError unless the rate `value` of the option `key` is in [0, 1)."""
    if not 0 <= value < 1:
        raise EncoderError(f"{key}={value} is not in [0, 1)")


def check_positive(**sizes: int) -> None:
    """Raises EncoderError for the first of these sizes that is below 1."""
    for key, value in sizes.items():
        if value < 1:
            raise EncoderError(f"{key}={value}: at least 1 is needed")


class Encoding(NamedTuple):
    """The output of an encoder for B examples.

    Attributes:
      pooled: f[B, W], one vector for each example.
      tokens: f[B, T, W], one vector for each position, or None for encoders without positions;
        some have another size than `pooled` (`Encoder.token_width`).
      mask: bool[B, T], True where a position is real and not padding; None when all are.
      prompts: f[B, n, W], what became of n prompts (`encoders.prompts`); None without.
      groups: bool[B, n, T], which tokens are of which of the n inputs of a fusion; None of others.
      levels: name -> what the encoder has below its end, such as `words` and `sentences` of a text,
        for heads that name one with `level`; as wide as the encoder. None of most.
      inputs: f[B, T, W], what an encoder with a trunk gives that for its `tokens`, so that a fusion
        can run it through the trunk beside others; None of other encoders.
    """

    pooled: jax.Array
    tokens: jax.Array | None = None
    mask: jax.Array | None = None
    prompts: jax.Array | None = None
    groups: jax.Array | None = None
    levels: Mapping[str, Encoding] | None = None
    inputs: jax.Array | None = None


def of_level(encoding: Encoding, level: str | None) -> Encoding:
    """One of the levels of an encoding; itself where `level` is None.

    Raises:
      EncoderError: naming those that there are.
    """
    if level is None:
        return encoding
    if level not in (encoding.levels or {}):
        known = ", ".join(map(repr, encoding.levels or {})) or "none"
        raise EncoderError(f"a head with level={level!r}, for an encoder whose levels are {known}")
    return (encoding.levels or {})[level]


class Encoder(nnx.Module):
    """An encoder of one modality, f[B, ...] -> Encoding.

    Its parameters are float32 and it computes in the `dtype` given to its constructor. With
    `train=False` it is deterministic; with `train=True` it draws dropout and drop-path masks from
    `rngs` (stream `dropout`), which may be None when it has neither. The key of that stream may be
    one key or key[B], one for each example; `layers.draw` and its neighbours take both.

    Attributes:
      width: W of what it returns.
      token_width: of its tokens, where that is another; None where it is W, or without tokens.
      causal: whether each of its tokens depends on the positions up to its own alone.
      reads_present: whether the call takes `present` bool[B], False where a value is a
        placeholder: those with statistics over the batch.
      reads_prompts: whether the call takes `prompts` (`mmjax.encoders.prompts`).
      trunk: name of the trunk that the call takes as `trunk` (`mmjax.encoders.trunk`); None of an
        encoder that shares nothing.
      training_options: options of the constructor that a trained encoder's output does not depend
        on.
    """

    width: Count
    token_width: int | None = None
    causal: bool = False
    trunk: str | None = None
    reads_present: bool = False
    reads_prompts: ClassVar[bool] = False
    training_options: ClassVar[frozenset[str]] = frozenset(
        {"dropout", "drop_path", "patch_dropout", "init", "scan", "remat", "augment"}
    )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        raise NotImplementedError


def parameter_count(module: nnx.Module) -> int:
    """The number of trainable scalars in `module` (its `nnx.Param` variables).

    Also right for an abstract module (`nnx.eval_shape`), so it costs no memory to ask.
    """
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
