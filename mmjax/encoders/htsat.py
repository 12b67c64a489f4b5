"""HTSAT: a Swin transformer over a log-mel spectrogram that is folded into a square.

Chen et al. 2022, "HTS-AT", arXiv 2202.00874, with the windows, shifts and merging of Liu et al.
2021, "Swin Transformer", arXiv 2103.14030. It is the audio tower of CLAP (Wu et al. 2023, arXiv
2211.06687), whose published size is that of the defaults.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.initializers import Initialization, Scheme, initialization
from mmjax.encoders.layers import (
    Activation,
    FeedForward,
    drop_path,
    dropout_key,
    layer_norm,
    split_key,
)
from mmjax.encoders.long_sounds import LongSounds
from mmjax.encoders.products import linear_product
from mmjax.encoders.residual import Norm
from mmjax.schema.bounds import BelowOne, Count, Positive, Repeats

CUBIC = -0.75  # the parameter of the cubic kernel that the published weights were trained with
_EPS = 1e-5  # of the norms whose eps no config names


class WindowAttention(nnx.Module):
    """Attention among the positions of each window, f[B, windows, w w, C] -> the same.

    Softmax(Q K^T / sqrt(C / heads) + bias) V, where the bias is a learned number for each head and
    each of the (2 w - 1)^2 offsets between two positions (Liu et al. 2021, equation 4).
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        window: int,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if width % heads:
            raise EncoderError(f"heads={heads} does not divide the width {width} of its stage")
        self.heads, self.window, self.dtype = heads, window, dtype
        linear = partial(
            nnx.Linear, width, width, dtype=dtype, dot_general=linear_product, rngs=rngs
        )
        self.query, self.key, self.value = (linear(kernel_init=init.attention) for _ in range(3))
        self.out = linear(kernel_init=init.attention_out)
        offsets = (2 * window - 1) ** 2
        self.offset_bias = nnx.Param(init.position(rngs.params(), (offsets, heads), jnp.float32))

    def __call__(self, x: jax.Array, mask: np.ndarray | None) -> jax.Array:
        """Attends; `mask` bool[windows, w w, w w] says which positions see each other."""
        batch, windows, size = x.shape[:3]

        def split(y: jax.Array) -> jax.Array:
            return y.reshape(batch * windows, size, self.heads, -1)

        bias = self.offset_bias[...][offsets(self.window)].transpose(2, 0, 1)[None]
        seen = None
        if mask is not None:
            seen = jnp.broadcast_to(mask, (batch, *mask.shape)).reshape(-1, 1, size, size)
        y = jax.nn.dot_product_attention(
            split(self.query(x)),
            split(self.key(x)),
            split(self.value(x)),
            bias=bias.astype(self.dtype),
            mask=seen,
        )
        return self.out(y.reshape(x.shape))


