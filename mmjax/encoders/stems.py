"""Stems: from an image, a clip or a volume to a grid of patch vectors."""

from __future__ import annotations

import math
from functools import partial

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError
from mmjax.encoders.layers import layer_norm


class PatchStem(nnx.Module):
    """Cuts a grid of any number of axes into patches and maps each linearly.

    f[B, S1, ..., Sn, C] -> f[B, S1/p1, ..., Sn/pn, width]: images [B, H, W, C] in squares, clips
    [B, T, H, W, C] in tubelets, volumes [B, D, H, W, C] in blocks. A reshape and one matrix
    product: the same function as a convolution whose stride is the patch.

    Args:
      patch: (p1, ..., pn); one number p is (p, p).
      channels: C.
      width: of a patch vector.
      bias: whether to add one.
      init: initialiser of the kernel.
    """

    def __init__(
        self,
        *,
        patch: int | tuple[int, ...],
        channels: int,
        width: int,
        bias: bool,
        init: nnx.Initializer,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.patch = (patch, patch) if isinstance(patch, int) else tuple(patch)
        self.project = nnx.Linear(
            math.prod(self.patch) * channels,
            width,
            use_bias=bias,
            kernel_init=init,
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.project(cut(x, self.patch))


def cut(x: jax.Array, patch: tuple[int, ...]) -> jax.Array:
    """The values of every patch: [B, S1, ..., Sn, C] -> [B, S1/p1, ..., Sn/pn, p1 ... pn C]."""
    batch, *size, channels = x.shape
    grid = [s // p for s, p in zip(size, patch, strict=True)]
    pairs = [n for g, p in zip(grid, patch, strict=True) for n in (g, p)]
    x = x.reshape(batch, *pairs, channels)
    n = len(size)
    # B g1 p1 g2 p2 ... C -> B g1 g2 ... p1 p2 ... C
    x = x.transpose(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)
    return x.reshape(batch, *grid, math.prod(patch) * channels)


class ConvStem(nnx.Module):
    """3x3 convolutions of stride 2 down to the patch grid, f[B, H, W, C] -> f[B, H/p, W/p, width].

    Xiao et al. 2021, "Early convolutions help transformers see better", with layer norm over the
    channels in place of batch norm. The channels double up to `width`; a 1x1 layer follows.
    """

    def __init__(
        self, *, patch: int, channels: int, width: int, eps: float, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        steps = patch.bit_length() - 1
        if patch != 2**steps or steps < 1:
            raise EncoderError(f"patch={patch}: a conv stem halves the image, so use a power of 2")
        widths = [width // 2 ** (steps - 1 - i) for i in range(steps)]
        conv = partial(
            nnx.Conv,
            kernel_size=(3, 3),
            strides=2,
            padding=1,
            use_bias=False,
            kernel_init=nnx.initializers.he_normal(),
            dtype=dtype,
            rngs=rngs,
        )
        self.convs = nnx.List(conv(a, b) for a, b in zip((channels, *widths), widths, strict=False))
        self.norms = nnx.List(layer_norm(w, eps=eps, dtype=dtype, rngs=rngs) for w in widths)
        self.project = nnx.Linear(width, width, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = jax.nn.relu(norm(conv(x)))
        return self.project(x)
