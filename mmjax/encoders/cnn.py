"""A plain convolutional network for small images, of a few strided convolutions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.schema.bounds import Count


class ConvNet(Encoder):
    """Strided convolutions with ReLU, f[B, H, W, C] -> pooled f[B, width].

    `pooled` is one linear layer and, unless `linear`, a ReLU of the last map, position by position
    side by side, as in the networks before global pooling (LeCun et al. 1998): it knows what is
    where, and a few steps teach it, which a small network with pooling needs many more for. With
    `tokens` every position of the last map is brought to `width`, too, by one linear layer and a
    ReLU that all positions share: tokens f[B, H/s * W/s, width], row by row, s = 2 ** len(widths).
    Kernels are He-normal, biases zero.

    Args:
      image_size: (height, width) in pixels, divisible by s.
      channels: C, of the image.
      widths: channels of the convolutions, each of which halves the resolution.
      kernels: sides of the convolutions' kernels; 3 for each where None.
      linear: whether `pooled` has no ReLU, as a representation of few numbers should not.
      width: of `pooled`.
      tokens: whether there are tokens.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        image_size: tuple[Count, Count] = (16, 16),
        channels: Count = 3,
        widths: tuple[Count, ...] = (16, 32),
        kernels: tuple[Count, ...] | None = None,
        linear: bool = False,
        width: Count = 128,
        tokens: bool = False,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(channels=channels, width=width)
        if not widths or min(widths) < 1:
            raise EncoderError(f"widths={tuple(widths)}: at least one convolution is needed")
        kernels = (3,) * len(widths) if kernels is None else kernels
        if len(kernels) != len(widths) or min(kernels) < 1:
            raise EncoderError(f"kernels={kernels}: a side for each of {len(widths)} convolutions")
        stride = 2 ** len(widths)
        if any(side < 1 or side % stride for side in image_size):
            raise EncoderError(
                f"image_size={tuple(image_size)} is not divisible by {stride}, the stride of "
                f"{len(widths)} convolutions"
            )
        self.image_size, self.channels = tuple(image_size), channels
        self.width, self.linear, self.dtype = width, linear, dtype
        he = nnx.initializers.he_normal()
        common: dict[str, Any] = {"kernel_init": he, "dtype": dtype, "rngs": rngs}
        self.convolutions = nnx.List(
            nnx.Conv(a, b, (side, side), strides=2, padding="SAME", **common)
            for (a, b), side in zip(pairwise((channels, *widths)), kernels, strict=True)
        )
        positions = (image_size[0] // stride) * (image_size[1] // stride)
        self.dense = nnx.Linear(positions * widths[-1], width, **common)
        self.per_token = nnx.Linear(widths[-1], width, **common) if tokens else None

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes images f[B, H, W, C]; see `mmjax.encoders.base`."""
        if x.ndim != 4 or x.shape[1:] != (*self.image_size, self.channels):
            raise EncoderError(
                f"images of shape {x.shape} where [B, {self.image_size[0]}, {self.image_size[1]}, "
                f"{self.channels}] is expected"
            )
        x = x.astype(self.dtype)
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x))
        positions = x.reshape(len(x), -1, x.shape[-1])
        pooled = self.dense(positions.reshape(len(x), -1))
        pooled = pooled if self.linear else jax.nn.relu(pooled)
        if self.per_token is None:
            return Encoding(pooled)
        return Encoding(pooled, jax.nn.relu(self.per_token(positions)))
