"""Vision transformers: ViT, DeiT, the image towers of CLIP and SigLIP, DINOv2.

Dosovitskiy et al. 2021, "An image is worth 16x16 words". Settings that reproduce published models:

    CLIP    pool='cls', activation='quick_gelu', patch_bias=False, pre_norm=True, eps=1e-5,
            init='clip'
    SigLIP  pool='map', activation='gelu_tanh', eps=1e-6, init='xavier'
    ViT     pool='cls', activation='gelu', eps=1e-12 (of the published weights)
    DINOv2  pool='cls', activation='gelu', eps=1e-6, layer_scale=1.0 (giant: 'swiglu'; registers=4)
    DINOv3  as DINOv2, with eps=1e-5, registers=4, positions='none', rotary={'base': 100.0}
"""

from __future__ import annotations

from typing import Unpack

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError
from mmjax.encoders.patches import PatchTransformer, Pool, Positions, StemKind
from mmjax.encoders.relative import GridRotary
from mmjax.encoders.transformer_config import TransformerOptions
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, NonNegative


class ViT(PatchTransformer):
    """A vision transformer, f[B, H, W, C] -> pooled f[B, width] and tokens f[B, T, width].

    Tokens are, in this order: the class token (only with `pool='cls'`), `registers`, the patches
    row by row; all after the final layer norm.

    Args:
      image_size: (height, width) in pixels, each divisible by `patch`.
      patch: side of a patch in pixels; the stride of the whole stem.
      channels: of the image.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pool: `cls` a class token; `mean` of the patches; `map` attention pooling by a learned probe.
      pool_heads: of the attention pooling; `heads` where None.
      pool_mlp_width: of its MLP; that of the blocks where 0.
      positions: `learned`, one vector for each patch and for the class token; or `sincos`, fixed,
        for patches only, which take images of any size; `none` goes with `rotary`.
      rotary: attention turns queries and keys of patches, see `GridRotary`.
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
        image_size: tuple[Count, Count] = (224, 224),
        patch: Count = 16,
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
        bias: bool = True,
        layer_scale: NonNegative | None = None,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        super().__init__(
            size=image_size,
            patch=(patch, patch),
            channels=channels,
            pool=pool,
            pool_heads=pool_heads,
            pool_mlp_width=pool_mlp_width,
            positions=positions,
            rotary=rotary,
            stem=stem,
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
        self.image_size, self.patch = tuple(image_size), patch

    def _check(self, x: jax.Array) -> None:
        if x.ndim != 4 or x.shape[3] != self.channels:
            raise EncoderError(
                f"images of shape {x.shape} where [B, H, W, {self.channels}] is expected"
            )
        size = x.shape[1:3]
        if self.position is not None and size != self.image_size:
            raise EncoderError(
                f"images of {size} pixels for a ViT with learned positions for {self.image_size}: "
                "the view's size and the encoder's image_size have to be the same (pretrained "
                "positions are interpolated to it)"
            )
        if size[0] % self.patch or size[1] % self.patch:
            raise EncoderError(f"images of {size} pixels are not divisible by patch={self.patch}")

    def _named(self, size: tuple[int, ...]) -> str:
        return f"image_size={size}"

    def _patch_named(self, patch: tuple[int, ...]) -> str:
        return f"patch={patch[0]}"
