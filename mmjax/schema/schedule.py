"""Numbers that change during training, such as weights of objective terms."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from mmjax.errors import ConfigError
from mmjax.schema.annotations import wrong
from mmjax.schema.bounds import Bounds, Count, Fraction
from mmjax.schema.sections import fields_of, match, parse
from mmjax.schema.values import plain


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
    begin: Fraction = 0.0
    end_at: Fraction = 1.0
    periods: Count = 1

    @classmethod
    def of(cls, spec: float | Mapping[str, Any], where: str, file: str = "config") -> "Schedule":
        """The schedule of a config: a number, or a dict with the fields above and `type`.

        Args:
          spec: the number or dict.
          where: path of the key in the config, for messages.
          file: of the config, for messages.

        Raises:
          ConfigError: unknown, missing or impossible fields.
        """
        if not isinstance(spec, Mapping):
            number = parse(float, spec, where, file)
            return cls(float(number), float(number))
        fields = fields_of(cls)
        fields["type"] = (fields["type"][0], fields["start"][1])  # which has to be said
        made = cls(**match(fields, spec, where, file))
        if "periods" in spec and made.type != "harmonic":
            raise ConfigError(f"{file}: {where!r}: 'periods' is for type 'harmonic'")
        if made.type == "step" and "end_at" in spec:
            raise ConfigError(
                f"{file}: {where!r} is a step, which happens at 'begin': leave out 'end_at'"
            )
        if not made.begin < made.end_at:
            raise ConfigError(
                f"{file}: {where!r} needs 0 <= begin < end_at <= 1, shares of the training, but "
                f"has begin={made.begin} and end_at={made.end_at}"
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


@dataclasses.dataclass(frozen=True)
class Scheduled:
    """Annotation of an option that is a number or the dict of a schedule, which it stays.

    Attributes:
      bounds: of the number, and of the ends of the schedule.
    """

    bounds: Bounds = dataclasses.field(default_factory=Bounds)

    def parse(self, value: Any, where: str, file: str) -> Any:
        """The value, checked."""
        value = plain(value)
        made = Schedule.of(value, where, file)
        for key, number in (("start", made.start), ("end", made.end)):
            path = f"{where}.{key}" if isinstance(value, Mapping) else where
            for sentence in wrong(number, Annotated[float, self.bounds], path):
                raise ConfigError(f"{file}: {sentence}")
        return value


ScheduledNonNegative = Annotated[float | dict[str, Any], Scheduled(Bounds(ge=0))]
ScheduledFraction = Annotated[float | dict[str, Any], Scheduled(Bounds(ge=0, le=1))]
