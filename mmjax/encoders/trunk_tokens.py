"""The encoder `trunk_tokens`: a stem of its own, and a trunk that other towers run through, too."""

from __future__ import annotations

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.initializers import Scheme, initialization
from mmjax.encoders.registry import ENCODERS
from mmjax.encoders.trunk import Trunk
from mmjax.schema.bounds import Count, CountOrZero
from mmjax.schema.names import PartName
from mmjax.schema.registry import Spec

TrunkPool = Literal["cls", "first", "mean", "last", "summary"]


class TrunkTokens(Encoder):
    """A tower of a shared trunk: the tokens of a stem, through one transformer for all modalities.

    The stem is any encoder. Its tokens are mapped to the trunk's width by a linear layer of this
    tower; with `prefix` so many tokens are made of the stem's pooled vector, as language models see
    images. Positions and class token are this tower's own as well. `model.trunks` has
    the trunk, whose parameters are those of all its towers: a gradient is the sum of theirs.

    Plain stems are `bag_of_tokens` with `window=1` and `width=None`, the vectors of token ids;
    `patch_tokens`, of images, clips and spectrograms; `token_mlp`, of sequences of vectors.

    Args:
      stem: the encoder below the trunk.
      trunk: its name in `model.trunks`.
      width: W of the trunk.
      skills: those of the trunk that are active for this modality.
      length: the most tokens, each of whose places has a learned vector; 0 for sets, whose tokens
        have no place.
      prefix: tokens that are made of the stem's pooled vector; None takes the stem's tokens.
      pool: `cls`, a learned vector before the tokens; `first`, the first of them, such as [CLS] of
        a tokenizer; `mean` over them; `last`, the last one that is real, for causal trunks; or
        `summary`, the last of the trunk's own vectors of that name, which stand behind the tokens.
      init: named initialisation of places and class token, see `initializers`; places start larger
        with 'xavier', which suits stems of tokens that are large from the start.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        stem: Annotated[Spec[Encoder], ENCODERS],
        trunk: PartName,
        width: Count,
        skills: tuple[PartName, ...] = (),
        length: CountOrZero,
        prefix: Count | None = None,
        pool: TrunkPool = "cls",
        init: Scheme = "trunc_normal",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(width=width)
        check_choice("pool", pool, TrunkPool)
        if stem.type == "trunk_tokens":
            raise EncoderError("stem.type='trunk_tokens': a stem stands below the trunk")
        self.trunk, self.width, self.skills, self.pool = trunk, width, tuple(skills), pool
        self.length, self.prefix, self.dtype = length, prefix, dtype
        self.stem = stem.build(dtype=dtype, rngs=rngs)
        self.reads_present = self.stem.reads_present
        if prefix is None:
            inputs, outputs = self.stem.token_width or self.stem.width, width
        else:
            inputs, outputs = self.stem.width, width * prefix
        self.project = nnx.Linear(inputs, outputs, dtype=dtype, rngs=rngs)

        start = initialization(init, width=width, depth=1)

        def learned(rows: int, initializer: nnx.Initializer) -> nnx.Param[jax.Array] | None:
            if not rows:
                return None
            return nnx.Param(initializer(rngs.params(), (rows, width), jnp.float32))

        self.position = learned(length, start.position)
        self.class_token = learned(int(pool == "cls"), start.special)

    def __call__(
        self,
        x: jax.Array,
        *,
        trunk: Trunk | None = None,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
        **present: jax.Array,
    ) -> Encoding:
        """Encodes what the stem takes; see `mmjax.encoders.base`.

        Args:
          x: values of the modality, [B, ...].
          trunk: that `trunk` names.
          train: as in training.
          rngs: random numbers of stem and trunk.
          **present: `present`, of stems that read it.

        Returns:
          Encoding whose tokens are the class token (only with `pool='cls'`) and those of the stem.
          Those of a trunk's summary are left out.
        """
        if trunk is None:
            raise EncoderError(f"it runs through the trunk {self.trunk!r}, which is not given")
        below = self.stem(x, train=train, rngs=rngs, **present)
        tokens, mask = self._tokens(below)
        y = self.project(tokens)
        y = y.reshape(y.shape[0], -1, self.width)
        if self.position is not None:
            if y.shape[1] > self.length:
                raise EncoderError(
                    f"its stem gives {y.shape[1]} tokens, but length={self.length}: make it as many"
                )
            y = y + self.position[: y.shape[1]].astype(self.dtype)
        if self.class_token is not None:
            first = jnp.broadcast_to(
                self.class_token[...].astype(self.dtype), (y.shape[0], 1, self.width)
            )
            y = jnp.concatenate([first, y], axis=1)
            mask = None if mask is None else jnp.pad(mask, ((0, 0), (1, 0)), constant_values=True)
        inputs, seen = y, mask
        if self.pool == "summary":
            more, there = trunk.summaries(y)
            y = jnp.concatenate([y, more], axis=1)
            seen = None if mask is None else jnp.concatenate([mask, there], axis=1)
        y = trunk(y, mask=seen, skills=self.skills, train=train, rngs=rngs)
        tokens = y[:, : inputs.shape[1]]
        pooled = y[:, -1] if self.pool == "summary" else self._pool(tokens, mask)
        return Encoding(pooled, tokens, mask, inputs=inputs)

    def _tokens(self, below: Encoding) -> tuple[jax.Array, jax.Array | None]:
        """What the trunk gets, before the projection, f[B, T, S], and which are there."""
        if self.prefix is not None:
            return below.pooled[:, None], None
        if below.tokens is None:
            raise EncoderError(
                "its stem gives no tokens: set 'prefix' to the number of tokens that are made of "
                "its pooled vector"
            )
        return below.tokens, below.mask

    def _pool(self, y: jax.Array, mask: jax.Array | None) -> jax.Array:
        if self.pool in ("cls", "first"):
            return y[:, 0]
        if self.pool == "mean":
            return pooling.mean(y, mask)
        return y[:, -1] if mask is None else pooling.at(y, pooling.last_position(mask))


ENCODERS.register("trunk_tokens", TrunkTokens)
