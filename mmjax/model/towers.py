"""A tower: the encoder of one modality and the head that takes it to the joint space."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.base import EncoderError, Encoding
from mmjax.encoders.prompts import Prompts


class Embedding(NamedTuple):
    """B examples of one modality in the joint space.

    Attributes:
      raw: f32[B, D], the output of the head.
      unit: f32[B, D], `raw` divided by its L2 norm.
      encoding: what the encoder gave; None where only embeddings were kept.
      tokens: f32[B, T, D], the encoding's tokens through the same head, divided by their norms;
        None where the head does not take them.
      heads: name -> Embedding, by the tower's further heads; each with this encoding.
    """

    raw: jax.Array
    unit: jax.Array
    encoding: Encoding | None = None
    tokens: jax.Array | None = None
    heads: Mapping[str, Embedding] | None = None


def unit_norm(x: jax.Array, eps: float = 1e-6) -> jax.Array:
    """x / max(|x|, eps) over the last axis, f[..., D] -> f32[..., D].

    A zero vector stays zero, and its gradient is finite: plain x / |x| gives NaN for both.
    """
    x = x.astype(jnp.float32)
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    # The maximum is taken before the root, whose derivative at 0 is infinite.
    return x * jax.lax.rsqrt(jnp.maximum(square, eps * eps))


class Tower(nnx.Module):
    """`head(encoder(x).pooled)`, and that on the unit sphere.

    A head that says `reads_tokens` gets the whole encoding, and the modules that towers share.

    Args:
      encoder: as in `mmjax.encoders.base`.
      head: one of `mmjax.model.heads.HEADS`, built for `encoder.width`.
      augment: what training does to the values first, see `mmjax.model.augment`.
      heads: further ones by name, for terms that do not compare in the joint space.

    Attributes:
      dim: D, the size of the embedding.
    """

    def __init__(
        self,
        encoder: nnx.Module,
        head: nnx.Module,
        augment: Callable[..., jax.Array] | None = None,
        heads: Mapping[str, nnx.Module] | None = None,
    ):
        self.encoder, self.head, self.augment = encoder, head, augment
        self.heads = nnx.Dict(heads) if heads else None
        self.dim: int = head.dim

    def __call__(
        self,
        x: jax.Array,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
        shared: Mapping[str, nnx.Module] | None = None,
        prompts: Prompts | None = None,
        present: jax.Array | None = None,
        deterministic: bool = False,
    ) -> Embedding:
        """Embeds the values `x` of B examples, in the form that the encoder takes.

        With `deterministic` the encoder runs as in evaluation, in training too: without dropout.
        Where `present` bool[B] is False, the value is a placeholder, and what it becomes means
        nothing; encoders and heads with statistics over the batch leave it out of them.
        """
        if self.augment is not None:
            x = self.augment(x, train=train, rngs=rngs)
        given = {"prompts": prompts} if prompts is not None else {}
        given |= _told(self.encoder, present)
        encoding = self.encoder(x, train=train and not deterministic, rngs=rngs, **given)
        embedding = _embedding(self.head, encoding, train, shared, present)
        if self.heads is None:
            return embedding
        others = {
            name: _embedding(head, encoding, train, shared, present)
            for name, head in self.heads.items()
        }
        return embedding._replace(heads=others)


def _embedding(
    head: nnx.Module,
    encoding: Encoding,
    train: bool,
    shared: Mapping[str, nnx.Module] | None,
    present: jax.Array | None,
) -> Embedding:
    if getattr(head, "reads_tokens", False):
        raw = head(encoding, shared, train=train)
    else:
        raw = head(encoding.pooled, train=train, **_told(head, present))
    tokens = None
    if getattr(head, "takes_tokens", False):
        if encoding.tokens is None:
            raise EncoderError("a head with tokens=True, for an encoder that has no tokens")
        tokens = unit_norm(head(encoding.tokens))
    return Embedding(raw, unit_norm(raw), encoding, tokens)


def _told(module: nnx.Module, present: jax.Array | None) -> dict[str, jax.Array]:
    """`present` as an argument for a module that asks for it."""
    asks = "present" in inspect.signature(type(module).__call__).parameters
    return {"present": present} if asks and present is not None else {}
