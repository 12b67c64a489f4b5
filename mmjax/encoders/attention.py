"""Attention whose scores stay in the chip's fast memory.

The scores of a batch are its largest arrays, f32[B, N, T, S], and a chip that writes them to memory
and reads them again spends more time on that than on the products.

On TPUs a kernel of our own keeps them in VMEM where the sequence is short, see `tpu_attention`.

What it does not take goes in slices of the batch, there and on CPUs: compiled for a v5e, twelve
layers over 197 positions move 56 GiB for 128 images, and 24 GiB in slices of 8, whose scores fit
into VMEM. No score is kept for the backward pass either; each slice computes its own again.

On NVIDIA's GPUs cuDNN's fused kernels (flash attention) never write scores, wherever they take the
operands, see `fused`; what they do not take is computed whole, since slices would be too small for
a GPU.
"""

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.encoders import tpu_attention
from mmjax.parallel.layout import device_kind, rows, shards

SCORES_BYTES = 2**24  # of a slice on one device; a v5e has 128 MiB of VMEM
CUDNN: Literal["cudnn", "xla"] = "cudnn"  # jax's name of the kernels
PLAIN = "MMJAX_PLAIN_ATTENTION"  # set to 1, it keeps to the plain formula on GPUs and TPUs
_portable = ContextVar("portable", default=False)


# Query, key, value, mask and random keys.
Operands = tuple[jax.Array, jax.Array, jax.Array, jax.Array | None, jax.Array | None]


def attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    *,
    mask: jax.Array | None = None,
    causal: bool = False,
    sliced: bool = False,
    bias: jax.Array | None = None,
    window: jax.Array | None = None,
    drop: float = 0.0,
    rng: jax.Array | None = None,
) -> jax.Array:
    """Softmax(Q K^T / sqrt(H) + bias) V in each of N heads, the softmax in float32.

    With `drop` it leaves out keys at random before the softmax, which gives their share to the
    others: DropKey, Li et al. 2023 (arXiv 2208.02646). Each head, query and example draws for
    itself; a query that has lost every key keeps them all.

    Args:
      query: f[B, T, N, H].
      key, value: f[B, S, N, H].
      mask: bool[B, S], False at positions that nothing may attend to.
      causal: position t attends only to positions up to t.
      sliced: by slices of the batch, whose scores the backward pass computes again.
      bias: f[N, T, S], added to the scores.
      window: bool[T, S], False where a position may not attend to another.
      drop: the probability with which a key is left out.
      rng: for that, one key or key[B]; None leaves out none.

    Returns:
      f[B, T, N, H].
    """
    attend = partial(_attend, causal=causal, bias=bias, window=window, drop=drop)
    others = window is not None or (rng is not None and drop > 0)
    if on_gpu():
        if not others and fused(query, key, mask=mask, causal=causal, bias=bias):
            return _fused(query, key, value, mask, causal, bias)
        sliced = False
    if on_tpu() and not others and bias is None and tpu_attention.takes(query, key):
        return tpu_attention.short_attention(query, key, value, mask=mask, causal=causal)
    keys = None
    if rng is not None and drop:
        if rng.ndim == 0:
            rng = jax.random.split(rng, len(query))
        keys = jax.random.key_data(rng)
    count = slices(query, key) if sliced else 1
    if count == 1:
        return attend((query, key, value, mask, keys))

    # Slice k has the rows k, k + count, ...: as many of each device, none of which moves.
    def split(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x.reshape(-1, count, *x.shape[1:]), 1, 0)

    @partial(jax.checkpoint, prevent_cse=False)  # a loop's body cannot be merged with another's
    def body(parts: Operands) -> jax.Array:
        return attend(jax.tree.map(rows, parts))

    y = jax.lax.map(body, jax.tree.map(split, (query, key, value, mask, keys)))
    return rows(jnp.moveaxis(y, 0, 1).reshape(query.shape))


def on_gpu() -> bool:
    """Whether programs that are being traced run on NVIDIA's GPUs, and use what only these have."""
    if _plain() or (device_kind() or "").startswith("TPU"):
        return False
    return jax.default_backend() == "gpu" and "rocm" not in jax.devices()[0].client.platform_version


