"""Sets of items of several parts each: bundles, baskets, playlists."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import Encoder, EncoderError, Encoding, check_positive, check_rate
from mmjax.encoders.layers import draw, dropout_key
from mmjax.parallel.layout import whole
from mmjax.schema.bounds import BelowOne, Count, CountOrZero

EPS = 1e-12  # of squared lengths


class ItemSet(Encoder):
    """Attention over the parts of each item and over the items of a set, f[B, L, D] -> f[B, W].

    An item is its parts side by side, such as an image's features, a text's and a vector of user
    feedback, and behind them 1 + its number, where `items` is above 0. An item of zeros is padding;
    a part of zeros is missing. The parts `media` go through an MLP each, and their unit vectors are
    added; every other part goes through a linear layer, and that sum stands for it where it is
    missing; the number has a learned vector. These, as unit vectors x_1, ..., x_n, see each other,
    and so do the items g of a set, standardized each to h (layer norm without parameters):

        g = mean_a Σ_b softmax_b(Q x_a · K x_b / W^½) x_b,
        b = mean_i Σ_j softmax_j(Q' h_i · K' h_j / W^½) h_j,

    without a residual. `tokens` are g, `pooled` is b; with `attend=False` it is the mean of g.
    Ma et al. 2024 (arXiv 2310.18770, CLHE), whose code leaves Q' and K' as they are at the start:
    freeze `encoder/set_.*` for that. Matrices are Xavier-normal, biases zero.

    Args:
      parts: name -> size, in their order.
      media: those of them whose vectors are added.
      items: how many numbers there are; 0 for items without one.
      width: W.
      hidden: widths of the hidden layers of the media's MLPs, with ReLU.
      attend: whether items of a set see each other.
      drop_parts: probability with which training makes each of x_1, ..., x_n a zero.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        parts: dict[str, Count],
        media: tuple[str, ...] = (),
        items: CountOrZero = 0,
        width: Count = 64,
        hidden: tuple[Count, ...] = (64,),
        attend: bool = True,
        drop_parts: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(width=width, **parts)
        check_rate("drop_parts", drop_parts)
        if not parts and not items:
            raise EncoderError("parts={} and items=0 leave nothing of an item: name a part")
        if unknown := [name for name in media if name not in parts]:
            raise EncoderError(
                f"media={tuple(media)}: {unknown[0]!r} is none of the parts "
                f"{', '.join(map(repr, parts))}"
            )
        self.parts, self.media, self.items = tuple(parts.items()), tuple(media), items
        self.width, self.drop_parts, self.dtype = width, drop_parts, dtype
        start = nnx.initializers.xavier_normal()

        def linear(a: int, b: int, bias: bool = True) -> nnx.Linear:
            return nnx.Linear(a, b, use_bias=bias, kernel_init=start, dtype=dtype, rngs=rngs)

        self.layers = nnx.Dict(
            {
                name: nnx.List(
                    linear(a, b)
                    for a, b in pairwise((size, *(hidden if name in media else ()), width))
                )
                for name, size in self.parts
            }
        )
        table = start(rngs.params(), (items, width), jnp.float32) if items else None
        self.number = None if table is None else nnx.Param(table)
        self.query, self.key = (linear(width, width, bias=False) for _ in range(2))
        self.set_query = linear(width, width, bias=False) if attend else None
        self.set_key = linear(width, width, bias=False) if attend else None

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes f[B, L, D]; see `mmjax.encoders.base`."""
        dim = sum(size for _, size in self.parts) + bool(self.items)
        if x.ndim != 3 or x.shape[2] != dim:
            raise EncoderError(f"sets of shape {x.shape} where [B, L, {dim}] is expected")
        mask = (x != 0).any(-1)
        rows = jnp.stack(self._rows(x), axis=2)  # [B, L, n, W]
        key = dropout_key(rngs, train, self.drop_parts, "drop_parts")
        if key is not None:
            shape = rows.shape[:3]
            kept = draw(lambda k, s: jax.random.bernoulli(k, 1 - self.drop_parts, s), key, shape)
            rows = jnp.where(kept[..., None], rows, 0)
        tokens = _attended(self.query(rows), self.key(rows), rows).mean(axis=2)
        tokens = jnp.where(mask[..., None], tokens, 0)
        if self.set_query is None or self.set_key is None:
            return Encoding(pooling.mean(tokens, mask), tokens, mask)
        h = _standardized(tokens)
        pooled = _attended(self.set_query(h), self.set_key(h), h, mask[:, None, :])
        return Encoding(pooling.mean(pooled, mask), tokens, mask)

    def _rows(self, x: jax.Array) -> list[jax.Array]:
        """The unit vectors of each item, [B, L, W] each."""
        media: jax.Array | None = None
        others, at = [], 0
        for name, size in self.parts:
            part = x[..., at : at + size].astype(self.dtype)
            at += size
            y = part
            for depth, layer in enumerate(self.layers[name]):
                y = layer(jax.nn.relu(y) if depth else y)
            there = (part != 0).any(-1, keepdims=True)
            y = jnp.where(there, _unit(y), 0)
            if name in self.media:
                media = y if media is None else media + y
            else:
                others.append((y, there))
        found = []
        if media is not None:
            media = _unit(media)
            found.append(media)
        found += [y if media is None else jnp.where(there, y, media) for y, there in others]
        if self.number is not None:
            number = x[..., at].astype(jnp.int32)
            e = jnp.take(whole(self.number[...]), jnp.maximum(number - 1, 0), axis=0)
            found.append(jnp.where(number[..., None] > 0, _unit(e), 0).astype(self.dtype))
        return found


def _unit(x: jax.Array) -> jax.Array:
    """x / |x|; 0 stays 0, with a finite gradient."""
    y = x.astype(jnp.float32)
    return (y * jax.lax.rsqrt((y * y).sum(-1, keepdims=True) + EPS)).astype(x.dtype)


def _standardized(x: jax.Array) -> jax.Array:
    y = x.astype(jnp.float32)
    y = y - y.mean(-1, keepdims=True)
    return (y * jax.lax.rsqrt((y * y).mean(-1, keepdims=True) + 1e-5)).astype(x.dtype)


def _attended(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """softmax(query key^T / W^½) value over the last axis but one, where `mask` is True."""
    scores = jnp.einsum("...qd,...kd->...qk", query, key, preferred_element_type=jnp.float32)
    scores = scores / query.shape[-1] ** 0.5
    if mask is not None:
        scores = jnp.where(mask, scores, -1e30)
    weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("...qk,...kd->...qd", weights, value)
