"""Numbers that change during training, such as weights of objective terms."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from mmjax.errors import ConfigError, nearest


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number as a function of training progress in [0, 1], such as a term's made.

    Before `begin` it is `start`, after `end_at` it is `end`; in between it goes from one to the
    other along a straight line ('linear') or along half a cosine ('cosine'). A 'step' jumps from
    `start` to `end` at `begin`. A 'harmonic' one approaches `end` as 1, 1/2, 1/3, ... of the
    distance in `periods` equal parts of the training, such as its epochs.
    """

    start: float
    end: float
    type: Literal["linear", "cosine", "step", "harmonic"] = "linear"
    begin: float = 0.0
    end_at: float = 1.0
    periods: int = 1

    @classmethod
    def of(cls, spec: float | Mapping[str, Any], where: str) -> "Schedule":
        """The schedule of a config: a number, or a dict with the fields above and `type`.

        Args:
          spec: the number or dict.
          where: path of the key in the config, for messages.

        Raises:
          ConfigError: unknown, missing or impossible fields.
        """
        if not isinstance(spec, Mapping):
            return cls(float(spec), float(spec))
        fields = [field.name for field in dataclasses.fields(cls)]
        for key in spec:
            if key not in fields:
                near = nearest(key, fields)
                hint = f"; did you mean {near!r}?" if near else f": it may have {fields}."
                raise ConfigError(f"{where!r} has no key {key!r}{hint}")
        for key in ("type", "start", "end"):
            if key not in spec:
                raise ConfigError(f"{where!r} misses the key {key!r}.")
        made = cls(**spec)
        if made.type not in ("linear", "cosine", "step", "harmonic"):
            raise ConfigError(
                f"{where!r} has type {made.type!r}: use 'linear', 'cosine', 'step' or 'harmonic'."
            )
        if "periods" in spec and (made.type != "harmonic" or made.periods < 1):
            raise ConfigError(f"{where!r}: 'periods' is for type 'harmonic', and at least 1.")
        if made.type == "step" and "end_at" in spec:
            raise ConfigError(f"{where!r} is a step, which happens at 'begin': leave out 'end_at'.")
        if not 0.0 <= made.begin < made.end_at <= 1.0:
            raise ConfigError(
                f"{where!r} needs 0 <= begin < end_at <= 1, shares of the training, but has "
                f"begin={made.begin} and end_at={made.end_at}."
            )
        return made

    @property
    def constant(self) -> bool:
        return self.start == self.end

    def __call__(self, progress: jax.Array | float) -> jax.Array:
        """The value, an f32 scalar."""
        progress = jnp.asarray(progress, jnp.float32)
        if self.type == "harmonic":
            share = 1 - 1 / (1 + jnp.floor(jnp.minimum(progress, 1.0) * self.periods))
        elif self.type == "step":
            share = jnp.where(progress >= self.begin, 1.0, 0.0)
        else:
            share = jnp.clip((progress - self.begin) / (self.end_at - self.begin), 0.0, 1.0)
        if self.type == "cosine":
            share = 0.5 - 0.5 * jnp.cos(math.pi * share)
        return self.start + share * (self.end - self.start)
