"""The block of a transformer: attention and an MLP, for all inputs or for some skills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.initializers import Initialization
from mmjax.encoders.layers import (
    Activation,
    Attention,
    FeedForward,
    LayerScale,
    drop_path,
    dropout,
    fold_in,
    layer_norm,
    split_key,
)
from mmjax.encoders.relative import Relative

NormPlace = Literal["pre", "post"]


class Block(nnx.Module):
    """Attention and an MLP, each a residual branch, f[B, T, W] -> f[B, T, W].

    `norm='pre'`:  x = x + scale(attention(norm(x)));  x = x + scale(mlp(norm(x)))  (GPT-2, ViT).
    `norm='post'`: x = norm(x + scale(attention(x)));  x = norm(x + scale(mlp(x)))  (BERT).

    Where `normed` is False, the first norm of a pre-norm block is left out.

    With `skills` there is an MLP for each (and with `skill_attention` attention, too), and the mean
    of what those give that a call names stands for what one would give.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        mlp_width: int,
        norm: NormPlace,
        activation: Activation,
        bias: bool,
        eps: float,
        dropout: float,
        drop_key: float,
        layer_scale: float | None,
        sliced: bool,
        skills: tuple[str, ...] = (),
        skill_attention: bool = False,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.norm, self.dropout = norm, dropout
        self.skilled, self.skill_attention = bool(skills), skill_attention
        common: dict[str, Any] = {
            "width": width,
            "bias": bias,
            "init": init,
            "dtype": dtype,
            "rngs": rngs,
        }
        self.attention_norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs)
        of_attention: dict[str, Any] = {"heads": heads, "sliced": sliced, "drop": drop_key}
        of_mlp: dict[str, Any] = {"hidden": mlp_width, "activation": activation}
        if skill_attention:
            each = {skill: Attention(**of_attention, **common) for skill in skills}
            self.attentions = nnx.Dict(each)
        else:
            self.attention = Attention(**of_attention, **common)
        self.mlp_norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs)
        if skills:
            self.mlps = nnx.Dict({skill: FeedForward(**of_mlp, **common) for skill in skills})
        else:
            self.mlp = FeedForward(**of_mlp, **common)
        self.scaled = layer_scale is not None
        if layer_scale is not None:
            self.attention_scale = LayerScale(width, start=layer_scale, dtype=dtype)
            self.mlp_scale = LayerScale(width, start=layer_scale, dtype=dtype)

    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        causal: bool = False,
        relative: Relative | None = None,
        normed: jax.Array | None = None,
        key: jax.Array | None = None,
        drop_path_rate: jax.Array | None = None,
        skills: tuple[str, ...] = (),
    ) -> jax.Array:
        attentions = [self.attentions[s] for s in skills] if self.skill_attention else None
        mlps = [self.mlps[s] for s in skills] if self.skilled else None
        keys = (None,) * 4 if key is None else split_key(key, 4)
        # Apart from the others, which are what they would be without it.
        of_keys = None if key is None else fold_in(key, 4)

        def attend(y: jax.Array) -> jax.Array:
            own = [self.attention] if attentions is None else attentions
            how: Any = {"mask": mask, "causal": causal, "relative": relative, "rng": of_keys}
            y = _mean([attention(y, **how) for attention in own])
            y = dropout(y, self.dropout, keys[0])
            return drop_path(self.attention_scale(y) if self.scaled else y, drop_path_rate, keys[1])

        def feed(y: jax.Array) -> jax.Array:
            own = [self.mlp] if mlps is None else mlps
            y = dropout(_mean([mlp(y) for mlp in own]), self.dropout, keys[2])
            return drop_path(self.mlp_scale(y) if self.scaled else y, drop_path_rate, keys[3])

        if self.norm == "pre":
            y = self.attention_norm(x)
            x = x + attend(y if normed is None else jnp.where(normed, y, x))
            return x + feed(self.mlp_norm(x))
        x = self.attention_norm(x + attend(x))
        x = self.mlp_norm(x + feed(x))
        return x


def _mean(parts: Sequence[jax.Array]) -> jax.Array:
    return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0]) / len(parts)
