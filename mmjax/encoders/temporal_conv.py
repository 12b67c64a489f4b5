"""Convolutions along time: frames of any features, which may see no frame behind their own."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.schema.bounds import Count

ConvActivation = Literal["relu", "gelu", "gelu_tanh", "elu"]


class TemporalConv(Encoder):
    """A convolution network over frames, f[B, T, C] -> tokens f[B, T, W], pooled f[B, W].

    Layer k sees `kernel` frames, `dilation`^k apart: with `causal` those up to its own, as an
    encoder of a stream has to; otherwise as many before as behind it. A layer that is as wide as
    what it reads adds it. A frame of zeros is padding, as the view `sequence` makes it: it is
    masked, stays zero in every layer, and takes no part in the mean that is pooled. So a sequence
    is encoded alike whatever it is padded to. The frames' rate stays as it is.

    After the encoders of SecoustiCodec (Qiang et al. 2025, arXiv 2508.02849), which has residual
    units where this has single layers.

    Args:
      channels: C, numbers of a frame.
      widths: of the layers, the last of which is W.
      kernel: frames that a layer sees; odd, unless `causal`.
      dilation: base of the distance between them; 1 for neighbours in every layer.
      causal: whether a frame sees none behind it.
      activation: after every layer but the last.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters; kernels He-normal, biases 0.
    """

    def __init__(
        self,
        *,
        channels: Count,
        widths: tuple[Count, ...] = (64, 64),
        kernel: Count = 3,
        dilation: Count = 1,
        causal: bool = False,
        activation: ConvActivation = "gelu",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if not widths:
            raise EncoderError("widths=() of a temporal_conv: give one layer's width at least")
        for width in widths:
            check_positive(channels=channels, widths=width, kernel=kernel, dilation=dilation)
        check_choice("activation", activation, ConvActivation)
        if not causal and kernel % 2 == 0:
            raise EncoderError(
                f"kernel={kernel} of a temporal_conv has no middle: give an odd one, or causal=True"
            )
        self.channels, self.width, self.causal = channels, widths[-1], causal
        self.activation, self.dtype = activation, dtype
        self.layers = nnx.List(
            frames_conv((a, b), kernel, causal=causal, dilation=dilation**k, dtype=dtype, rngs=rngs)
            for k, (a, b) in enumerate(zip((channels, *widths[:-1]), widths, strict=True))
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, T, C]; see `mmjax.encoders.base`."""
        if x.ndim != 3 or x.shape[2] != self.channels:
            raise EncoderError(f"frames of shape {x.shape} where [B, T, {self.channels}] is needed")
        mask = (x != 0).any(-1)
        x = x.astype(self.dtype)
        for number, layer in enumerate(self.layers):
            y = layer(x)
            if number < len(self.layers) - 1:
                y = ACTIVATIONS[self.activation](y)
            y = x + y if y.shape == x.shape else y
            x = jnp.where(mask[..., None], y, 0)
        return Encoding(pooling.mean(x, mask), x, mask)


def frames_conv(
    sizes: tuple[int, int],
    kernel: int,
    *,
    causal: bool,
    dilation: int = 1,
    dtype: DTypeLike = jnp.float32,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A convolution f[B, T, A] -> f[B, T, E] with zeros around; He-normal, bias 0.

    Args:
      sizes: (A, E).
      kernel: frames that are seen.
      causal: whether these are the frame's own and those before it.
      dilation: distance between them.
      dtype: of the computation.
      rngs: for the kernel.
    """
    return nnx.Conv(
        sizes[0],
        sizes[1],
        kernel_size=(kernel,),
        kernel_dilation=(dilation,),
        padding="CAUSAL" if causal else "SAME",
        kernel_init=nnx.initializers.he_normal(),
        dtype=dtype,
        rngs=rngs,
    )