class WindowBlock(nnx.Module):
    """Attention within windows and an MLP, pre-norm, f[B, H, W, C] -> f[B, H, W, C].

    With `shift` the windows lie that far down and to the right, around the edges; a window that
    the edge cuts attends within its parts.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        window: int,
        shift: int,
        mlp_width: int,
        activation: Activation,
        eps: float,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.window, self.shift = window, shift
        common: dict[str, Any] = {"init": init, "dtype": dtype, "rngs": rngs}
        self.attention_norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs)
        self.attention = WindowAttention(width=width, heads=heads, window=window, **common)
        self.mlp_norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs)
        self.mlp = FeedForward(width=width, hidden=mlp_width, activation=activation, **common)

    def __call__(self, x: jax.Array, rate: float | None, key: jax.Array | None) -> jax.Array:
        keys = (None, None) if key is None else split_key(key, 2)
        batch, height, width, channels = x.shape
        w, s = self.window, self.shift
        y = self.attention_norm(x)
        if s:
            y = jnp.roll(y, (-s, -s), axis=(1, 2))
        y = y.reshape(batch, height // w, w, width // w, w, channels).swapaxes(2, 3)
        y = y.reshape(batch, -1, w * w, channels)
        y = self.attention(y, together(height, width, w, s) if s else None)
        y = y.reshape(batch, height // w, width // w, w, w, channels).swapaxes(2, 3)
        y = y.reshape(x.shape)
        if s:
            y = jnp.roll(y, (s, s), axis=(1, 2))
        x = x + drop_path(y, rate, keys[0])
        return x + drop_path(self.mlp(self.mlp_norm(x)), rate, keys[1])


class PatchMerging(nnx.Module):
    """Four neighbours to one position of twice the width, f[B, H, W, C] -> f[B, H/2, W/2, 2C]."""

    def __init__(self, *, width: int, init: Initialization, dtype: DTypeLike, rngs: nnx.Rngs):
        self.norm = layer_norm(4 * width, eps=_EPS, dtype=dtype, rngs=rngs)
        self.reduce = nnx.Linear(
            4 * width,
            2 * width,
            use_bias=False,
            kernel_init=init.up,
            dtype=dtype,
            dot_general=linear_product,
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        # Column by column, as the published kernels have it.
        x = x.transpose(0, 1, 3, 4, 2, 5).reshape(batch, height // 2, width // 2, 4 * channels)
        return self.reduce(self.norm(x))


class Stage(nnx.Module):
    """Blocks of one resolution, every second one with shifted windows, and the merging after."""

    def __init__(
        self, *, side: int, width: int, depth: int, window: int, merge: bool, **options: Any
    ):
        # A single window sees everything as it is.
        shift = window // 2 if side > window else 0
        self.blocks = nnx.List(
            WindowBlock(width=width, window=window, shift=shift * (i % 2), **options)
            for i in range(depth)
        )
        common: dict[str, Any] = {name: options[name] for name in ("init", "dtype", "rngs")}
        self.merge = PatchMerging(width=width, **common) if merge else None


class HTSAT(Encoder):
    """A Swin transformer over spectrograms, f[B, T, mels] -> pooled f[B, W], tokens f[B, S, W].

    The bands are normalised by statistics of the batch. `frames` = mels k^2 times are cut into k
    parts of equal length, which are stacked along the bands to a square of mels k; a spectrogram of
    fewer frames is stretched to `frames` first, by cubic interpolation. Each stage but the last
    halves the sides and doubles the width. `pooled` is the mean of the tokens after the last norm.

    With `fusion_reduction` there may be four spectrograms of a sound, f[B, 4, T, mels]: of all of
    it, shrunk to T frames, and of three parts of it (`LongSounds`). Of a sound of T frames or fewer
    all four are the same, and nothing is fused.

    Args:
      frames, mels: size of the spectrogram; `frames` is `mels` times a square number.
      patch: side of a patch, embedded by a convolution.
      stride: from one patch to the next; at most `patch`.
      width: channels of the first stage.
      depths: blocks of each stage.
      heads: attention heads of each stage.
      window: side of a window, in patches; it divides the side of every stage.
      mlp_ratio: hidden units of an MLP per channel.
      patch_norm: a layer norm after the patch embedding.
      activation: of the MLPs.
      eps: of the layer norms in the blocks.
      fusion_reduction: of the channels in the fusion of long sounds, 4 in CLAP; None without it.
      drop_path: rate of stochastic depth at the last block; it grows linearly from 0 at the first.
      init: named initialisation, see `initializers`.
      dtype: of the computation; parameters and the norm of the bands are float32.
      rngs: for the initial parameters.

    Attributes:
      width: W, the channels of the last stage.
    """

    def __init__(
        self,
        *,
        frames: Count = 1024,
        mels: Count = 64,
        patch: Count = 4,
        stride: Count = 4,
        width: Count = 96,
        depths: tuple[Repeats, ...] = (2, 2, 6, 2),
        heads: tuple[Count, ...] = (4, 8, 16, 32),
        window: Count = 8,
        mlp_ratio: Positive = 4.0,
        patch_norm: bool = True,
        activation: Activation = "gelu",
        eps: Positive = 1e-5,
        fusion_reduction: Count | None = None,
        drop_path: BelowOne = 0.0,
        init: Scheme = "trunc_normal",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(frames=frames, mels=mels, stride=stride, width=width, window=window)
        check_rate("drop_path", drop_path)
        folds = math.isqrt(frames // mels)
        if frames != mels * folds**2:
            raise EncoderError(
                f"frames={frames} is not mels={mels} times a square number, so that the "
                f"spectrogram cannot be folded into a square: use frames={mels * (folds + 1) ** 2}"
            )
        if patch < stride or (patch - stride) % 2:
            raise EncoderError(f"patch={patch} has to be stride={stride} plus an even number")
        if len(depths) != len(heads) or not depths or min(depths) < 1:
            raise EncoderError(
                f"depths={tuple(depths)} and heads={tuple(heads)}: both name every stage, each of "
                "at least one block"
            )
        sides = [mels * folds // stride // 2**i for i in range(len(depths))]
        whole = mels * folds % (stride * 2 ** (len(depths) - 1)) == 0
        if not whole or any(side % window for side in sides):
            raise EncoderError(
                f"a square of {mels * folds} in patches of stride={stride} has stages of "
                f"{', '.join(map(str, sides))}: each has to be whole and divisible by "
                f"window={window}"
            )
        self.frames, self.mels, self.folds, self.dtype = frames, mels, folds, dtype
        self.width = width * 2 ** (len(depths) - 1)
        self.drop_path, self.depths = drop_path, tuple(depths)
        weights = initialization(init, width=width, depth=sum(depths))
        common: dict[str, Any] = {"init": weights, "dtype": dtype, "rngs": rngs}
        self.bands = Norm(mels, kind="batch", dtype=jnp.float32, rngs=rngs)
        self.project = nnx.Conv(
            1,
            width,
            (patch, patch),
            strides=stride,
            padding=(patch - stride) // 2,
            kernel_init=weights.patch,
            dtype=dtype,
            rngs=rngs,
        )
        self.long_sounds = (
            None
            if fusion_reduction is None
            else LongSounds(
                width=width, reduction=fusion_reduction, patch=patch, stride=stride, **common
            )
        )
        self.patch_norm = (
            layer_norm(width, eps=_EPS, dtype=dtype, rngs=rngs) if patch_norm else None
        )
        self.stages = nnx.List(
            Stage(
                side=sides[i],
                width=width * 2**i,
                depth=depths[i],
                heads=heads[i],
                window=window,
                mlp_width=int(mlp_ratio * width * 2**i),
                activation=activation,
                eps=eps,
                merge=i < len(depths) - 1,
                **common,
            )
            for i in range(len(depths))
        )
        self.norm = layer_norm(self.width, eps=_EPS, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes log-mel spectrograms f[B, frames or fewer, mels]; see `mmjax.encoders.base`.

        Where the encoder fuses, they may be f[B, 4, frames or fewer, mels].
        """
        four = x.ndim == 4 and x.shape[1] == 4 and self.long_sounds is not None
        if (x.ndim != 3 and not four) or not (
            1 <= x.shape[-2] <= self.frames and x.shape[-1] == self.mels
        ):
            more = "" if self.long_sounds is None else f" or [B, 4, {self.frames}, {self.mels}]"
            raise EncoderError(
                f"spectrograms of shape {x.shape} where [B, {self.frames}, {self.mels}]{more} is "
                "expected, or fewer frames"
            )
        longer = (x != x[:, :1]).any(axis=(1, 2, 3)) if four else None
        x = self.bands(x.astype(jnp.float32), train=train)
        if x.shape[-2] < self.frames:
            stretch = jnp.asarray(stretching(x.shape[-2], self.frames))
            x = jnp.einsum("ot,...tm->...om", stretch, x, precision=jax.lax.Precision.HIGHEST)
        side = self.mels * self.folds
        # (fold, time) mel -> (fold, mel) time
        y = x.reshape(*x.shape[:-2], self.folds, side, self.mels).swapaxes(-1, -2)
        y = y.reshape(*x.shape[:-2], side, side)
        whole = y[:, 0] if four else y
        whole = self.project(whole[..., None].astype(self.dtype))
        if self.long_sounds is None or longer is None:
            y = whole
        else:
            y = self.long_sounds(whole, y[:, 1:], longer, train=train)
        y = y if self.patch_norm is None else self.patch_norm(y)
        key = dropout_key(rngs, train, self.drop_path)
        count = sum(self.depths)
        keys = [None] * count if key is None else split_key(key, count)
        rates = np.linspace(0.0, self.drop_path, count)
        block = 0
        for stage in self.stages:
            for layer in stage.blocks:
                y = layer(y, float(rates[block]), keys[block])
                block += 1
            y = y if stage.merge is None else stage.merge(y)
        tokens = self.norm(y).reshape(len(x), -1, self.width)
        return Encoding(tokens.mean(axis=1, dtype=jnp.float32).astype(self.dtype), tokens)


