"""PointNet, for point clouds: an MLP on every point and a maximum over all of them.

Qi et al. 2017, "PointNet", arXiv 1612.00593, equation 1 and figure 2, without its two alignment
networks (the paper's table 5 has 87.1 % without and 89.2 % with them) and with layer norm in place
of batch norm, so that neither padding nor the rest of the batch changes what a cloud becomes.

    small      widths=(64, 128), hidden=(), width=128
    PointNet   widths=(64, 64, 64, 128, 1024), hidden=(512,), width=256
"""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.layers import dropout, dropout_key, layer_norm
from mmjax.schema.bounds import BelowOne, Count


class PointNet(Encoder):
    """PointNet, a network over point clouds, f[B, N, C] -> pooled f[B, W], tokens f[B, N, W].

    The first three of C numbers are the place of a point, further ones what is known of it, such as
    its colour. A point that holds NaN is not there: it is masked, so clouds of any number of points
    share a batch. The order of the points does not matter.

    Each point goes through `widths` (linear, layer norm, ReLU); the largest value of each channel
    goes through `hidden` to `width`. Tokens are what the last layers make of a single point.

    Args:
      channels: C, at least 3.
      widths: of the layers on every point.
      hidden: of the layers on the cloud, before the last.
      width: W, the size of the output.
      dropout: rate before the last layer (0.3 in the paper).
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        channels: Count = 3,
        widths: tuple[Count, ...] = (64, 64, 64, 128, 1024),
        hidden: tuple[Count, ...] = (512,),
        width: Count = 256,
        dropout: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(width=width)
        check_rate("dropout", dropout)
        if channels < 3:
            raise EncoderError(f"channels={channels}: a point has three coordinates at least")
        if not widths or min(*widths, *hidden, 1) < 1:
            raise EncoderError(
                f"widths={tuple(widths)} and hidden={tuple(hidden)}: at least one layer on the "
                "points, and at least 1 unit in every layer"
            )
        self.channels, self.width, self.dropout, self.dtype = channels, width, dropout, dtype

        def linear(a: int, b: int) -> nnx.Linear:
            return nnx.Linear(
                a, b, kernel_init=nnx.initializers.he_normal(), dtype=dtype, rngs=rngs
            )

        def norms(sizes: tuple[int, ...]) -> nnx.List[nnx.LayerNorm]:
            return nnx.List(layer_norm(w, eps=1e-6, dtype=dtype, rngs=rngs) for w in sizes)

        self.points = nnx.List(linear(a, b) for a, b in pairwise((channels, *widths)))
        self.point_norms = norms(widths)
        self.layers = nnx.List(linear(a, b) for a, b in pairwise((widths[-1], *hidden)))
        self.norms = norms(hidden)
        self.last = linear((widths[-1], *hidden)[-1], width)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes clouds f[B, N, C]; see `mmjax.encoders.base`."""
        if x.ndim != 3 or x.shape[2] != self.channels:
            raise EncoderError(
                f"point clouds of shape {x.shape} where [B, N, {self.channels}] is expected"
            )
        mask = ~jnp.isnan(x).any(axis=-1)
        y = jnp.where(mask[:, :, None], x, 0).astype(self.dtype)
        for layer, norm in zip(self.points, self.point_norms, strict=True):
            y = jax.nn.relu(norm(layer(y)))
        key = dropout_key(rngs, train, self.dropout)
        pooled = self._top(pooling.largest(y, mask), key)
        return Encoding(pooled, self._top(y, None), mask)

    def _top(self, y: jax.Array, key: jax.Array | None) -> jax.Array:
        """The layers on the cloud, f[..., widths[-1]] -> f[..., W]."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            y = jax.nn.relu(norm(layer(y)))
        return self.last(dropout(y, self.dropout, key))
