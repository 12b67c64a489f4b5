"""Text transformers: the text towers of CLIP and SigLIP, and BERT.

Settings that reproduce published models:

    CLIP    causal=True, pool='eot', activation='quick_gelu', eps=1e-5, init='clip'
    SigLIP  causal=False, pool='last', mask_padding=False, activation='gelu_tanh', init='xavier'
    BERT    causal=False, pool='cls', norm='post', embedding_norm=True, segments=2, eps=1e-12
    MPNet   as BERT, with segments=0, relative_buckets=32
    ModernBERT  causal=False, pool='cls', embedding_norm=True, first_norm=False, bias=False,
            activation='geglu', rotary={'base': 160000, 'window': 64}, eps=1e-5
"""

from __future__ import annotations

from typing import Literal, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.block import NormPlace
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import dropout, dropout_key, layer_norm
from mmjax.encoders.prompts import Prompts, parted
from mmjax.encoders.relative import Relative, Rotary, buckets, check_rotary
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.parallel.layout import whole
from mmjax.schema.bounds import Count, CountOrZero

Pool = Literal["eot", "last", "cls", "pooler", "mean", "map"]


class TextTransformer(Encoder):
    """A transformer over token ids, i32[B, T] -> pooled f[B, width] and tokens f[B, T, width].

    Args:
      vocab_size: number of token ids.
      length: the longest text, in tokens; shorter batches are fine.
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      causal: each position sees only those before it, and itself.
      pool: `eot` the vector at the first `eos_id` of each row (where a row has none, at its last
        attended position); `last` at its last attended position; `cls` at position 0; `pooler`
        tanh of a linear layer of that (BERT's pooler); `mean` over attended positions; `map`
        attention pooling by a learned probe.
      keep_last: give and pool the last so many real positions only, with `pool='mean'`; 0 for all.
        What stands there has read all before it, prompts too, if the tower is causal.
      pad_id: the id of padding.
      eos_id: the id that ends a text. Where it equals `pad_id`, the first one of a row is real.
      mask_padding: attend to real positions only; False attends to padding too, as SigLIP does.
      norm: `pre` (with a final layer norm) or `post`, see `Block`.
      embedding_norm: a layer norm after the embeddings (BERT).
      first_norm: False leaves out the first block's first norm, see `Transformer` (ModernBERT).
      segments: number of segment ("token type") embeddings; 0 for none.
      rotary: rotary positions, see `Rotary`, in place of one learned vector for each position.
      relative_buckets: number of learned scores that attention adds by distance, for each head
        (T5, MPNet), an even number of at least 4; 0 for none.
      activation, bias, eps, dropout, drop_path, init, scan, remat: see `Transformer`; `dropout`
        also follows the embeddings.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    transformer_defaults = TransformerConfig(width=512, heads=8)

    reads_prompts = True

    def __init__(
        self,
        *,
        vocab_size: Count,
        length: Count = 77,
        causal: bool = True,
        pool: Pool = "eot",
        keep_last: CountOrZero = 0,
        pad_id: CountOrZero = 0,
        eos_id: CountOrZero = 3,
        mask_padding: bool = True,
        norm: NormPlace = "pre",
        embedding_norm: bool = False,
        first_norm: bool = True,
        segments: CountOrZero = 0,
        rotary: Rotary | None = None,
        relative_buckets: CountOrZero = 0,
        bias: bool = True,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        config = self.transformer_defaults.of(transformer)
        width, eps, dropout = config.width, config.eps, config.dropout
        check_positive(vocab_size=vocab_size, length=length, width=width, depth=config.depth)
        check_choice("pool", pool, Pool)
        if segments < 0:
            raise EncoderError(f"segments={segments} is negative: give 0 for none")
        if pool == "eot" and not 0 <= eos_id < vocab_size:
            raise EncoderError(
                f"eos_id={eos_id} is no id of a vocabulary of vocab_size={vocab_size}: pool='eot' "
                "reads the position of that id"
            )
        if causal and pool in ("cls", "pooler"):
            raise EncoderError(
                f"pool={pool!r} reads position 0, which sees nothing but itself when causal=True: "
                "use pool='eot', or causal=False"
            )
        if keep_last and pool != "mean":
            raise EncoderError(
                f"keep_last={keep_last} is of pool='mean': leave it out for pool={pool!r}"
            )
        if relative_buckets % 2 or relative_buckets == 2:
            raise EncoderError(
                f"relative_buckets={relative_buckets}: an even number of at least 4, or 0 for none"
            )
        if rotary is not None:
            check_rotary(width, config.heads, 2)
        self.length, self.width, self.causal, self.pool = length, width, causal, pool
        self.head_size, self.depth, self.rotary = width // config.heads, config.depth, rotary
        self.vocab_size = vocab_size
        self.pad_id, self.eos_id, self.mask_padding = pad_id, eos_id, mask_padding
        self.dropout, self.dtype, self.keep_last = dropout, dtype, keep_last

        weights = initialization(config.init, width=width, depth=config.depth)

        def learned(initializer: nnx.Initializer, rows: int) -> nnx.Param[jax.Array]:
            return nnx.Param(initializer(rngs.params(), (rows, width), jnp.float32))

        self.token = learned(weights.token, vocab_size)
        self.position = learned(weights.position, length) if rotary is None else None
        self.segment = learned(weights.token, segments) if segments else None
        self.distance = (
            nnx.Param(
                weights.position(rngs.params(), (relative_buckets, config.heads), jnp.float32)
            )
            if relative_buckets
            else None
        )
        self.embedding_norm = (
            layer_norm(width, eps=eps, dtype=dtype, rngs=rngs) if embedding_norm else None
        )
        self.transformer = Transformer(
            norm=norm,
            final_norm=norm == "pre",
            first_norm=first_norm,
            bias=bias,
            dtype=dtype,
            rngs=rngs,
            **config.options(),
        )
        self.probe = (
            pooling.attention_pooling(config, bias=bias, init=weights, dtype=dtype, rngs=rngs)
            if pool == "map"
            else None
        )
        self.pooler = (
            nnx.Linear(width, width, kernel_init=weights.attention_out, dtype=dtype, rngs=rngs)
            if pool == "pooler"
            else None
        )

    def __call__(
        self,
        x: jax.Array,
        *,
        segments: jax.Array | None = None,
        prompts: Prompts | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Encoding:
        """Encodes token ids.

        Args:
          x: i32[B, T], T at most `length`, every id below `vocab_size` (another gives NaN).
          segments: i32[B, T], which segment embedding each position gets; all 0 where None.
          prompts: learned vectors behind the first position, see `Transformer`.
          train: apply dropout and drop-path.
          rngs: random numbers for them; may be None where their rates are 0.

        Returns:
          Encoding whose mask is True at real positions, also where padding is attended to.
        """
        check_ids(x, self.length)
        if segments is not None and self.segment is None:
            raise EncoderError("segments were given to a text encoder built with segments=0")

        y = self._embed(x, segments)
        y = dropout(y, self.dropout, dropout_key(rngs, train, self.dropout))

        real = real_positions(x, self.pad_id, self.eos_id)
        attended = real if self.mask_padding else None
        tokens = self.transformer(
            y,
            mask=attended,
            causal=self.causal,
            relative=self._relative(x.shape[1]),
            kinds=None if self.rotary is None else self.rotary.kinds(self.depth),
            prompts=prompts,
            train=train,
            rngs=rngs,
        )
        tokens, own = parted(tokens, prompts)
        if self.keep_last:
            tokens, real = pooling.last_tokens(tokens, real, self.keep_last)
            return Encoding(pooling.mean(tokens, real), tokens, real, own)
        return Encoding(self._pool(tokens, x, attended), tokens, real, own)

    def words(self, ids: tuple[int, ...]) -> jax.Array:
        """What the first block is given for token ids behind the first position, f[n, width]."""
        behind = jnp.asarray((0, *ids), jnp.int32)  # 0 stands for the first, whatever it is
        return self._embed(behind[None])[0, 1:]

    def _relative(self, length: int) -> Relative | None:
        """Of texts of this length; None where attention is told of no positions."""
        if self.rotary is None and self.distance is None:
            return None
        found = Relative() if self.rotary is None else self.rotary.relative(length, self.head_size)
        if self.distance is None:
            return found
        which = buckets(length, self.distance.shape[0])
        bias = jnp.moveaxis(self.distance[...][which], -1, 0).astype(self.dtype)
        count = 1 if found.rotary is None else len(found.rotary)
        return found._replace(bias=jnp.broadcast_to(bias, (count, *bias.shape)))

    def _embed(self, x: jax.Array, segments: jax.Array | None = None) -> jax.Array:
        y = jnp.take(whole(self.token[...]), x, axis=0)
        if self.position is not None:
            y = y + self.position[: x.shape[1]]
        if self.segment is not None:
            y = y + (self.segment[0] if segments is None else self.segment[...][segments])
        y = y.astype(self.dtype)
        return y if self.embedding_norm is None else self.embedding_norm(y)

    def _pool(self, tokens: jax.Array, ids: jax.Array, attended: jax.Array | None) -> jax.Array:
        if self.pool == "cls":
            return tokens[:, 0]
        if self.pooler is not None:
            return jnp.tanh(self.pooler(tokens[:, 0]))
        if self.pool == "mean":
            return pooling.mean(tokens, attended)
        if self.probe is not None:
            return self.probe(tokens, attended)
        if attended is None:
            last = jnp.full(ids.shape[:1], ids.shape[1] - 1)
        else:
            last = pooling.last_position(attended)
        if self.pool == "eot":
            ends = ids == self.eos_id
            last = jnp.where(ends.any(axis=1), jnp.argmax(ends, axis=1), last)
        return pooling.at(tokens, last)


def check_ids(ids: jax.Array, length: int) -> None:
    """Raises EncoderError unless `ids` is i32[B, T] with T of at most `length`."""
    if ids.ndim != 2 or not jnp.issubdtype(ids.dtype, jnp.integer):
        raise EncoderError(
            f"text of shape {ids.shape} and type {ids.dtype} where i32[B, T] is needed"
        )
    if ids.shape[1] > length:
        raise EncoderError(
            f"text of {ids.shape[1]} tokens for an encoder of length={length}: "
            "make the text view's length smaller, or the encoder's larger"
        )


def real_positions(ids: jax.Array, pad_id: int, eos_id: int) -> jax.Array:
    """Which positions hold text and not padding, i32[B, T] -> bool[B, T].

    Some tokenizers pad with the end-of-text id (CLIP's, as published); the first one is real then.
    """
    real = ids != pad_id
    if pad_id == eos_id:
        real |= ~real & (jnp.cumsum(~real, axis=1) == 1)
    return real