@lru_cache(maxsize=32)
def offsets(window: int) -> np.ndarray:
    """Which of the (2 w - 1)^2 offsets lies between two positions of a window, i32[w w, w w]."""
    places = np.stack(np.meshgrid(np.arange(window), np.arange(window), indexing="ij"))
    places = places.reshape(2, -1)
    down, right = places[:, :, None] - places[:, None, :] + window - 1
    which: np.ndarray = down * (2 * window - 1) + right
    return which.astype(np.int32)


@lru_cache(maxsize=32)
def together(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """Which positions of each shifted window see each other, bool[windows, w w, w w].

    Those that were neighbours before the image was rolled.
    """
    rows, columns = (
        (np.arange(n) >= n - window).astype(int) + (np.arange(n) >= n - shift)
        for n in (height, width)
    )
    parts = 3 * rows[:, None] + columns
    parts = parts.reshape(height // window, window, width // window, window).swapaxes(1, 2)
    parts = parts.reshape(-1, window * window)
    same: np.ndarray = parts[:, :, None] == parts[:, None, :]
    return same


@lru_cache(maxsize=32)
def stretching(frames: int, wanted: int) -> np.ndarray:
    """Cubic interpolation of `frames` values to `wanted`, ends on ends, f32[wanted, frames].

    Keys 1981, "Cubic convolution interpolation", with the parameter `CUBIC`; beyond the ends, the
    first and the last value are repeated.
    """
    where = np.arange(wanted) * ((frames - 1) / (wanted - 1))
    left = np.floor(where).astype(int)
    weights = np.zeros((wanted, frames))
    for step in (-1, 0, 1, 2):
        d = np.abs(where - (left + step))
        near = ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1
        far = ((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC
        column = np.clip(left + step, 0, frames - 1)
        np.add.at(weights, (np.arange(wanted), column), np.where(d <= 1, near, far))
    return weights.astype(np.float32)
