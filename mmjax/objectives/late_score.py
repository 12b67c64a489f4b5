"""The score of late interaction: of a tile of pairs, from the products of their parts."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.base import Features

Fusion = Literal["attention", "mean", "max"]
Score = Literal["weighted", "attended"]
Groups = Literal["none", "max", "mean"]
_ABSENT = -1e9  # the score of a group that a row does not have
_NEVER = -1e30  # a logit that gets no weight, and leaves that of a row without any part finite


@dataclasses.dataclass(frozen=True)
class LateScore:
    """s_ij of a tile, f32[r, c], of the features of the first view and of the second.

    Attributes:
      fusion, symmetric, groups, score: as of the term.
      sharpness: β, where attention compares the parts and pieces themselves; None of keys and
        queries.
    """

    fusion: Fusion
    symmetric: bool = False
    groups: Groups = "none"
    score: Score = "weighted"
    sharpness: float | None = None

    def __call__(self, x: Features, y: Features) -> jax.Array:
        if self.groups == "none":
            return self.with_weight(x, y)[0]
        scores, has = self.by_group(x, y)
        if self.groups == "max":
            return jnp.where(has, scores, _ABSENT).max(0)
        return jnp.where(has, scores, 0.0).sum(0) / jnp.maximum(has.sum(0, dtype=jnp.float32), 1.0)

    def by_group(self, x: Features, y: Features) -> tuple[jax.Array, jax.Array]:
        """s^m_ij f32[M, r, c] by the parts of each group, and which rows have it bool[M, r, 1]."""
        found = []
        for m in range(x["groups"].shape[1]):
            there = x["there"] & x["groups"][:, m]
            found.append(self.with_weight({**x, "there": there}, y)[0])
        has = (x["there"][:, None] & x["groups"]).any(-1)
        return jnp.stack(found), has.T[:, :, None]

    def of_group(self, x: Features, y: Features) -> jax.Array:
        """s_ij by the group that `group` i32[c] names of each column, where the row has it."""
        scores, has = self.by_group(x, y)
        named = jnp.arange(len(scores))[:, None, None] == y["group"][None, None, :]
        chosen = (named & has).any(0)
        return jnp.where(chosen, jnp.where(named & has, scores, 0.0).sum(0), self(x, y))

    def with_weight(self, x: Features, y: Features) -> tuple[jax.Array, jax.Array]:
        """s_ij of all parts that are there, and the mean of the largest weight, f32[r, c]."""
        there = x["there"][:, None, None, :]
        c = _products(x["parts"], y["pieces"])
        if self.fusion == "max":
            of_pieces = jnp.where(there, c, _NEVER).max(-1)
            of_pieces = jnp.where(there.any(-1), of_pieces, 0.0)  # of a group without a part
            weight = jnp.ones_like(of_pieces)
        else:
            a = jax.nn.softmax(jnp.where(there, self._logits(x, y, c), _NEVER), axis=-1)
            of_pieces, weight = (a * c).sum(-1), a.max(-1)
            if self.score == "attended":
                v = jnp.einsum("rclt,rtd->rcld", a, x["parts"], precision="highest")
                of_pieces = of_pieces * jax.lax.rsqrt(jnp.maximum((v * v).sum(-1), 1e-12))
        share = _shares(y)[None]
        s = (share * of_pieces).sum(-1)
        if self.symmetric:
            of_parts = jnp.where(y["there"][None, :, :, None], c, _NEVER).max(-2)
            s = (s + (_shares(x)[:, None] * of_parts).sum(-1)) / 2
        return s, jax.lax.stop_gradient((share * weight).sum(-1))

    def _logits(self, x: Features, y: Features, c: jax.Array) -> jax.Array:
        """f32[r, c, L, T] of the products c of parts and pieces."""
        if self.fusion == "mean":
            return 0.0 * c
        return _products(x["keys"], y["queries"]) if self.sharpness is None else self.sharpness * c


class Share(nnx.Module):
    """softmax_t(v·gelu(V x_t)) over those that are there, f32[B, T, D] -> f32[B, T]."""

    def __init__(self, dim: int, *, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(dim, dim, kernel_init=nnx.initializers.he_normal(), rngs=rngs)
        self.logit = nnx.Linear(dim, 1, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array, there: jax.Array) -> jax.Array:
        logits = self.logit(jax.nn.gelu(self.hidden(x), approximate=False))[..., 0]
        share = jax.nn.softmax(jnp.where(there, logits, _NEVER), axis=-1)
        return jnp.where(there, share, 0.0)


def _shares(of: Features) -> jax.Array:
    """f32[B, T], weights that add up to 1: their own, or equal ones of those that are there."""
    if "share" in of:
        return of["share"]
    counted = of["there"].astype(jnp.float32)
    return counted / jnp.maximum(counted.sum(1, keepdims=True), 1.0)


def _products(parts: jax.Array, pieces: jax.Array) -> jax.Array:
    """f32[r, T, D] and f32[c, L, D] -> f32[r, c, L, T]; in full precision, as `similarity`."""
    return jnp.einsum(
        "rtd,cld->rclt", parts, pieces, precision="highest", preferred_element_type=jnp.float32
    )
