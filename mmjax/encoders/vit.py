"""Vision transformers: ViT, DeiT, the image towers of CLIP and SigLIP, DINOv2.

Dosovitskiy et al. 2021, "An image is worth 16x16 words". Settings that reproduce published models:

    CLIP    pool='cls', activation='quick_gelu', patch_bias=False, pre_norm=True, eps=1e-5,
            init='clip'
    SigLIP  pool='map', activation='gelu_tanh', eps=1e-6, init='xavier'
    ViT     pool='cls', activation='gelu', eps=1e-12 (of the published weights)
    DINOv2  pool='cls', activation='gelu', eps=1e-6, layer_scale=1.0 (giant: 'swiglu'; registers=4)
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling, positions
from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive, check_rate
from mmjax.encoders.initializers import Initialization, Scheme, initialization
from mmjax.encoders.layers import Activation, draw, dropout_key, layer_norm
from mmjax.encoders.positions import check_sincos_width
from mmjax.encoders.transformer import Remat, Transformer

Pool = Literal["cls", "mean", "map"]
Positions = Literal["learned", "sincos"]
StemKind = Literal["patch", "conv"]


class PatchStem(nnx.Module):
    """Cuts an image into patches and maps each linearly, f[B, H, W, C] -> f[B, H/p, W/p, width].

    A reshape and one matrix product: the same function as a convolution of stride p.
    """

    def __init__(self, *, patch: int, channels: int, width: int, bias: bool, init, dtype, rngs):
        self.patch = patch
        self.project = nnx.Linear(
            patch * patch * channels,
            width,
            use_bias=bias,
            kernel_init=init,
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        batch, height, width, channels = x.shape
        p = self.patch
        x = x.reshape(batch, height // p, p, width // p, p, channels)
        x = x.transpose(0, 1, 3, 2, 4, 5)
        return self.project(x.reshape(batch, height // p, width // p, p * p * channels))


class ConvStem(nnx.Module):
    """3x3 convolutions of stride 2 down to the patch grid, f[B, H, W, C] -> f[B, H/p, W/p, width].

    Xiao et al. 2021, "Early convolutions help transformers see better", with layer norm over the
    channels in place of batch norm. The channels double up to `width`; a 1x1 layer follows.
    """

    def __init__(self, *, patch: int, channels: int, width: int, eps: float, dtype, rngs):
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


class ViT(nnx.Module):
    """A vision transformer, f[B, H, W, C] -> pooled f[B, width] and tokens f[B, T, width].

    Tokens are, in this order: the class token (only with `pool='cls'`), `registers`, the patches
    row by row; all after the final layer norm.

    Args:
      image_size: (height, width) in pixels, each divisible by `patch`.
      patch: side of a patch in pixels; the stride of the whole stem.
      channels: of the image.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pool: `cls` a class token; `mean` of the patches; `map` attention pooling by a learned probe.
      positions: `learned`, one vector for each patch and for the class token; or `sincos`, fixed,
        for patches only, which take images of any size.
      stem: `patch` or `conv`, see `PatchStem` and `ConvStem`.
      patch_bias: a bias in the patch embedding.
      pre_norm: a layer norm before the first block (CLIP).
      registers: number of extra tokens without position (Darcet et al. 2024).
      patch_dropout: part of the patches left out of each training image (Li et al. 2023, FLIP).
      activation, bias, eps, dropout, drop_path, layer_scale, init, scan, remat: see `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int] = (224, 224),
        patch: int = 16,
        channels: int = 3,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_width: int | None = None,
        pool: Pool = "cls",
        positions: Positions = "learned",
        stem: StemKind = "patch",
        patch_bias: bool = True,
        pre_norm: bool = False,
        registers: int = 0,
        patch_dropout: float = 0.0,
        activation: Activation = "gelu",
        bias: bool = True,
        eps: float = 1e-6,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
        init: Scheme = "trunc_normal",
        scan: bool = True,
        remat: Remat = "none",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(patch=patch, channels=channels, width=width, depth=depth)
        check_choice("pool", pool, Pool)
        check_choice("positions", positions, Positions)
        check_choice("stem", stem, StemKind)
        check_rate("patch_dropout", patch_dropout)
        if positions == "sincos":
            check_sincos_width(width)
        if registers < 0:
            raise EncoderError(f"registers={registers} is negative: give 0 for none")
        height, side = image_size
        if height % patch or side % patch:
            raise EncoderError(f"image_size={tuple(image_size)} is not divisible by patch={patch}")
        self.image_size, self.patch, self.channels = tuple(image_size), patch, channels
        self.width, self.pool, self.positions = width, pool, positions
        self.patch_dropout, self.dtype = patch_dropout, dtype
        mlp_width = 4 * width if mlp_width is None else mlp_width

        weights: Initialization = initialization(init, width=width, depth=depth)
        norm = partial(layer_norm, width, eps=eps, dtype=dtype, rngs=rngs)
        if stem == "patch":
            self.stem = PatchStem(
                patch=patch,
                channels=channels,
                width=width,
                bias=patch_bias,
                init=weights.patch,
                dtype=dtype,
                rngs=rngs,
            )
        else:
            self.stem = ConvStem(
                patch=patch, channels=channels, width=width, eps=eps, dtype=dtype, rngs=rngs
            )

        def learned(initializer, rows: int) -> nnx.Param | None:
            if rows == 0:
                return None
            return nnx.Param(initializer(rngs.params(), (rows, width), jnp.float32))

        self.grid = (height // patch, side // patch)
        self.prefix = int(pool == "cls")
        self.class_token = learned(weights.special, self.prefix)
        self.register_tokens = learned(weights.special, registers)
        rows = self.prefix + self.grid[0] * self.grid[1]
        self.position = learned(weights.position, rows if positions == "learned" else 0)
        self.pre_norm = norm() if pre_norm else None
        self.transformer = Transformer(
            width=width,
            depth=depth,
            heads=heads,
            mlp_width=mlp_width,
            activation=activation,
            bias=bias,
            eps=eps,
            dropout=dropout,
            drop_path=drop_path,
            layer_scale=layer_scale,
            init=init,
            scan=scan,
            remat=remat,
            dtype=dtype,
            rngs=rngs,
        )
        self.probe = (
            pooling.AttentionPooling(
                width=width,
                heads=heads,
                mlp_width=mlp_width,
                activation=activation,
                bias=bias,
                eps=eps,
                init=weights,
                dtype=dtype,
                rngs=rngs,
            )
            if pool == "map"
            else None
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes images f[B, H, W, C]; see `mmjax.encoders.base`."""
        patches = self._embed(x)
        key = dropout_key(rngs, train, self.patch_dropout)
        if key is not None:
            patches = _keep_some(patches, 1 - self.patch_dropout, key)
        extra = [
            jnp.broadcast_to(token.astype(self.dtype), (x.shape[0], *token.shape))
            for token in self._extra_tokens()
        ]
        y = jnp.concatenate([*extra, patches], axis=1) if extra else patches
        if self.pre_norm is not None:
            y = self.pre_norm(y)
        tokens = self.transformer(y, train=train, rngs=rngs)
        if self.pool == "cls":
            pooled = tokens[:, 0]
        elif self.pool == "mean":
            pooled = pooling.mean(tokens[:, tokens.shape[1] - patches.shape[1] :])
        else:
            pooled = self.probe(tokens)
        return Encoding(pooled, tokens)

    def _embed(self, x: jax.Array) -> jax.Array:
        """Images f[B, H, W, C] -> patches with their positions, f[B, N, width]."""
        self._check(x)
        y = self.stem(x.astype(self.dtype))
        grid = y.shape[1:3]
        y = y.reshape(y.shape[0], -1, self.width)
        if self.position is None:
            position = jnp.asarray(positions.sincos_2d(grid, self.width))
        else:
            position = self.position[self.prefix :]
        return y + position.astype(self.dtype)

    def _extra_tokens(self) -> list[jax.Array]:
        """What goes before the patches, each f[rows, width]; the class token has a position."""
        extra = []
        if self.class_token is not None:
            token = self.class_token[...]
            extra.append(token if self.position is None else token + self.position[: self.prefix])
        if self.register_tokens is not None:
            extra.append(self.register_tokens[...])
        return extra

    def _check(self, x: jax.Array) -> None:
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise EncoderError(
                f"images of shape {x.shape} where [B, H, W, {self.channels}] is expected"
            )
        size = x.shape[1:3]
        if self.position is not None and size != self.image_size:
            raise EncoderError(
                f"images of {size} pixels for a ViT with learned positions for {self.image_size}: "
                "resize them, or carry the positions over with mmjax.encoders.positions.interpolate"
            )
        if size[0] % self.patch or size[1] % self.patch:
            raise EncoderError(f"images of {size} pixels are not divisible by patch={self.patch}")


def _keep_some(patches: jax.Array, part: float, key: jax.Array) -> jax.Array:
    """A random `part` of the patches of each image, in their order: f[B, N, W] -> f[B, M, W]."""
    batch, count, _ = patches.shape
    kept = max(1, round(part * count))
    noise = draw(jax.random.uniform, key, (batch, count))
    chosen = jnp.sort(jnp.argsort(noise, axis=1)[:, :kept], axis=1)
    return jnp.take_along_axis(patches, chosen[:, :, None], axis=1)
