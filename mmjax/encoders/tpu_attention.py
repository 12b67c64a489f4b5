"""Attention of short sequences on TPUs, whose scores never leave the chip's vector memory (VMEM).

A Pallas kernel for one example and some of its heads: it reads queries, keys and values once and
writes the result once. The backward pass computes the weights again, as FlashAttention does
(Dao et al. 2022, arXiv 2205.14135, appendix B): with P the weights, O = P V and D the sum of
dO * O over a head,

  dV = P^T dO;  dS = P * (dO V^T - D);  dQ = dS K / sqrt(H);  dK = dS^T Q / sqrt(H).

All keys of a head are looked at in one go, which is what makes it short: no running sums.

Heads stay where the layers around them have them, side by side in the last axis. The matrix unit
works on 128 lanes, so that heads of 64 numbers share a register with their neighbour: products are
over all 128 lanes, of operands in which the neighbour's are zero. That costs what padding a head
to 128 lanes would, and neither transposes nor pads an array in HBM.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.sharding import PartitionSpec

from mmjax.parallel.layout import batch_axes, shards

LANES = 128
VMEM_BYTES = 11 * 2**20  # of a kernel; compilers allow 16 MiB and have needs of their own
SCORES = 6  # arrays of f32[T, S] that the backward pass holds at once
BLOCKS = 7  # arrays of f[T or S, W] that it reads and writes, each twice to overlap with copies
OUT = -1e30  # a score of what is not seen


def takes(query: jax.Array, key: jax.Array) -> bool:
    """Whether the kernel takes these operands, f[B, T, N, H] and f[B, S, N, H].

    Heads have 32, 64 or 128 numbers and fill whole registers; there is more than one query, and
    the scores of a head fit into VMEM; the batch divides over the devices of the mesh in context,
    which splits nothing else.
    """
    batch, places, heads, size = query.shape
    if query.dtype not in (jnp.bfloat16, jnp.float32) or size not in (32, 64, LANES):
        return False
    if heads * size % LANES or places < 2 or not batch or batch % shards():
        return False
    mesh = jax.sharding.get_abstract_mesh()
    if math.prod(mesh.shape.values()) not in (1, shards()):
        return False
    return _groups(query.dtype, places, key.shape[1], heads * size) > 0


def short_attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    *,
    mask: jax.Array | None = None,
    causal: bool = False,
    interpret: bool = False,
) -> jax.Array:
    """Softmax(Q K^T / sqrt(H)) V of each head, the softmax in float32, of operands it `takes`.

    Args:
      query: f[B, T, N, H].
      key, value: f[B, S, N, H].
      mask: bool[B, S], False at positions that nothing may attend to; where nothing is left, the
        result is the mean of all values, or of those up to the position.
      causal: position t attends only to positions up to t.
      interpret: run by the interpreter, on any device.

    Returns:
      f[B, T, N, H].
    """
    how = How(query.shape[-1], causal, interpret)
    q, k, v = (x.reshape(*x.shape[:2], -1) for x in (query, key, value))
    told = None if mask is None else mask[:, None].astype(jnp.int32)
    return _attention((q, k, v), told, how).reshape(query.shape)


class How(NamedTuple):
    """What decides the kernels besides shapes: numbers of a head, causality, the interpreter."""

    size: int
    causal: bool
    interpret: bool


Operands = tuple[jax.Array, jax.Array, jax.Array]  # query, key and value, heads side by side


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _attention(operands: Operands, mask: jax.Array | None, how: How) -> jax.Array:
    (found,) = _run(_forward, 1, operands, mask, how)
    return found


def _start(
    operands: Operands, mask: jax.Array | None, how: How
) -> tuple[jax.Array, tuple[Operands, jax.Array | None]]:
    return _attention(operands, mask, how), (operands, mask)


def _gradients(
    how: How, kept: tuple[Operands, jax.Array | None], gradient: jax.Array
) -> tuple[Operands, None]:
    operands, mask = kept
    query, key, value = _run(_backward, 3, (*operands, gradient), mask, how)
    return (query, key, value), None


_attention.defvjp(_start, _gradients)


# --- calls ---------------------------------------------------------------------------------------


def _groups(dtype: Any, places: int, others: int, width: int) -> int:
    """Of how many registers of 128 lanes one call has the heads; 0 where one is too many."""
    rows = -(-max(places, others) // 16) * 16
    scores = SCORES * 4 * (-(-places // 8) * 8) * (-(-others // LANES) * LANES)
    of_one = 2 * BLOCKS * rows * LANES * jnp.dtype(dtype).itemsize
    whole = width // LANES
    most = (VMEM_BYTES - scores) // of_one
    return max((n for n in range(1, whole + 1) if whole % n == 0 and n <= most), default=0)


def _run(
    kernel: Callable[..., None],
    outputs: int,
    operands: Sequence[jax.Array],
    mask: jax.Array | None,
    how: How,
) -> list[jax.Array]:
    """The kernel's results, shaped as the first operands; each device has rows of its own."""
    masked = mask is not None

    def on_one(*given: jax.Array) -> list[jax.Array]:
        arrays = given[int(masked) :]
        (batch, places, width), others = arrays[0].shape, arrays[1].shape[1]
        lanes = LANES * _groups(arrays[0].dtype, places, others, width)

        def block(x: jax.Array) -> pl.BlockSpec:
            return pl.BlockSpec((1, x.shape[1], lanes), lambda row, group: (row, 0, group))

        mask_of_row = pl.BlockSpec((1, 1, others), lambda row, group: (row, 0, 0))
        alike = arrays[:outputs]  # of what the results are shaped like
        products = 2 if outputs == 1 else 5  # of the formula, and of its gradients
        scores = batch * width // how.size * places * others
        call = pl.pallas_call(
            partial(kernel, size=how.size, causal=how.causal, masked=masked),
            grid=(batch, width // lanes),
            in_specs=[*([mask_of_row] if masked else []), *map(block, arrays)],
            out_specs=[block(x) for x in alike],
            out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in alike],
            cost_estimate=pl.CostEstimate(
                # As the plain formula's are counted: of the heads' own numbers. Both leave a part
                # of the matrix unit idle where a head has fewer than it has lanes.
                flops=2 * products * scores * how.size,
                transcendentals=scores,
                bytes_accessed=sum(x.size * x.dtype.itemsize for x in (*arrays, *alike)),
            ),
            interpret=how.interpret,
            name=f"short_attention{kernel.__name__}",
        )
        result: list[jax.Array] = call(*given)
        return result

    axes = batch_axes()
    run: Callable[..., list[jax.Array]] = on_one
    if axes:
        rows = PartitionSpec(axes)
        run = jax.shard_map(on_one, in_specs=rows, out_specs=rows, check_vma=False)
    return run(*(() if mask is None else (mask,)), *operands)


