"""FLOPs of a traced program, counted from its jaxpr before compilation.

The count is of the global program, on all devices together, and of matrix products and convolutions
alone (the rest is additions by comparison). Loops count as often as they turn.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval

from mmjax.preflight.hlo_cost import window_meetings


def flops(f: Callable[..., Any], *args: Any) -> float:
    """FLOPs of `f(*args)`, of what its results need; the arguments may be shapes.

    Products that nothing reads, such as those of tokens that no head takes, are no work: a compiler
    leaves them out.

    Raises:
      ValueError: for a loop whose number of turns depends on data.
    """
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    needed, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return count(needed)


def count(jaxpr: core.Jaxpr) -> float:
    """FLOPs of a jaxpr: two for each multiplication and addition."""
    return sum((times * product_flops(equation) for equation, times in products(jaxpr)), 0.0)


def products(jaxpr: core.Jaxpr) -> Iterator[tuple[core.JaxprEqn, int]]:
    """Every matrix product and convolution of a jaxpr, with how often it is done.

    Of the branches of a condition, those of the dearest.

    Raises:
      ValueError: for a loop whose number of turns depends on data.
    """
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        times, inside = 1, _inner(params)
        if name in ("dot_general", "conv_general_dilated"):
            yield equation, 1
            continue
        if name == "scan":
            times = params["length"]
        elif name == "while":
            if any(True for _ in products(_open(params["body_jaxpr"]))):
                raise ValueError(
                    "a loop with matrix products runs until its data says so: its FLOPs are not "
                    "known before it runs"
                )
            inside = []
        elif name == "cond":
            inside = [max((_open(branch) for branch in params["branches"]), key=count)]
        elif name == "shard_map":
            # The inner program is one device's.
            times = math.prod(params["mesh"].shape[a] for a in params["newly_manual_axes"])
        elif name == "custom_vjp_call":
            inside = [_open(params["call_jaxpr"])]
        elif name == "pallas_call":
            raise ValueError("a Pallas kernel has no count of its FLOPs")
        for one in inside:
            for product, more in products(one):
                yield product, times * more


def product_flops(equation: core.JaxprEqn) -> float:
    """FLOPs of one matrix product or convolution."""
    return _dot(equation) if equation.primitive.name == "dot_general" else _convolution(equation)


def _inner(params: dict[str, Any]) -> list[core.Jaxpr]:
    return [
        _open(value)
        for value in params.values()
        if hasattr(value, "eqns") or (hasattr(value, "jaxpr") and hasattr(value.jaxpr, "eqns"))
    ]


def _open(jaxpr: Any) -> core.Jaxpr:
    is_open = hasattr(jaxpr, "eqns") and not hasattr(jaxpr, "jaxpr")
    opened: core.Jaxpr = jaxpr if is_open else jaxpr.jaxpr
    return opened


def _shape(variable: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = variable.aval.shape
    return shape


def _dot(equation: core.JaxprEqn) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, out = _shape(equation.invars[0]), _shape(equation.outvars[0])
    return float(2 * math.prod(out) * math.prod(left[axis] for axis in contracted))


def _convolution(equation: core.JaxprEqn) -> float:
    params = equation.params
    lhs_spec, rhs_spec, out_spec = params["dimension_numbers"]
    left, right = map(_shape, equation.invars[:2])
    out = _shape(equation.outvars[0])
    meetings = math.prod(
        window_meetings(left[a], right[b], out[c], stride, pad[0], spread, dilation)
        for a, b, c, stride, pad, spread, dilation in zip(
            lhs_spec[2:],
            rhs_spec[2:],
            out_spec[2:],
            params["window_strides"],
            params["padding"],
            params["lhs_dilation"],
            params["rhs_dilation"],
            strict=True,
        )
    )
    return float(2 * meetings * out[out_spec[0]] * out[out_spec[1]] * right[rhs_spec[1]])
