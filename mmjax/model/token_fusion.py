"""Fusions of tokens: one transformer over those of all inputs, or all of them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import EncoderError, Encoding, check_choice
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig, TransformerOptions
from mmjax.model.base import Fusion, FusionInput
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.model.heads import LinearHead
from mmjax.schema.bounds import Count, Factor

FusionPool = Literal["end", "mean"]
Kinds = Literal["tower", "view"]


class TransformerFusion(Fusion):
    """A transformer over the tokens of all inputs, one behind the other.

    The encoder's tokens of each input, or its pooled vector where it has none, go through a linear
    layer of their tower and get a learned vector of their kind; a transformer without further
    positions (a tower that knows places puts them into its tokens) makes one sequence of them. With
    `pool='end'` a learned token stands at the end, one for each combination of kinds, and a linear
    layer brings what becomes of it to the joint space: the early fusion of multimodal language
    models with last-token pooling (Zhong et al. 2024, InstructCIR, arXiv 2412.05756). With
    `tokens=True` all tokens go there, too, and `Encoding.groups` says which input each is of
    (contextualised late interaction: Wan et al. 2025, CLaMR, arXiv 2506.06144).

    Args:
      dim: size of the embedding.
      pool: `end`, or the `mean` of the tokens that are there.
      kinds: what has a learned vector of its own: each `tower`, so that two texts of one tower
        are read alike, or each `view`.
      tokens: bring the tokens to the joint space, too, by the same layer.
      inputs: of every output.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
      transformer: options, see `TransformerConfig`.
    """

    transformer_defaults: ClassVar[TransformerConfig] = TransformerConfig(
        width=64, depth=2, heads=4
    )

    def __init__(
        self,
        *,
        dim: Count,
        pool: FusionPool = "end",
        kinds: Kinds = "tower",
        tokens: bool = False,
        inputs: tuple[tuple[FusionInput, ...], ...],
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        **transformer: Unpack[TransformerOptions],
    ):
        check_choice("pool", pool, FusionPool)
        check_choice("kinds", kinds, Kinds)
        config = self.transformer_defaults.of(transformer)
        self.dim, self.pool, self.tokens, self.dtype = dim, pool, tokens, dtype
        self.dropout = max(config.dropout, config.drop_path, config.drop_key)
        self.inputs = inputs
        width = config.width
        start = nnx.initializers.normal(0.02)
        towers = {each.tower: each.width for own in inputs for each in own}
        self.project = nnx.Dict(
            {
                name: nnx.Linear(size, width, dtype=dtype, rngs=rngs)
                for name, size in sorted(towers.items())
            }
        )
        of_outputs = [
            tuple(each.tower if kinds == "tower" else each.name for each in own) for own in inputs
        ]
        known = tuple(dict.fromkeys(kind for own in of_outputs for kind in own))
        self.kinds = tuple(tuple(known.index(kind) for kind in own) for own in of_outputs)
        self.kind = nnx.Param(start(rngs.params(), (len(known), width), jnp.float32))
        ends = tuple(dict.fromkeys(of_outputs))
        self.ends = tuple(ends.index(own) for own in of_outputs)
        key = rngs.params()
        self.end = nnx.Param(start(key, (len(ends), width), jnp.float32)) if pool == "end" else None
        options = config.options()
        self.transformer = Transformer(**options, dtype=dtype, rngs=rngs)
        self.head = LinearHead(dim=dim, tokens=tokens, width=width, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        parts: Sequence[Embedding],
        output: int,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Embedding:
        tokens, masks = [], []
        for part, own, kind in zip(parts, self.inputs[output], self.kinds[output], strict=True):
            if part.encoding is None:
                raise EncoderError(f"only embeddings of {own.name!r} were kept, no tokens")
            there = part.encoding.tokens is not None
            x = part.encoding.tokens if there else part.encoding.pooled[:, None]
            assert x is not None
            mask = part.encoding.mask if there else None
            tokens.append(self.project[own.tower](x) + self.kind[kind].astype(self.dtype))
            masks.append(jnp.ones(x.shape[:2], bool) if mask is None else mask)
        x, mask = jnp.concatenate(tokens, axis=1), jnp.concatenate(masks, axis=1)
        seen, count = mask, x.shape[1]
        if self.end is not None:
            end = self.end[self.ends[output]].astype(x.dtype)
            x = jnp.concatenate([x, jnp.broadcast_to(end, (x.shape[0], 1, x.shape[2]))], axis=1)
            seen = jnp.pad(mask, ((0, 0), (0, 1)), constant_values=True)
        x = self.transformer(x, mask=seen, train=train, rngs=rngs)
        pooled = x[:, count] if self.end is not None else pooling.mean(x, seen)
        raw, x = self.head(pooled), x[:, :count]
        unit = unit_norm(self.head(x)) if self.tokens else None
        return Embedding(
            raw, unit_norm(raw), Encoding(pooled, x, mask, groups=_groups(masks)), unit
        )


class TokenConcatFusion(Fusion):
    """The tokens of all inputs side by side, f32[B, Σ T_m F], each the first F numbers of a token.

    For a linear map of all of them, such as the term `regression`, as forecasts from patches of a
    series and a text have it. The tokens are those that the encoders give; padding is 0. With
    `balance` those of each input after the first are brought to the scale of the first's: with
    σ_f(z) the standard deviation of feature f over the tokens of a row,

        z_mf <- z_mf σ_f(z_1) / σ_f(z_m),

    through which gradients go, too; the mean stays (Zhou et al. 2025, BALM-TSF, arXiv 2509.00622;
    1e-8 is added to variances and to σ).

    Args:
      tokens: T_m of each input.
      features: F, at most the width of each.
      weights: factor of each input's tokens, before they are balanced; 1 where None.
      balance: see above.
      inputs: of every output.
    """

    def __init__(
        self,
        *,
        tokens: tuple[Count, ...],
        features: Count,
        weights: tuple[Factor, ...] | None = None,
        balance: bool = False,
        inputs: tuple[tuple[FusionInput, ...], ...],
    ):
        weights = (1.0,) * len(tokens) if weights is None else weights
        for own in inputs:
            if not len(tokens) == len(weights) == len(own):
                raise EncoderError(
                    f"tokens={tokens} and weights={weights} should be one number for each of "
                    f"{len(own)} inputs"
                )
            for each in own:
                if each.width < features:
                    raise EncoderError(
                        f"features={features} are more than the {each.width} of the tokens of "
                        f"{each.name!r}"
                    )
        if balance and len(tokens) < 2:
            raise EncoderError("balance=True needs two inputs: there is nothing to bring to scale")
        self.tokens, self.features, self.weights = tuple(tokens), features, tuple(weights)
        self.balance, self.inputs = balance, inputs
        self.dim = sum(tokens) * features

    def __call__(
        self,
        parts: Sequence[Embedding],
        output: int,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Embedding:
        flat, scale = [], None
        for i, part in enumerate(parts):
            x, mask = self._tokens(part, i, output)
            x = jnp.where(mask, x[..., : self.features].astype(jnp.float32), 0.0) * self.weights[i]
            if self.balance:
                own = _deviation(x, mask)
                scale = own if scale is None else scale
                x = x if i == 0 else x / (own / (scale + 1e-8))
            flat.append(x.reshape(len(x), -1))
        raw = jnp.concatenate(flat, axis=1)
        return Embedding(raw, unit_norm(raw), Encoding(raw))

    def _tokens(self, part: Embedding, i: int, output: int) -> tuple[jax.Array, jax.Array]:
        """Tokens of an input, f[B, T, W], and which are there, bool[B, T, 1]."""
        name = self.inputs[output][i].name
        tokens = None if part.encoding is None else part.encoding.tokens
        if tokens is None or tokens.shape[1] != self.tokens[i]:
            found = "none" if tokens is None else f"{tokens.shape[1]}"
            raise EncoderError(
                f"tokens={self.tokens}, but the encoder of {name!r} gives {found}: set that"
            )
        assert part.encoding is not None
        mask = part.encoding.mask
        there = jnp.ones(tokens.shape[:2], bool) if mask is None else mask
        return tokens, there[:, :, None]


def _deviation(x: jax.Array, mask: jax.Array) -> jax.Array:
    """f32[B, 1, F], the standard deviation of each feature over the tokens that are there."""
    count = jnp.maximum(mask.sum(1, keepdims=True), 1)
    mean = x.sum(1, keepdims=True) / count  # of others all is 0
    squares = jnp.where(mask, jnp.square(x - mean), 0.0).sum(1, keepdims=True)
    return jnp.sqrt(squares / count + 1e-8)


def _groups(masks: Sequence[jax.Array]) -> jax.Array:
    """bool[B, n, T], which of all tokens are of which input; its own masks bool[B, T_i]."""
    rows = []
    for i in range(len(masks)):
        own = [mask if i == j else jnp.zeros_like(mask) for j, mask in enumerate(masks)]
        rows.append(jnp.concatenate(own, axis=1))
    return jnp.stack(rows, axis=1)
