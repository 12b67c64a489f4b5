"""EfficientNet-Lite: a small convolutional network for published ImageNet weights.

Tan and Le 2019, "EfficientNet"; the Lite variants have ReLU6 and no squeeze-and-excitation. Its
batch norms use the statistics that came with the weights, in training too: it is here to be a
frozen tower.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.schema.bounds import Bounds, Count

# (expansion, channels, repeats, stride, kernel) of each stage, Tan and Le 2019, table 1.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM, TOP = 32, 1280
# Lite0 to Lite4: factors of channels and of repeats.
SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))


class FixedBatchNorm(nnx.Module):
    """Batch norm by statistics that never change, f[..., C] -> f[..., C], in float32."""

    def __init__(self, channels: int, *, eps: float = 1e-3):
        self.eps = eps
        self.scale = nnx.Param(jnp.ones((channels,), jnp.float32))
        self.bias = nnx.Param(jnp.zeros((channels,), jnp.float32))
        self.mean = nnx.BatchStat(jnp.zeros((channels,), jnp.float32))
        self.var = nnx.BatchStat(jnp.ones((channels,), jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        factor = self.scale[...] * jax.lax.rsqrt(self.var[...] + self.eps)
        y = (x.astype(jnp.float32) - self.mean[...]) * factor + self.bias[...]
        return y.astype(x.dtype)


class ConvNorm(nnx.Module):
    """A convolution without bias and its norm; padded as TensorFlow's 'SAME'."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int,
        groups: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.conv = nnx.Conv(
            inputs,
            outputs,
            (kernel, kernel),
            strides=stride,
            padding="SAME",
            feature_group_count=groups,
            use_bias=False,
            kernel_init=nnx.initializers.he_normal(),
            dtype=dtype,
            rngs=rngs,
        )
        self.norm = FixedBatchNorm(outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(self.conv(x))


class InvertedBottleneck(nnx.Module):
    """1x1 up, depthwise, 1x1 down, with a shortcut where the shape stays (Sandler et al. 2018)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        expansion: int,
        kernel: int,
        stride: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        wide = inputs * expansion
        common: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.expand = (
            None
            if expansion == 1
            else ConvNorm(inputs, wide, kernel=1, stride=1, groups=1, **common)
        )
        self.depthwise = ConvNorm(wide, wide, kernel=kernel, stride=stride, groups=wide, **common)
        self.project = ConvNorm(wide, outputs, kernel=1, stride=1, groups=1, **common)
        self.shortcut = stride == 1 and inputs == outputs

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x if self.expand is None else jax.nn.relu6(self.expand(x))
        y = self.project(jax.nn.relu6(self.depthwise(y)))
        return x + y if self.shortcut else y


def plan(variant: int) -> list[tuple[int, int, int, int, int]]:
    """(inputs, outputs, expansion, kernel, stride) of every block of Lite`variant`."""
    wider, deeper = SCALES[variant]

    def channels(count: int) -> int:  # to a multiple of 8, down by at most a tenth
        scaled = count * wider
        rounded = max(8, int(scaled + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * scaled else rounded

    blocks, current = [], STEM  # the stem is not widened, first and last stage not deepened
    for i, (expansion, width, repeats, stride, kernel) in enumerate(STAGES):
        count = repeats if i in (0, len(STAGES) - 1) else math.ceil(repeats * deeper)
        for j in range(count):
            blocks.append((current, channels(width), expansion, kernel, stride if j == 0 else 1))
            current = channels(width)
    return blocks


class EfficientNetLite(Encoder):
    """EfficientNet-Lite, f[B, H, W, 3] -> pooled f[B, 1280], tokens f[B, H/32 W/32, 1280].

    Args:
      image_size: (height, width) in pixels that the tower is meant for; others work too.
      variant: 0 to 4.
      dtype: of the convolutions; parameters and norms are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        image_size: tuple[Count, Count] = (224, 224),
        variant: Annotated[int, Bounds(ge=0, le=4)] = 0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        if not 0 <= variant < len(SCALES):
            raise EncoderError(f"variant={variant}: EfficientNet-Lite has the variants 0 to 4")
        check_positive(height=image_size[0], width=image_size[1])
        self.image_size, self.channels, self.width = tuple(image_size), 3, TOP
        self.dtype = dtype
        common: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.stem = ConvNorm(3, STEM, kernel=3, stride=2, groups=1, **common)
        blocks = plan(variant)
        self.blocks = nnx.List(
            InvertedBottleneck(a, b, expansion=e, kernel=k, stride=s, **common)
            for a, b, e, k, s in blocks
        )
        self.top = ConvNorm(blocks[-1][1], TOP, kernel=1, stride=1, groups=1, **common)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes images f[B, H, W, 3]; see `mmjax.encoders.base`."""
        if x.ndim != 4 or x.shape[3] != 3:
            raise EncoderError(f"images of shape {x.shape} where [B, H, W, 3] is expected")
        y = jax.nn.relu6(self.stem(x.astype(self.dtype)))
        for block in self.blocks:
            y = block(y)
        y = jax.nn.relu6(self.top(y))
        tokens = y.reshape(y.shape[0], -1, y.shape[-1])
        return Encoding(tokens.mean(axis=1, dtype=jnp.float32).astype(self.dtype), tokens)
