"""Attention over slices of the batch, so that its scores stay in the chip's fast memory.

The scores of a batch are its largest arrays, f32[B, N, T, S], and a TPU that writes them to HBM and
reads them again spends more time on that than on the products: compiled for a v5e, twelve layers
over 197 positions move 56 GiB for 128 images, and 24 GiB in slices of 8, whose scores fit into
VMEM. No score is kept for the backward pass either; each slice computes its own again.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.parallel.layout import rows, shards

SCORES_BYTES = 2**24  # of a slice on one device; a v5e has 128 MiB of VMEM


# Query, key, value and mask.
Operands = tuple[jax.Array, jax.Array, jax.Array, jax.Array | None]


def attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    *,
    mask: jax.Array | None = None,
    causal: bool = False,
    sliced: bool = False,
) -> jax.Array:
    """Softmax(Q K^T / sqrt(H)) V in each of N heads, the softmax in float32.

    Args:
      query: f[B, T, N, H].
      key, value: f[B, S, N, H].
      mask: bool[B, S], False at positions that nothing may attend to.
      causal: position t attends only to positions up to t.
      sliced: by slices of the batch, whose scores the backward pass computes again.

    Returns:
      f[B, T, N, H].
    """
    attend = partial(_attend, causal=causal)
    count = slices(query, key) if sliced else 1
    if count == 1:
        return attend((query, key, value, mask))

    # Slice k has the rows k, k + count, ...: as many of each device, none of which moves.
    def split(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x.reshape(-1, count, *x.shape[1:]), 1, 0)

    @partial(jax.checkpoint, prevent_cse=False)  # a loop's body cannot be merged with another's
    def body(parts: Operands) -> jax.Array:
        return attend(jax.tree.map(rows, parts))

    y = jax.lax.map(body, jax.tree.map(split, (query, key, value, mask)))
    return rows(jnp.moveaxis(y, 0, 1).reshape(query.shape))


def _attend(operands: Operands, *, causal: bool) -> jax.Array:
    query, key, value, mask = operands
    mask = None if mask is None else mask[:, None, None, :]
    return jax.nn.dot_product_attention(query, key, value, mask=mask, is_causal=causal)


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
