"""Transformers over signals: ECG, motion, inertial sensors, skeletons, any channels over time.

A signal is f[B, T, C], or f[B, C, T] with `channels_first=True`, as ECGs are kept. What was not
measured is NaN: a lead that an example lacks, a gap, and what follows the end of a signal that is
shorter than the others of its batch. Settings after published models:

    MoRE's ECG tower (arXiv 2410.16239)   channels=12, channels_first=True, length=1000, patch=5,
                                          stem='conv', pool='cls' at the size of ViT-B
    IMU of 5 s at 200 Hz                  channels=6, length=1000, patch=16
"""

from __future__ import annotations

from typing import Any, Literal, Unpack

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import layer_norm
from mmjax.encoders.patches import PatchTransformer, Pool, Positions
from mmjax.encoders.residual import convolution, masked
from mmjax.encoders.stems import PatchStem
from mmjax.encoders.transformer_config import TransformerOptions
from mmjax.schema.bounds import BelowOne, Count, NonNegative

StemKind = Literal["patch", "conv"]


def time_first(x: jax.Array, channels: int, channels_first: bool) -> jax.Array:
    """Signals as f[B, T, C]; EncoderError for another shape than the encoder was built for."""
    axis = 1 if channels_first else 2
    if x.ndim != 3 or x.shape[axis] != channels:
        expected = f"[B, {channels}, T]" if channels_first else f"[B, T, {channels}]"
        raise EncoderError(f"signals of shape {x.shape} where {expected} is expected")
    return x.transpose(0, 2, 1) if channels_first else x


class SignalConvStem(nnx.Module):
    """Two convolutions, each with ReLU and layer norm, f[B, T, C] -> f[B, T/p - 4, width].

    The first maps patches of p samples to width / 3 channels, the second, of kernel 5 and without
    padding, maps these to `width`: the ECG stem of MoRE (arXiv 2410.16239), whose 1,000 samples in
    patches of 5 become the 196 tokens of a ViT's 14 x 14 image, with layer norm over the channels
    in place of batch norm.
    """

    KERNEL = 5

    def __init__(
        self, *, patch: int, channels: int, width: int, eps: float, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        hidden = max(1, width // 3)
        self.patches = PatchStem(
            patch=(patch,),
            channels=channels,
            width=hidden,
            bias=True,
            init=nnx.initializers.he_normal(),
            dtype=dtype,
            rngs=rngs,
        )
        self.conv = convolution(self.KERNEL, hidden, width, dims=1, dtype=dtype, rngs=rngs)
        self.norms = nnx.List(
            layer_norm(size, eps=eps, dtype=dtype, rngs=rngs) for size in (hidden, width)
        )

    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        """f[B, T, C] and which patches are there, bool[B, T/p] -> features and their mask."""
        y = masked(self.norms[0](jax.nn.relu(self.patches(x))), mask[:, :, None])
        # The convolution pads; what it makes of its padding is cut off.
        half = self.KERNEL // 2
        y = self.norms[1](jax.nn.relu(self.conv(y)))[:, half:-half]
        # There is what sees nothing but patches that are; of a signal of few patches, the first.
        last = mask[:, 2 * half :]
        return y, last.at[:, 0].set(mask[:, 0])


class SignalTransformer(PatchTransformer):
    """A transformer over signals, f[B, T, C] -> pooled f[B, W], tokens f[B, N, W], mask bool[B, N].

    Tokens are a class token (only with `pool='cls'`) and the patches in the order of time, after
    the final layer norm. A patch that is all NaN takes part in no attention and no pooling; single
    missing values, and those of a missing channel, are 0.

    Args:
      channels: C; 12 leads, 6 axes of an inertial sensor, 3 x joints of a skeleton.
      length: the longest signal in samples; a shorter one is fine. With `sincos`, so is any.
      channels_first: the input is f[B, C, T].
      patch: samples a patch.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pool: `cls` a class token; `mean` of the patches; `map` attention pooling by a learned probe.
      positions: `learned`, one vector for each patch and for the class token; or `sincos`, fixed.
      stem: `patch`, a linear map of each patch, or `conv`, see `SignalConvStem`.
      patch_dropout: part of the patches left out of each training signal.
      activation, bias, eps, dropout, drop_path, layer_scale, init, scan, remat: see `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        channels: Count = 12,
        length: Count = 1000,
        channels_first: bool = False,
        patch: Count = 16,
        pool: Pool = "mean",
        positions: Positions = "learned",
        stem: StemKind = "patch",
        patch_dropout: BelowOne = 0.0,
        bias: bool = True,
        layer_scale: NonNegative | None = None,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        check_positive(length=length, patch=patch)
        check_choice("stem", stem, StemKind)
        self.conv = stem == "conv"
        patches = -(-length // patch)
        lost = SignalConvStem.KERNEL - 1 if self.conv else 0
        if patches <= lost:
            raise EncoderError(
                f"length={length} is {patches} patches of patch={patch}, and stem='conv' needs "
                f"more than {lost}"
            )
        super().__init__(
            size=((patches - lost) * patch,),
            patch=(patch,),
            channels=channels,
            pool=pool,
            positions=positions,
            padded=True,
            patch_dropout=patch_dropout,
            bias=bias,
            layer_scale=layer_scale,
            dtype=dtype,
            rngs=rngs,
            **transformer,
        )
        self.size, self.channels_first = (patches * patch,), channels_first
        if self.conv:
            self.stem = SignalConvStem(
                patch=patch,
                channels=channels,
                width=self.width,
                eps=self.transformer_defaults.of(transformer).eps,
                dtype=dtype,
                rngs=rngs,
            )

    def __call__(self, x: jax.Array, **options: Any) -> Encoding:
        """Encodes signals f[B, T, C] (or f[B, C, T]); `options` are those of `PatchTransformer`."""
        return super().__call__(time_first(x, self.channels, self.channels_first), **options)

    def _embed(self, x: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        if not self.conv:
            return super()._embed(x)
        self._check(x)
        x, mask = self._fill(x)
        if mask.shape[1] < SignalConvStem.KERNEL:
            raise EncoderError(
                f"signals of {x.shape[1]} samples are too short for stem='conv' with "
                f"patch={self.patches[0]}"
            )
        y, mask = self.stem(x.astype(self.dtype), mask)
        return self._located(y, y.shape[1:-1]), mask
