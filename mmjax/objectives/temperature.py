"""The scale of similarities: 1 / temperature, learned or fixed."""

import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.errors import TermError

Form = Literal["log_scale", "temperature"]

# Path below a term of the parameter of a learned temperature.
LOG_SCALE = "temperature/log_scale"


class Temperature(nnx.Module):
    """The factor 1/τ on similarities, parametrised by its logarithm.

    The parameter is held between the logarithms of `min_scale` and `max_scale`: outside, the bound
    is used, and a gradient that would push the parameter further out is dropped, while one that
    leads back is kept. This is the clamping after each step of CLIP (Radford et al. 2021, section
    2.5) written as a function.

    Args:
      temperature: τ at the start, > 0; or the name of another term, whose τ it is, and then all
        else means nothing.
      learned: whether it trains; otherwise it is a constant of the program and no parameter.
      max_scale: largest 1/τ, or None.
      min_scale: smallest 1/τ, or None.
      form: what the parameter is, `log_scale`, ln 1/τ, or `temperature`, τ itself as in ALIGN (Jia
        et al. 2021, arXiv 2102.05918); the latter needs `max_scale`, for nothing else keeps it from
        0.
    """

    def __init__(
        self,
        temperature: float | str,
        *,
        learned: bool,
        max_scale: float | None = None,
        min_scale: float | None = None,
        form: Form = "log_scale",
    ):
        self.other = temperature if isinstance(temperature, str) else None
        if isinstance(temperature, str):
            return
        if form == "temperature" and learned and max_scale is None:
            raise TermError("A learned temperature that is the parameter itself needs a max_scale.")
        if not temperature > 0:
            raise TermError(f"A temperature has to be positive, but is {temperature}.")
        low = -math.inf if min_scale is None else _log(min_scale, "min_scale")
        high = math.inf if max_scale is None else _log(max_scale, "max_scale")
        start = -math.log(temperature)
        # A rounding error is no contradiction: 1 / 0.01 is 100.00000000000001 in some notations.
        if learned and not low - 1e-6 <= start <= high + 1e-6:
            raise TermError(
                f"temperature={temperature} means a scale of {1 / temperature:g}, outside of "
                f"min_scale={min_scale} and max_scale={max_scale}."
            )
        self.bounds = (low, high)
        self.fixed = None if learned else 1.0 / temperature
        self.form = form
        if learned and form == "log_scale":
            self.log_scale = nnx.Param(jnp.float32(start))
        elif learned:
            self.value = nnx.Param(jnp.float32(temperature))

    def log(self) -> jax.Array:
        """The logarithm of the scale, ln 1/τ, an f32 scalar."""
        if self.fixed is not None:
            return jnp.asarray(math.log(self.fixed), jnp.float32)
        if self.form == "log_scale":
            held: jax.Array = _hold(self.log_scale[...], *self.bounds)
            return held
        return jnp.log(self())

    def scale(self, term: str, scales: Mapping[str, jax.Array]) -> jax.Array:
        """The scale 1/τ, an f32 scalar, its own or that of the term that it names.

        Args:
          term: the one that asks, for messages.
          scales: of the context.
        """
        return self() if self.other is None else scale_of(term, self.other, scales)

    def __call__(self) -> jax.Array:
        """The scale 1/τ, an f32 scalar, of one that is not another term's."""
        if self.fixed is not None:
            return jnp.asarray(self.fixed, jnp.float32)
        if self.form == "log_scale":
            return jnp.exp(_hold(self.log_scale[...], *self.bounds))
        low, high = (math.exp(-bound) for bound in reversed(self.bounds))
        temperature: jax.Array = _hold(self.value[...], low, high)
        return 1.0 / temperature


def scale_of(term: str, other: str, scales: Mapping[str, jax.Array]) -> jax.Array:
    """The scale of another term of the recipe, for a term that has none of its own.

    Args:
      term: the one that asks, for messages.
      other: the name of the one that has it.
      scales: of the context.

    Raises:
      TermError: when the recipe has no such term, or it has no temperature.
    """
    if other not in scales:
        raise TermError(
            f"The term {term!r} takes the temperature of {other!r}, which is no term with one; "
            f"there are {', '.join(map(repr, sorted(scales))) or 'none'}."
        )
    return scales[other]


def _log(scale: float, name: str) -> float:
    if not scale > 0:
        raise TermError(f"{name} has to be positive, but is {scale}.")
    return math.log(scale)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _hold(x: jax.Array, low: float, high: float) -> jax.Array:
    """`clip(x, low, high)` with the gradient of x wherever descent leads inwards."""
    return jnp.clip(x, low, high)


def _hold_forward(x: jax.Array, low: float, high: float) -> tuple[jax.Array, jax.Array]:
    return jnp.clip(x, low, high), x


def _hold_backward(low: float, high: float, x: jax.Array, g: jax.Array) -> tuple[jax.Array]:
    outwards = ((x >= high) & (g < 0)) | ((x <= low) & (g > 0))
    return (jnp.where(outwards, 0.0, g),)


_hold.defvjp(_hold_forward, _hold_backward)
