"""Matrix products of linear layers, in the shape that is fastest on the device."""

from typing import Any

import jax

from mmjax.parallel.layout import device_kind


def linear_product(
    x: jax.Array, kernel: jax.Array, dimension_numbers: Any, **options: Any
) -> jax.Array:
    """`jax.lax.dot_general` of f[..., I] and f[I, O], for `nnx.Linear(dot_general=...)`.

    On a CPU the rows of all leading axes become one axis first. Otherwise the kernel's gradient is
    a product over two axes, batch and position, for which XLA's CPU compiler writes the cotangent
    out once more, transposed: a twentieth of a CLIP step. A TPU does such products as they are, and
    would have to move the rows, since it pads positions to its tiles.

    Where the step runs is known from the mesh in context; without one nothing is changed.
    """
    over_last = dimension_numbers == (((x.ndim - 1,), (0,)), ((), ()))
    if not (over_last and x.ndim > 2 and kernel.ndim == 2 and device_kind() == "cpu"):
        return jax.lax.dot_general(x, kernel, dimension_numbers, **options)
    rows = x.reshape(-1, x.shape[-1])
    y = jax.lax.dot_general(rows, kernel, (((1,), (0,)), ((), ())), **options)
    return y.reshape(*x.shape[:-1], -1)
