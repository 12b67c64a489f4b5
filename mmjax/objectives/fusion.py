"""A fusion encoder, which terms own: tokens of one view attend to those of others."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.initializers import Scheme, initialization
from mmjax.encoders.layers import Attention, FeedForward, layer_norm
from mmjax.objectives.base import Outputs
from mmjax.objectives.errors import TermError

Tokens = tuple[jax.Array, jax.Array]  # f32[B, T, W], and which are there, bool[B, T]


def tokens_of(
    term: str, view: str, outputs: Outputs, valid: jax.Array, project: Mapping[str, nnx.Linear]
) -> Tokens:
    """Tokens of a view in the fusion's width, and which of them are there.

    An encoder without tokens gives one, its pooled vector.

    Args:
      term: its name, for messages.
      view: of which.
      outputs: of the towers.
      valid: bool[B], the rows that have all views.
      project: view -> linear layer to the fusion's width.

    Raises:
      TermError: when only embeddings of the view were kept, or tokens have another width.
    """
    encoding = outputs[view].encoding
    if encoding is None:
        raise TermError(f"The term {term!r} needs what the encoder of {view!r} gave.")
    tokens = encoding.pooled[:, None] if encoding.tokens is None else encoding.tokens
    if tokens.shape[-1] != project[view].in_features:
        raise TermError(
            f"'inputs' of the term {term!r} says that tokens of {view!r} have "
            f"{project[view].in_features} numbers, but they have {tokens.shape[-1]}: set that."
        )
    mask = encoding.mask if encoding.tokens is not None else None
    # What stands in for a missing value must not spread: 0 * inf is NaN.
    tokens = jnp.where(valid[:, None, None], tokens.astype(jnp.float32), 0.0)
    if mask is None:
        mask = jnp.ones(tokens.shape[:2], bool)
    return project[view](tokens), mask


def joined(parts: Sequence[Tokens]) -> Tokens:
    """Tokens of several views, one after the other."""
    tokens, masks = zip(*parts, strict=True)
    return jnp.concatenate(tokens, axis=1), jnp.concatenate(masks, axis=1)


class Fusion(nnx.Module):
    """Fusion encoder, f32[B, T, W]: self-attention, cross-attention and an MLP; pre-norm.

    Without `cross` its blocks have self-attention and an MLP only, without `own` cross-attention
    and an MLP; with `causal` a position attends only to positions of its own view up to itself.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        cross: bool = True,
        own: bool = True,
        causal: bool = False,
        init: Scheme = "trunc_normal",
        rngs: nnx.Rngs,
    ):
        self.causal, self.own = causal, own
        weights = initialization(init, width=width, depth=depth)
        common: dict[str, Any] = {
            "width": width,
            "init": weights,
            "dtype": jnp.float32,
            "rngs": rngs,
        }

        def norm() -> nnx.LayerNorm:
            return layer_norm(width, eps=1e-6, dtype=jnp.float32, rngs=rngs)

        def block() -> nnx.Dict[Any]:
            layers: dict[str, Any] = {}
            if own:
                layers |= {"self_norm": norm(), "self": Attention(heads=heads, **common)}
            if cross:
                layers |= {"cross_norm": norm(), "cross": Attention(heads=heads, **common)}
            layers |= {"mlp_norm": norm(), "mlp": FeedForward(hidden=4 * width, **common)}
            return nnx.Dict(layers)

        self.blocks = nnx.List(block() for _ in range(depth))
        self.final_norm = norm()

    def __call__(
        self, x: jax.Array, real: jax.Array, condition: jax.Array | None, there: jax.Array | None
    ) -> jax.Array:
        for block in self.blocks:
            if self.own:
                x = x + block["self"](block["self_norm"](x), mask=real, causal=self.causal)
            if condition is not None:
                x = x + block["cross"](block["cross_norm"](x), condition, mask=there)
            x = x + block["mlp"](block["mlp_norm"](x))
        x = self.final_norm(x)
        return x
