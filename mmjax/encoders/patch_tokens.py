"""Patches as they are: a linear layer on each, the stem of a trunk."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding
from mmjax.encoders.initializers import initialization
from mmjax.encoders.stems import PatchStem, cut
from mmjax.schema.bounds import Count


class PatchTokens(Encoder):
    """Patches through one linear layer, f[B, S1, ..., Sn, C] -> tokens f[B, T, W], pooled f[B, W].

    Images [B, H, W, C] in squares, clips [B, T, H, W, C] in tubelets, signals and spectrograms
    [B, T, C] in runs of samples. What is missing, NaN or behind the end of the last patch, is 0; a
    patch that is all missing is masked. It is what a vision transformer begins with (Dosovitskiy et
    al. 2021, arXiv 2010.11929), for the encoder `trunk_tokens`, which has the blocks and positions;
    and with a stride, what forecasts of series do (Nie et al. 2023, PatchTST, arXiv 2211.14730).

    Args:
      patch: (p1, ..., pn), as many as the input has axes beside its channels.
      stride: from the beginning of one patch to that of the next along each axis, at most `patch`,
        so that there are S / stride patches, rounded up; `patch` where None.
      channels: C.
      width: W.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        patch: tuple[Count, ...],
        stride: tuple[Count, ...] | None = None,
        channels: Count = 3,
        width: Count,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if not patch:
            raise EncoderError("patch=() has no axis: give the size of a patch along each")
        self.patch, self.channels, self.width, self.dtype = tuple(patch), channels, width, dtype
        self.stride = self.patch if stride is None else tuple(stride)
        if len(self.stride) != len(patch) or any(
            s > p for s, p in zip(self.stride, self.patch, strict=True)
        ):
            raise EncoderError(
                f"stride={stride} should be a number for each axis of patch={self.patch}, at most "
                "its own"
            )
        self.stem = PatchStem(
            patch=self.patch,
            channels=channels,
            width=width,
            bias=True,
            init=initialization("trunc_normal", width=width, depth=1).patch,
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, S1, ..., Sn, C]; see `mmjax.encoders.base`."""
        if x.ndim != len(self.patch) + 2 or x.shape[-1] != self.channels:
            axes = ", ".join(f"S{i + 1}" for i in range(len(self.patch)))
            raise EncoderError(
                f"inputs of shape {x.shape} where [B, {axes}, {self.channels}] is expected"
            )
        behind = [
            (0, -size % s + p - s)
            for size, s, p in zip(x.shape[1:-1], self.stride, self.patch, strict=True)
        ]
        x = jnp.pad(x, ((0, 0), *behind, (0, 0)), constant_values=jnp.nan)
        for axis, (s, p) in enumerate(zip(self.stride, self.patch, strict=True), 1):
            if s < p:  # each patch with what it shares with its neighbours, one behind the other
                starts = jnp.arange(0, x.shape[axis] - p + 1, s)
                x = jnp.take(x, (starts[:, None] + jnp.arange(p)).reshape(-1), axis=axis)
        there = ~jnp.isnan(x)
        mask = cut(there, self.patch).any(axis=-1).reshape(x.shape[0], -1)
        tokens = self.stem(jnp.where(there, x, 0).astype(self.dtype))
        tokens = tokens.reshape(x.shape[0], -1, self.width)
        return Encoding(pooling.mean(tokens, mask), tokens, mask)
