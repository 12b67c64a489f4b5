"""A text encoder in levels: the words of a sentence, the sentences of a text, the text.

small       length=6, width=32, depth=2, heads=4, blocks=(1, 1)
BERT base   length=512, width=768, depth=12, heads=12, norm='post', embedding_norm=True,
            segments=2, eps=1e-12, blocks=(4, 4)
"""

from __future__ import annotations

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive
from mmjax.encoders.block import NormPlace
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import dropout, dropout_key, keys_of_parts, layer_norm, split_key
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.parallel.layout import rows, whole
from mmjax.schema.bounds import Count, CountOrZero


class HierarchicalText(Encoder):
    """A hierarchical text transformer, ids i32[B, S, W] -> pooled f[B, width], tokens a sentence.

    One transformer in three parts. Its first blocks attend within each of the S sentences of at
    most W words; a sentence then is the mean of its words, with a position for its place in the
    text. The next blocks attend over the sentences, and so do the last ones; the text is the mean
    of its sentences. Tokens are the sentences after the last block. Heads with `level` read what
    lies below:

        words      tokens f[B, S W, width] after the first part, sentence by sentence
        sentences  tokens f[B, S, width] after the second part

    After pre-norm blocks each level, and what goes on to the next one, is through the final layer
    norm. A sentence without a real word is masked in attention and in every mean, whatever its
    values; so is padding within a sentence. This is the text tower of Zhang et al. 2025 (arXiv
    2508.12108, VELVET-Med, "TriBERT"), as far as it is known: a BERT cut into three parts, of which
    it may take the weights (`init_from`). With blocks=(depth, 0) sentences do not see each other.

    Args:
      vocab_size: number of token ids.
      length: number of positions, for the words of a sentence and for the sentences of a text
        alike, so that neither may be more; both views may be smaller.
      blocks: of words, and of sentences; those that are left of `depth` are of the text.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      pad_id: the id of padding.
      norm: `pre` (with a final layer norm) or `post`, see `Block`.
      embedding_norm: a layer norm after the embeddings of words (BERT).
      segments: number of segment embeddings, of which each word gets the first; 0 for none.
      activation, bias, eps, dropout, drop_path, init, scan, remat: see `Transformer`; `dropout`
        also follows the embeddings.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(width=512, heads=8)

    def __init__(
        self,
        *,
        vocab_size: Count,
        length: Count = 32,
        blocks: tuple[CountOrZero, CountOrZero] = (4, 4),
        pad_id: CountOrZero = 0,
        norm: NormPlace = "pre",
        embedding_norm: bool = False,
        segments: CountOrZero = 0,
        bias: bool = True,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        check_positive(vocab_size=vocab_size, length=length, width=config.width, depth=config.depth)
        if not 1 <= blocks[0] <= blocks[0] + blocks[1] <= config.depth:
            raise EncoderError(
                f"blocks={blocks} of depth={config.depth}: at least one is of words, and both "
                "together are no more than all"
            )
        self.length, self.width, self.pad_id, self.dtype = length, config.width, pad_id, dtype
        self.rate = max(config.dropout, config.drop_path, config.drop_key)
        self.dropout = config.dropout
        # The blocks that attend over words, over sentences, and over what stands for the text.
        self.parts = ((0, blocks[0]), (blocks[0], sum(blocks)), (sum(blocks), config.depth))
        weights = initialization(config.init, width=config.width, depth=config.depth)

        def learned(initializer: nnx.Initializer, count: int) -> nnx.Param[jax.Array]:
            return nnx.Param(initializer(rngs.params(), (count, config.width), jnp.float32))

        self.token = learned(weights.token, vocab_size)
        self.position = learned(weights.position, length)
        self.segment = learned(weights.token, segments) if segments else None
        self.embedding_norm = (
            layer_norm(config.width, eps=config.eps, dtype=dtype, rngs=rngs)
            if embedding_norm
            else None
        )
        self.transformer = Transformer(
            norm=norm,
            final_norm=norm == "pre",
            bias=bias,
            dtype=dtype,
            rngs=rngs,
            **config.options(),
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes ids i32[B, S, W]; see `mmjax.encoders.base`. An unknown id gives NaN."""
        if x.ndim != 3 or not jnp.issubdtype(x.dtype, jnp.integer):
            raise EncoderError(
                f"texts of shape {x.shape} and type {x.dtype} where i32[B, S, W] is needed: ids by "
                "the view 'sentences'"
            )
        batch, count, longest = x.shape
        if max(count, longest) > self.length:
            raise EncoderError(
                f"texts of {count} sentences of {longest} words for an encoder of "
                f"length={self.length}: make the view's sizes smaller, or the encoder's larger"
            )
        key = dropout_key(rngs, train, self.rate)
        of_words = of_text = None
        if key is not None:
            first, of_text = split_key(key, 2)
            of_words = keys_of_parts(first, batch, count)

        real = x != self.pad_id  # [B, S, W]
        there = real.any(2)
        within = rows(real.reshape(batch * count, longest))
        y = rows(self._embed(x.reshape(batch * count, longest)))
        if of_words is not None:
            of_words, own = split_key(of_words, 2)
            y = dropout(y, self.dropout, own)
        words = self._run(0, y, within, train, of_words)
        words = words.reshape(batch, count * longest, self.width)
        flat = real.reshape(batch, -1)
        levels = {"words": Encoding(pooling.mean(words, flat), words, flat)}

        y = pooling.mean(words.reshape(batch * count, longest, self.width), within)
        y = rows(y.reshape(batch, count, self.width))
        if self.parts[1][0] < self.parts[2][1]:
            y = y + self.position[:count].astype(self.dtype)
        keys = (None, None) if of_text is None else split_key(of_text, 2)
        sentences = self._run(1, y, there, train, keys[0])
        levels["sentences"] = Encoding(pooling.mean(sentences, there), sentences, there)
        tokens = self._run(2, sentences, there, train, keys[1])
        return Encoding(pooling.mean(tokens, there), tokens, there, levels=levels)

    def _embed(self, ids: jax.Array) -> jax.Array:
        """Words of sentences i32[N, W] with their positions, f[N, W, width]."""
        y = jnp.take(whole(self.token[...]), ids, axis=0) + self.position[: ids.shape[1]]
        if self.segment is not None:
            y = y + self.segment[0]
        y = y.astype(self.dtype)
        return y if self.embedding_norm is None else self.embedding_norm(y)

    def _run(
        self, part: int, y: jax.Array, mask: jax.Array, train: bool, key: jax.Array | None
    ) -> jax.Array:
        """One part of the blocks, and the final norm behind it; without blocks `y` itself."""
        own = self.parts[part]
        if own[0] == own[1]:
            return y
        options: dict[str, Any] = {"train": train, "part": own}
        options["rngs"] = None if key is None else nnx.Rngs(dropout=key)
        y = self.transformer(y, mask=mask, **options)
        return y if self.transformer.norm is None else self.transformer.norm(y)
