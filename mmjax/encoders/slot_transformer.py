"""The encoder `slot_transformer`: over the tokens of many modalities, those that are seen."""

from __future__ import annotations

from typing import Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.encoders.initializers import initialization
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.schema.bounds import Count
from mmjax.schema.slots import Slots, first_codes, owners


class SlotTransformer(Encoder):
    """A transformer over the discrete tokens that are seen, i32[B, S] -> tokens f[B, K, W].

    Each of S places belongs to a modality. A token there is the sum of the vector of its number, of
    its place and of its modality; what is -1 is not there, and no work is done for it: of each
    example K tokens at most go through the blocks, in the order of their places. `pooled` is the
    mean over those that are there. The encoder of Bachmann et al. 2024 (arXiv 2406.09406, 4M-21),
    for modalities that are tokens, with biases and without gates in its MLPs.

    Args:
      slots: modality -> (tokens, codes): how many places it has, and below what its numbers are.
      length: K; None for S. Of more tokens the first K are taken.
      width, depth, heads: of the transformer, and so on: see `TransformerConfig`.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(init="xavier")

    def __init__(
        self,
        *,
        slots: Slots,
        length: Count | None = None,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        if not slots:
            raise EncoderError("slots={} names no modality: give {name: (tokens, codes)}")
        config = self.transformer_defaults.of(transformer)
        self.width, self.dtype = config.width, dtype
        check_positive(width=self.width)
        codes, first = [own for _, own in slots.values()], first_codes(slots)
        # Of each place: its modality, the last number there, and where its vectors begin.
        self._modality = owners(slots)
        self._last = tuple(codes[m] - 1 for m in self._modality)
        self._first = tuple(first[m] for m in self._modality)
        self.length = min(length or len(self._modality), len(self._modality))
        start = initialization(config.init, width=self.width, depth=config.depth)

        def learned(rows: int, initializer: nnx.Initializer) -> nnx.Param[jax.Array]:
            return nnx.Param(initializer(rngs.params(), (rows, self.width), jnp.float32))

        self.token = learned(sum(codes), start.token)
        self.position = learned(len(self._modality), start.position)
        self.modality = learned(len(slots), start.token)
        self.transformer = Transformer(**config.options(), dtype=dtype, rngs=rngs)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes i32[B, S] tokens; see `mmjax.encoders.base`."""
        if x.ndim != 2 or x.shape[1] != len(self._modality):
            raise EncoderError(
                f"tokens of shape {x.shape} where [B, {len(self._modality)}] is expected"
            )
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise EncoderError(f"tokens are of {x.dtype}; whole numbers are expected")
        place = jnp.argsort(x < 0, axis=1, stable=True)[:, : self.length]  # those seen come first
        ids = jnp.take_along_axis(x, place, axis=1)
        there = ids >= 0
        ids = jnp.clip(ids, 0, jnp.asarray(self._last)[place])
        y = self.token[...][jnp.asarray(self._first)[place] + ids] + self.position[...][place]
        y = y + self.modality[...][jnp.asarray(self._modality)[place]]
        y = jnp.where(there[..., None], y, 0.0).astype(self.dtype)
        y = self.transformer(y, mask=there, train=train, rngs=rngs)
        return Encoding(pooling.mean(y, there), y, there)