# --- kernels -------------------------------------------------------------------------------------


def _product(a: jax.Array, b: jax.Array, over: tuple[int, int]) -> jax.Array:
    """Their product over one axis of each, summed in float32."""
    contracted = (((over[0],), (over[1],)), ((), ()))
    return jax.lax.dot_general(a, b, contracted, preferred_element_type=jnp.float32)


def _own(x: jax.Array, head: int, size: int) -> jax.Array:
    """f[T, 128] of which only the lanes of one head are left."""
    if size == LANES:
        return x
    lane = jax.lax.broadcasted_iota(jnp.int32, x.shape, 1)
    return jnp.where((lane >= head * size) & (lane < (head + 1) * size), x, jnp.zeros_like(x))


def _seen(mask: jax.Array | None, shape: tuple[int, int], causal: bool) -> jax.Array | None:
    """bool[T, S] of what may be attended to; None for everything."""
    seen = None if mask is None else jnp.broadcast_to(mask != 0, shape)
    if causal:
        place, other = (jax.lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 1))
        seen = place >= other if seen is None else seen & (place >= other)
    return seen


def _weights(query: jax.Array, key: jax.Array, size: int, seen: jax.Array | None) -> jax.Array:
    scores = _product(query, key, (1, 1)) * size**-0.5
    if seen is not None:
        scores = jnp.where(seen, scores, OUT)
    weights = jnp.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def _parts(refs: Sequence[Any], masked: bool, inputs: int) -> tuple[Any, list[Any], list[Any]]:
    """The mask of a row, i32[1, S], or None; references of inputs, and of outputs."""
    mask, rest = (refs[0][0], refs[1:]) if masked else (None, refs)
    return mask, list(rest[:inputs]), list(rest[inputs:])


def _forward(*refs: Any, size: int, causal: bool, masked: bool) -> None:
    mask, inputs, (output,) = _parts(refs, masked, 3)
    query, key, _ = inputs
    seen = _seen(mask, (query.shape[1], key.shape[1]), causal)
    for start in range(0, query.shape[2], LANES):
        lanes = slice(start, start + LANES)
        q, k, v = (each[0, :, lanes] for each in inputs)
        total = jnp.zeros(q.shape, jnp.float32)
        for head in range(LANES // size):
            weights = _weights(_own(q, head, size), k, size, seen).astype(v.dtype)
            total += _product(weights, _own(v, head, size), (1, 0))
        output[0, :, lanes] = total.astype(output.dtype)


def _backward(*refs: Any, size: int, causal: bool, masked: bool) -> None:
    mask, inputs, outputs = _parts(refs, masked, 4)
    query, key, *_ = inputs
    seen = _seen(mask, (query.shape[1], key.shape[1]), causal)
    for start in range(0, query.shape[2], LANES):
        lanes = slice(start, start + LANES)
        q, k, v, g = (each[0, :, lanes] for each in inputs)
        totals = [jnp.zeros(x.shape, jnp.float32) for x in (q, k, v)]
        for head in range(LANES // size):
            own_q, own_g = _own(q, head, size), _own(g, head, size)
            weights = _weights(own_q, k, size, seen)
            slope = _product(own_g, v, (1, 1))
            slope = weights * (slope - (slope * weights).sum(-1, keepdims=True))
            if seen is not None:
                slope = jnp.where(seen, slope, 0)
            slope = (slope * size**-0.5).astype(q.dtype)
            totals[0] += _product(slope, _own(k, head, size), (1, 0))
            totals[1] += _product(slope, own_q, (0, 0))
            totals[2] += _product(weights.astype(v.dtype), own_g, (0, 0))
        for output, total in zip(outputs, totals, strict=True):
            output[0, :, lanes] = total.astype(output.dtype)