def on_tpu() -> bool:
    """Whether programs that are being traced run on TPUs, here or compiled ahead of time."""
    if _plain():
        return False
    kind = device_kind()
    if kind is None:  # a kernel on several devices has to be told which rows each has
        return jax.default_backend() == "tpu" and jax.device_count() == 1
    return kind.startswith("TPU")


def _plain() -> bool:
    return _portable.get() or os.environ.get(PLAIN, "") not in ("", "0")


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """Programs that are traced within it run on devices of every kind, such as exported ones."""
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


def fused(
    query: jax.Array,
    key: jax.Array,
    *,
    mask: jax.Array | None,
    causal: bool,
    bias: jax.Array | None,
) -> bool:
    """Whether cuDNN's kernels take these operands.

    They are of half precision; heads have at most 128 numbers, a multiple of 8; and a mask comes
    alone, neither with `causal` nor with a bias.
    """
    if query.dtype not in (jnp.bfloat16, jnp.float16):
        return False
    if query.shape[3] > 128 or query.shape[3] % 8:
        return False
    return mask is None or not (causal or bias is not None)


def _fused(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: jax.Array | None,
    causal: bool,
    bias: jax.Array | None,
) -> jax.Array:
    """Attention by cuDNN; a mask becomes the number of keys, of which those there come first.

    Its gradients want even lengths: one more position, which is counted nowhere, makes them so.
    """
    lengths = None
    if mask is not None:
        # A softmax does not know the order of keys. Where none is there, all are: the result means
        # nothing, and is finite.
        mask = mask | ~mask.any(1, keepdims=True)
        order = jnp.argsort(~mask, axis=1, stable=True)[:, :, None, None]
        key, value = (jnp.take_along_axis(x, order, axis=1) for x in (key, value))
        lengths = mask.sum(1, dtype=jnp.int32)
    batch, places, size = len(query), query.shape[1], key.shape[1]
    own, more, others = None, places % 2, size % 2
    if bias is not None:
        bias = jnp.pad(bias, ((0, 0), (0, more), (0, others)))[None].astype(query.dtype)
    if more or others:
        own = jnp.full(batch, places, jnp.int32)
        lengths = jnp.full(batch, size, jnp.int32) if lengths is None else lengths
        query = jnp.pad(query, ((0, 0), (0, more), (0, 0), (0, 0)))
        key, value = (jnp.pad(x, ((0, 0), (0, others), (0, 0), (0, 0))) for x in (key, value))
    found = jax.nn.dot_product_attention(
        query,
        key,
        value,
        bias,
        is_causal=causal,
        query_seq_lengths=own,
        key_value_seq_lengths=lengths,
        implementation=CUDNN,
    )
    return found[:, :places]


def _attend(
    operands: Operands,
    *,
    causal: bool,
    bias: jax.Array | None,
    window: jax.Array | None,
    drop: float,
) -> jax.Array:
    query, key, value, mask, keys = operands
    mask = None if mask is None else mask[:, None, None, :]
    if window is not None:
        mask = window[None, None] if mask is None else mask & window
    bias = None if bias is None else bias[None]
    if keys is not None:
        shape = (query.shape[2], query.shape[1], key.shape[1])  # N T S
        seen = jnp.ones((1, 1, *shape[1:]), bool) if mask is None else mask
        if causal:
            seen = seen & jnp.tril(jnp.ones(shape[1:], bool))
        kept = jax.vmap(lambda own: jax.random.bernoulli(own, 1 - drop, shape))(
            jax.random.wrap_key_data(keys)
        )
        mask = jnp.where((seen & kept).any(-1, keepdims=True), seen & kept, seen)
    return jax.nn.dot_product_attention(query, key, value, bias, mask, is_causal=causal)


def slices(query: jax.Array, key: jax.Array) -> int:
    """Into how many equal slices a batch goes, so that each has at most `SCORES_BYTES` of scores.

    1 where the batch does not divide over the devices of the mesh in context.
    """
    batch, length, heads, _ = query.shape
    devices = shards()
    if batch == 0 or batch % devices:
        return 1
    here = batch // devices
    most = max(1, SCORES_BYTES // (4 * heads * length * key.shape[1]))
    sizes = np.arange(1, min(most, here) + 1)
    return here // int(sizes[here % sizes == 0].max())
