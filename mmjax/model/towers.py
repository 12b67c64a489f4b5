"""A tower: the encoder of one modality and its projection head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.base import Encoder, EncoderError, Encoding, of_level
from mmjax.encoders.layers import dropout_key
from mmjax.encoders.prompts import Prompts
from mmjax.encoders.tokens import pool_tokens
from mmjax.encoders.trunk import Trunk
from mmjax.model.base import Augmentation, Head
from mmjax.model.embedding import Embedding, Quantized, unit_norm

CODES = "codes"  # the level of an encoding that a quantizing head adds


class Tower(nnx.Module):
    """An encoder and its projection head: `head(encoder(x).pooled)`, also normalized.

    A head that says `reads_encoding` gets the whole encoding, and the modules that towers share.

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
        encoder: Encoder,
        head: Head,
        augment: Augmentation | None = None,
        heads: Mapping[str, Head] | None = None,
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
        trunks: Mapping[str, Trunk] | None = None,
        prompts: Prompts | None = None,
        present: jax.Array | None = None,
        deterministic: bool = False,
        augmented: bool = True,
    ) -> Embedding:
        """Embeds the values `x` of B examples, in the form that the encoder takes.

        With `deterministic` the encoder runs as in evaluation, in training too: without dropout.
        Without `augmented` it gets the values as they are.
        Where `present` bool[B] is False, the value is a placeholder, and what it becomes means
        nothing; encoders and heads with statistics over the batch leave it out of them.
        `trunks` are those of the model by name, of which an encoder may name one.
        """
        targets = None
        if self.augment is not None and augmented:
            x = self.augment(x, train=train, rngs=rngs)
            x, targets = x if self.augment.gives_targets else (x, None)
        given: dict[str, Any] = {} if prompts is None else {"prompts": prompts}
        if self.encoder.trunk is not None:
            given["trunk"] = (trunks or {}).get(self.encoder.trunk)
        if self.encoder.reads_present and present is not None:
            given["present"] = present
        encoding = self.encoder(x, train=train and not deterministic, rngs=rngs, **given)
        draws = (train and not deterministic, rngs)
        embedding = _embedding(self.head, encoding, train, shared, present, draws)
        embedding = embedding._replace(targets=targets)
        if self.heads is None:
            return embedding
        if embedding.quantized is not None:
            encoding = _with_codes(encoding, embedding)
        others = {
            name: _embedding(head, encoding, train, shared, present, draws, self.head)._replace(
                targets=targets
            )
            for name, head in self.heads.items()
            if prompts is not None or not head.reads_prompts
        }
        return embedding._replace(heads=others)


def _embedding(
    head: Head,
    encoding: Encoding,
    train: bool,
    shared: Mapping[str, nnx.Module] | None,
    present: jax.Array | None,
    draws: tuple[bool, nnx.Rngs | None],
    first: Head | None = None,
) -> Embedding:
    encoding = of_level(encoding, head.level)
    told: dict[str, Any] = {}
    if head.takes_tokens and encoding.tokens is None:
        raise EncoderError("a head with tokens=True, for an encoder that has no tokens")
    if head.mean_of_tokens:
        return _mean_of_tokens(head, encoding, train, present, shared)
    if head.dropout:
        told["key"] = dropout_key(draws[1], draws[0], head.dropout)
    if head.reads_encoding:
        told |= {"first": first} if head.reads_prompts else {}
        raw = head(encoding, shared, train=train, **told)
    else:
        told |= {"present": present} if head.reads_present and present is not None else {}
        raw = head(encoding.pooled, train=train, **told)
    quantized = None
    if head.quantizes:
        quantized = Quantized(raw, head.nearest(raw, shared))
        raw = _straight_through(quantized)
    tokens = None
    if head.takes_tokens:
        tokens = unit_norm(head(encoding.tokens))
    return Embedding(raw, unit_norm(raw), encoding, tokens, quantized=quantized)


def _straight_through(quantized: Quantized) -> jax.Array:
    """The code to the last bit, with the gradient of what it is the code of."""
    z = quantized.continuous
    return jax.lax.stop_gradient(quantized.nearest) + (z - jax.lax.stop_gradient(z))


def _with_codes(encoding: Encoding, embedding: Embedding) -> Encoding:
    """An encoding with the further level of its codes, f32[B, T, D] with `tokens`."""
    quantized = embedding.quantized
    assert quantized is not None
    tokens = None if quantized.nearest.ndim == 2 else _straight_through(quantized)
    mask = None if tokens is None else encoding.mask
    codes = Encoding(embedding.raw, tokens, mask)
    return encoding._replace(levels={**(encoding.levels or {}), CODES: codes})


def _mean_of_tokens(
    head: Head,
    encoding: Encoding,
    train: bool,
    present: jax.Array | None,
    shared: Mapping[str, nnx.Module] | None,
) -> Embedding:
    assert encoding.tokens is not None
    there = encoding.mask  # and of placeholders no token counts in statistics
    if present is not None:
        there = jnp.ones(encoding.tokens.shape[:2], bool) if there is None else there
        there &= present[:, None]
    told = {"present": there} if head.reads_present and there is not None else {}
    tokens, quantized = head(encoding.tokens, train=train, **told), None
    if head.quantizes:
        quantized = Quantized(tokens, head.nearest(tokens, shared))
        tokens = _straight_through(quantized)
    raw = pool_tokens(tokens, encoding.mask, "mean")
    return Embedding(raw, unit_norm(raw), encoding, unit_norm(tokens), quantized=quantized)
