"""Embeddings of a batch, and of past batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmjax.encoders.base import Encoding


class Quantized(NamedTuple):
    """What a quantizing head made of B examples (`mmjax.model.quantizers`).

    Attributes:
      continuous: f32[B, D], z, before quantization; f32[B, T, D] of a head that takes tokens.
      nearest: as large, e, the code of z; with a gradient to the table where there is one.
    """

    continuous: jax.Array
    nearest: jax.Array


class Hidden(NamedTuple):
    """What a device augmentation hid of B examples (`mmjax.model.patch_masking`).

    Attributes:
      values: f32[B, N, P], the P numbers of each of N patches before they were hidden.
      hidden: bool[B, N], which patches were.
      turn: i32[B], by how many quarter turns each example was turned; None where none is.
    """

    values: jax.Array
    hidden: jax.Array
    turn: jax.Array | None = None


class Embedding(NamedTuple):
    """B examples of one modality in the joint space.

    Attributes:
      raw: f32[B, D], the output of the head.
      unit: f32[B, D], `raw` divided by its L2 norm.
      encoding: what the encoder gave; None where only embeddings were kept.
      tokens: f32[B, T, D], the encoding's tokens through the same head, divided by their norms;
        None where the head does not take them.
      heads: name -> Embedding, by the tower's further heads; each with this encoding, or with the
        level of it that the head takes.
      targets: what the tower's augmentation hid: of tokens their ids, i32[B, T] or i32[B, S, W], -1
        elsewhere (`mmjax.model.masking`); of patches a `Hidden`; None where nothing is hidden.
      quantized: of a head that quantizes, whose `raw` is the code of each example, or the mean of
        the codes of its tokens.
    """

    raw: jax.Array
    unit: jax.Array
    encoding: Encoding | None = None
    tokens: jax.Array | None = None
    heads: Mapping[str, Embedding] | None = None
    targets: jax.Array | Hidden | None = None
    quantized: Quantized | None = None


class Keys(NamedTuple):
    """The last S batches' embeddings of one view; no gradient.

    Attributes:
      unit: f32[B, S, D], unit vectors, or 0 where a slot is not filled.
      valid: bool[B, S], which of them may be used.
      id: i[B, S], ids of the examples.
    """

    unit: jax.Array
    valid: jax.Array
    id: jax.Array


class Gallery(NamedTuple):
    """The embedded entries of a gallery (`mmjax.data.galleries`), which are no rows of the batch.

    Attributes:
      embedding: of N entries, as many as the devices can share.
      id: i32[N], of the entries: values of a label, or ids of records.
      valid: bool[N], which are entries; the others fill N up.
      weight: f32[N], at least 0, where the gallery has weights; 0 of what fills N up.
    """

    embedding: Embedding
    id: jax.Array
    valid: jax.Array
    weight: jax.Array | None = None


def unit_norm(x: jax.Array, eps: float = 1e-6) -> jax.Array:
    """x / max(|x|, eps) over the last axis, f[..., D] -> f32[..., D].

    A zero vector stays zero, and its gradient is finite: plain x / |x| gives NaN for both.
    """
    x = x.astype(jnp.float32)
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    # The maximum is taken before the root, whose derivative at 0 is infinite.
    return x * jax.lax.rsqrt(jnp.maximum(square, eps * eps))
