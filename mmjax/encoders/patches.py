"""The patch transformer: one network for images, clips and volumes.

Dosovitskiy et al. 2021, "An image is worth 16x16 words", over a grid of any number of axes. With
three axes it is the tubelet embedding of ViViT (Arnab et al. 2021, arXiv 2103.15691, section 3.2,
model 1: joint space-time attention), which VideoMAE has too, and the 3-D ViT of M3D-CLIP (Bai et
al. 2024, arXiv 2404.00578). `ViT` is the same for images, with its published settings. Sizes:

    clips      small  size=(8, 32, 32), patch=(2, 8, 8), width=64, depth=2, heads=4
               ViViT-B/16x2  size=(32, 224, 224), patch=(2, 16, 16), pool='cls'
    volumes    small  size=(16, 32, 32), patch=(4, 8, 8), channels=1, width=64, depth=2, heads=4
               M3D-CLIP  size=(32, 256, 256), patch=(4, 16, 16), channels=1, pool='cls'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling, positions
from mmjax.encoders.base import (
    Encoder,
    EncoderError,
    Encoding,
    check_choice,
    check_positive,
    check_rate,
)
from mmjax.encoders.initializers import Initialization, initialization
from mmjax.encoders.layers import draw, dropout_key, layer_norm
from mmjax.encoders.positions import check_sincos_width
from mmjax.encoders.prompts import Prompts, parted
from mmjax.encoders.relative import GridRotary, check_rotary
from mmjax.encoders.stems import ConvStem, PatchStem, cut
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, NonNegative

Pool = Literal["cls", "mean", "map"]
Positions = Literal["learned", "sincos", "none"]
StemKind = Literal["patch", "conv"]


class PatchTransformer(Encoder):
    """A transformer over patches, f[B, S1, ..., Sn, C] -> pooled f[B, W], tokens f[B, T, W].

    Tokens are, in this order: the class token (only with `pool='cls'`), `registers`, the patches,
    the last axis fastest; all after the final layer norm.

    With `padded=True` what is missing is masked: values that are NaN, and what an input lacks of
    `size` or of whole patches. A patch with no value at all takes part in no attention and no
    pooling; single missing values are 0. So clips of an odd number of frames, or with frames of
    NaN behind their end, are encoded as they are.

    Args:
      size: (S1, ..., Sn); clips have the frames first, volumes the slices.
      patch: (p1, ..., pn), which divide `size`; the stride of the stem.
      channels: C.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pool: `cls` a class token; `mean` of the patches; `map` attention pooling by a learned probe.
      pool_heads: of the attention pooling; `heads` where None.
      pool_mlp_width: of its MLP; that of the blocks where 0.
      positions: `learned`, one vector for each patch and for the class token; or `sincos`, fixed,
        for patches only, which take inputs of any size; `none` goes with `rotary`.
      rotary: of a grid of two axes: attention turns queries and keys of patches, see `GridRotary`.
      stem: `patch` or, for images, `conv`; see `PatchStem` and `ConvStem`.
      patch_bias: a bias in the patch embedding.
      pre_norm: a layer norm before the first block (CLIP).
      registers: number of extra tokens without position (Darcet et al. 2024).
      patch_dropout: part of the patches left out of each training input (Li et al. 2023, FLIP).
      padded: mask what is missing.
      levels: name -> number of blocks, of levels below the end, for heads that name one: the tokens
        after so many blocks, through the final layer norm.
      activation, bias, eps, dropout, drop_path, layer_scale, init, scan, remat: see `Transformer`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig()

    reads_prompts = True

    def __init__(
        self,
        *,
        size: tuple[Count, ...],
        patch: tuple[Count, ...],
        channels: Count = 3,
        pool: Pool = "cls",
        pool_heads: Count | None = None,
        pool_mlp_width: CountOrZero = 0,
        positions: Positions = "learned",
        rotary: GridRotary | None = None,
        stem: StemKind = "patch",
        patch_bias: bool = True,
        pre_norm: bool = False,
        registers: CountOrZero = 0,
        patch_dropout: BelowOne = 0.0,
        padded: bool = False,
        levels: dict[str, Count] | None = None,
        bias: bool = True,
        layer_scale: NonNegative | None = None,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        width, eps = config.width, config.eps
        size, patch = tuple(size), tuple(patch)
        if not size or len(size) != len(patch):
            raise EncoderError(f"size={size} and patch={patch} need as many axes, at least one")
        check_positive(patch=min(patch), channels=channels, width=width, depth=config.depth)
        check_choice("pool", pool, Pool)
        check_choice("positions", positions, Positions)
        check_choice("stem", stem, StemKind)
        check_rate("patch_dropout", patch_dropout)
        if positions == "sincos":
            check_sincos_width(width, axes=len(size))
        if rotary is not None:
            check_rotary(width, config.heads, 4)
            if len(size) != 2 or patch_dropout or padded:
                raise EncoderError("rotary positions are for images, without patch_dropout")
        if registers < 0:
            raise EncoderError(f"registers={registers} is negative: give 0 for none")
        if stem == "conv" and (len(size) != 2 or len(set(patch)) != 1 or padded):
            raise EncoderError(
                "stem='conv' is for images in squares, without padded=True: use stem='patch'"
            )
        if any(s < p or s % p for s, p in zip(size, patch, strict=True)):
            raise EncoderError(
                f"{self._named(size)} is not divisible by {self._patch_named(patch)}"
            )
        self.levels = tuple((levels or {}).items())  # a dict would be a node of the module's graph
        if any(stop >= config.depth for _, stop in self.levels):
            raise EncoderError(
                f"levels={levels}: each is after 1 to {config.depth - 1} of depth={config.depth} "
                "blocks"
            )
        self.size, self.patches, self.channels = size, patch, channels
        self.width, self.pool, self.positions = width, pool, positions
        self.head_size, self.rotary = width // config.heads, rotary
        self.patch_dropout, self.padded, self.dtype = patch_dropout, padded, dtype

        weights: Initialization = initialization(config.init, width=width, depth=config.depth)
        norm = partial(layer_norm, width, eps=eps, dtype=dtype, rngs=rngs)
        self.stem: Callable[..., Any]
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
                patch=patch[0], channels=channels, width=width, eps=eps, dtype=dtype, rngs=rngs
            )

        def learned(initializer: nnx.Initializer, rows: int) -> nnx.Param[jax.Array] | None:
            if rows == 0:
                return None
            return nnx.Param(initializer(rngs.params(), (rows, width), jnp.float32))

        self.grid = tuple(s // p for s, p in zip(size, patch, strict=True))
        self.prefix = int(pool == "cls")
        self.class_token = learned(weights.special, self.prefix)
        self.register_tokens = learned(weights.special, registers)
        rows = self.prefix + math.prod(self.grid)
        self.position = learned(weights.position, rows if positions == "learned" else 0)
        self.pre_norm = norm() if pre_norm else None
        self.transformer = Transformer(
            bias=bias, layer_scale=layer_scale, dtype=dtype, rngs=rngs, **config.options()
        )
        self.probe = (
            pooling.attention_pooling(
                config,
                heads=pool_heads,
                mlp_width=pool_mlp_width,
                bias=bias,
                init=weights,
                dtype=dtype,
                rngs=rngs,
            )
            if pool == "map"
            else None
        )

    def __call__(
        self,
        x: jax.Array,
        *,
        prompts: Prompts | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Encoding:
        """Encodes inputs f[B, S1, ..., Sn, C]; see `base`, and `Transformer` for `prompts`."""
        patches, mask = self._embed(x)
        key = dropout_key(rngs, train, self.patch_dropout)
        if key is not None:
            patches, mask = _keep_some(patches, mask, 1 - self.patch_dropout, key)
        extra = [
            jnp.broadcast_to(token.astype(self.dtype), (x.shape[0], *token.shape))
            for token in self._extra_tokens()
        ]
        y = jnp.concatenate([*extra, patches], axis=1) if extra else patches
        before = y.shape[1] - patches.shape[1]
        whole = None if mask is None else jnp.pad(mask, ((0, 0), (before, 0)), constant_values=True)
        if self.pre_norm is not None:
            y = self.pre_norm(y)
        relative = None
        if self.rotary is not None:
            grid = tuple(s // p for s, p in zip(x.shape[1:-1], self.patches, strict=True))
            relative = self.rotary.relative(grid, self.head_size, before)
        taps: list[jax.Array] | None = [] if self.levels else None
        tokens = self.transformer(
            y, mask=whole, relative=relative, prompts=prompts, taps=taps, train=train, rngs=rngs
        )
        tokens, own = parted(tokens, prompts)
        if self.pool == "cls":
            pooled = tokens[:, 0]
        elif self.probe is not None:
            pooled = self.probe(tokens, whole)
        else:
            pooled = pooling.mean(tokens[:, before:], mask)
        levels = None if taps is None else self._levels(taps[0], whole, before)
        return Encoding(pooled, tokens, whole, own, levels=levels)

    def _levels(self, after: jax.Array, mask: jax.Array | None, before: int) -> dict[str, Encoding]:
        """The levels of what is after each block, f[depth, B, T, W]."""
        assert self.transformer.norm is not None
        found = {}
        for name, stop in self.levels:
            y = self.transformer.norm(after[stop - 1])
            own = None if mask is None else mask[:, before:]
            pooled = y[:, 0] if self.pool == "cls" else pooling.mean(y[:, before:], own)
            found[name] = Encoding(pooled, y, mask)
        return found

    def _embed(self, x: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Patches with their positions, f[B, N, width], and which are there, bool[B, N] or None."""
        self._check(x)
        mask = None
        if self.padded:
            x, mask = self._fill(x)
        y = self.stem(x.astype(self.dtype))
        grid = y.shape[1:-1]
        y = y.reshape(y.shape[0], -1, self.width)
        return self._located(y, grid), mask

    def _located(self, y: jax.Array, grid: tuple[int, ...]) -> jax.Array:
        """Patches f[B, N, width] of a grid with their positions."""
        if self.position is not None:
            return y + self.position[self.prefix :].astype(self.dtype)
        if self.positions == "sincos":
            return y + jnp.asarray(positions.sincos(grid, self.width)).astype(self.dtype)
        return y

    def _fill(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """An input of whole patches (learned positions: of the whole size), without NaN; a mask."""
        whole = (
            self.size
            if self.position is not None
            else tuple(-(-s // p) * p for s, p in zip(x.shape[1:-1], self.patches, strict=True))
        )
        behind = [(0, w - s) for w, s in zip(whole, x.shape[1:-1], strict=True)]
        x = jnp.pad(x, ((0, 0), *behind, (0, 0)), constant_values=jnp.nan)
        there = ~jnp.isnan(x)
        mask = cut(there, self.patches).any(axis=-1).reshape(x.shape[0], -1)
        return jnp.where(there, x, 0), mask

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
        if x.ndim != len(self.size) + 2 or x.shape[-1] != self.channels:
            axes = ", ".join(f"S{i + 1}" for i in range(len(self.size)))
            raise EncoderError(
                f"inputs of shape {x.shape} where [B, {axes}, {self.channels}] is expected"
            )
        size = x.shape[1:-1]
        if self.padded:
            if self.position is not None and any(
                s > m for s, m in zip(size, self.size, strict=True)
            ):
                raise EncoderError(
                    f"inputs of {size} for learned positions up to {self.size}: make the view's "
                    "size smaller, or the encoder's larger"
                )
            return
        if self.position is not None and size != self.size:
            raise EncoderError(
                f"inputs of {size} for an encoder with learned positions for {self.size}: make the "
                "view's size the same, or set padded=True where they may be smaller"
            )
        if any(s % p for s, p in zip(size, self.patches, strict=True)):
            raise EncoderError(f"inputs of {size} are not divisible by patch={self.patches}")

    # How options are called in messages; images have other names for them.

    def _named(self, size: tuple[int, ...]) -> str:
        return f"size={size}"

    def _patch_named(self, patch: tuple[int, ...]) -> str:
        return f"patch={patch}"


def _keep_some(
    patches: jax.Array, mask: jax.Array | None, part: float, key: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    """A random `part` of the patches of each input, in their order: f[B, N, W] -> f[B, M, W]."""
    batch, count, _ = patches.shape
    kept = max(1, round(part * count))
    noise = draw(jax.random.uniform, key, (batch, count))
    chosen = jnp.sort(jnp.argsort(noise, axis=1)[:, :kept], axis=1)
    if mask is not None:
        mask = jnp.take_along_axis(mask, chosen, axis=1)
    return jnp.take_along_axis(patches, chosen[:, :, None], axis=1), mask
