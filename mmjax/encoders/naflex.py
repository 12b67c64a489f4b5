"""Vision transformers for images of any shape, by lists of their patches: SigLIP 2's NaFlex.

Tschannen et al. 2025, arXiv 2502.14786, section 2.4.2. Setting that reproduces it:

    NaFlex  grid=(16, 16), pool='map', activation='gelu_tanh', eps=1e-6
"""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import positions
from mmjax.encoders.base import EncoderError
from mmjax.encoders.patches import PatchTransformer, Pool
from mmjax.encoders.transformer_config import TransformerOptions
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, NonNegative


class NaFlexViT(PatchTransformer):
    """A vision transformer over listed patches, f[B, N, 2 + p p C] -> pooled f[B, W], tokens.

    A patch is its row, its column and its pixels, as the view `image_patches` makes them; one that
    begins with NaN is none, and takes part in no attention and no pooling. Learned positions of one
    grid are resampled to that of each image, linearly along both axes, and antialiased. Tokens
    f[B, T, W] are, in this order: the class token (only with `pool='cls'`), `registers`, the
    patches; all after the final layer norm.

    Args:
      grid: (rows, columns) of the learned positions; an image may have others.
      patch: p, side of a patch in pixels.
      channels: C, of the image.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pool: `cls` a class token; `mean` of the patches; `map` attention pooling by a learned probe.
      pool_heads, pool_mlp_width: of the attention pooling; those of the blocks where None and 0.
      patch_bias: a bias in the patch embedding.
      pre_norm: a layer norm before the first block.
      registers: number of extra tokens without position.
      patch_dropout: part of the patches left out of each training image (Li et al. 2023, FLIP).
      activation, bias, eps, dropout, drop_path, layer_scale, init, scan, remat: see `Transformer`.
      dtype: of the computation; parameters and positions are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        grid: tuple[Count, Count] = (16, 16),
        patch: Count = 16,
        channels: Count = 3,
        pool: Pool = "map",
        pool_heads: Count | None = None,
        pool_mlp_width: CountOrZero = 0,
        patch_bias: bool = True,
        pre_norm: bool = False,
        registers: CountOrZero = 0,
        patch_dropout: BelowOne = 0.0,
        bias: bool = True,
        layer_scale: NonNegative | None = None,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        super().__init__(
            size=(grid[0] * patch, grid[1] * patch),
            patch=(patch, patch),
            channels=channels,
            pool=pool,
            pool_heads=pool_heads,
            pool_mlp_width=pool_mlp_width,
            patch_bias=patch_bias,
            pre_norm=pre_norm,
            registers=registers,
            patch_dropout=patch_dropout,
            bias=bias,
            layer_scale=layer_scale,
            dtype=dtype,
            rngs=rngs,
            **transformer,
        )
        self.numbers = 2 + patch * patch * channels

    def _embed(self, x: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        self._check(x)
        there = ~jnp.isnan(x[..., 0])
        x = jnp.where(there[..., None], x, 0).astype(jnp.float32)
        places = x[..., :2]
        y = self.stem.project(x[..., 2:].astype(self.dtype))  # type: ignore[attr-defined]
        assert self.position is not None
        learned = self.position[self.prefix :].reshape(*self.grid, self.width)
        own = positions.at_places(learned, places, places.max(axis=1) + 1)
        return y + own.astype(self.dtype), there

    def _check(self, x: jax.Array) -> None:
        if x.ndim != 3 or x.shape[-1] != self.numbers:
            raise EncoderError(
                f"patches of shape {x.shape} where [B, N, {self.numbers}] is expected: row, column "
                f"and pixels of each, by the view image_patches with patch={self.patches[0]}"
            )

    def _named(self, size: tuple[int, ...]) -> str:
        return f"grid={tuple(s // p for s, p in zip(size, self.patches, strict=True))}"

    def _patch_named(self, patch: tuple[int, ...]) -> str:
        return f"patch={patch[0]}"
