"""Graph neural networks: message passing, and attention between all nodes of a graph.

Xu et al. 2019, "How powerful are graph neural networks?", arXiv 1810.00826 (GIN), with kinds of
edges as in Hu et al. 2020, "Strategies for pre-training graph neural networks", arXiv 1905.12265;
with global attention behind every layer of messages, Rampášek et al. 2022, "Recipe for a general,
powerful, scalable graph transformer", arXiv 2205.12454 (GPS).

    small          width=64, depth=3, with heads=4 for attention
    MoleculeSTM    width=300, depth=5 (its GIN, Liu et al. 2023, arXiv 2212.10789)
    GPS            width=64, depth=10, heads=4, walk=20 (its setting for ZINC, table A.2)
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import pooling
from mmjax.encoders.base import (
    Encoder,
    EncoderError,
    Encoding,
    check_choice,
    check_positive,
    check_rate,
)
from mmjax.encoders.block import Block
from mmjax.encoders.initializers import initialization
from mmjax.encoders.layers import FeedForward, dropout, dropout_key, layer_norm, split_key
from mmjax.encoders.tokens import pool_tokens
from mmjax.parallel.layout import whole
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, Repeats, RepeatsOrZero

GraphPool = Literal["mean", "sum", "max"]


class Messages(nnx.Module):
    """Message passing from the neighbours of a node and itself, f[B, N, W] -> f[B, N, W].

    mlp((1 + epsilon) h_i + sum over edges j -> i of relu(h_j + e_kind)): Hu et al. 2020, appendix
    A, with GIN's learned epsilon (equation 4.1) and a relu, without which the kinds of a node's
    edges would be heard, but not which neighbour is at which.
    """

    def __init__(self, *, width: int, edges: int, dtype: DTypeLike, rngs: nnx.Rngs):
        init = initialization("xavier", width=width, depth=1)
        self.dtype = dtype
        self.epsilon = nnx.Param(jnp.zeros((), jnp.float32))
        self.edge = nnx.Param(init.token(rngs.params(), (edges, width), jnp.float32))
        self.mlp = FeedForward(
            width=width, hidden=2 * width, activation="relu", init=init, dtype=dtype, rngs=rngs
        )

    def __call__(self, h: jax.Array, adjacency: jax.Array) -> jax.Array:
        """`adjacency` f[B, K, N, N]: 1 where an edge of kind k leads from node j to node i."""
        heard = jax.nn.relu(h[:, None] + self.edge[...].astype(self.dtype)[None, :, None])
        sums = jnp.einsum("bkij,bkjw->biw", adjacency, heard)
        return self.mlp((1 + self.epsilon[...].astype(self.dtype)) * h + sums)


class GraphNetwork(Encoder):
    """A GNN on padded graphs, f[B, N, C + F + N] -> pooled f[B, W], tokens f[B, N, W].

    Row i of a graph is its node i: C categories (whole numbers from 0), F numbers, and then the
    kind of the edge from every node j to it: 0 for none, 1 .. `edges`. On the diagonal stands 1 for
    a node and 0 for padding, which is masked. (The view `graph` writes such rows.) The order of the
    nodes does not matter.

    h = h + messages(norm(h)), and with `heads` a block of attention between all nodes, in each of
    `depth` layers; a layer norm last. Tokens are the nodes.

    Args:
      categories: how many values each of the C categories has; () for none.
      features: F.
      edges: number of kinds of edges.
      width, depth: of the layers.
      heads: of attention between all nodes after every layer of messages; 0 for none.
      walk: steps of a random walk whose probability to be back at the node, after 1, 2, ... steps,
        is a feature of the node: rings and their sizes (Dwivedi et al. 2022, arXiv 2110.07875,
        equation 11); 0 for none.
      pool: `mean`, `sum` or `max` of the nodes.
      dropout: after every layer.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        categories: tuple[Count, ...] = (),
        features: CountOrZero = 0,
        edges: Count = 1,
        width: Count = 300,
        depth: Repeats = 5,
        heads: CountOrZero = 0,
        walk: RepeatsOrZero = 0,
        pool: GraphPool = "mean",
        dropout: BelowOne = 0.0,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(edges=edges, width=width, depth=depth)
        check_choice("pool", pool, GraphPool)
        check_rate("dropout", dropout)
        if min(features, heads, walk) < 0 or any(size < 1 for size in categories):
            raise EncoderError(
                f"categories={tuple(categories)} have to be 1 or more, features={features}, "
                f"heads={heads} and walk={walk} at least 0"
            )
        if not categories and not features:
            raise EncoderError("categories=() and features=0: a node is nothing then; give one")
        self.categories, self.features, self.edges = tuple(categories), features, edges
        self.width, self.walk, self.pool = width, walk, pool
        self.dropout, self.dtype = dropout, dtype
        init = initialization("xavier", width=width, depth=depth)
        self.node = (
            nnx.Param(init.token(rngs.params(), (sum(categories), width), jnp.float32))
            if categories
            else None
        )
        numbers = features + walk
        self.project = nnx.Linear(numbers, width, dtype=dtype, rngs=rngs) if numbers else None
        common: dict[str, Any] = {"width": width, "dtype": dtype, "rngs": rngs}
        self.messages = nnx.List(Messages(edges=edges, **common) for _ in range(depth))
        self.norms = nnx.List(layer_norm(eps=1e-6, **common) for _ in range(depth))
        self.attention = nnx.List(
            Block(
                heads=heads,
                mlp_width=2 * width,
                norm="pre",
                activation="gelu",
                bias=True,
                eps=1e-6,
                dropout=0.0,
                drop_key=0.0,
                layer_scale=None,
                sliced=False,
                init=init,
                **common,
            )
            for _ in range(depth if heads else 0)
        )
        self.norm = layer_norm(eps=1e-6, **common)

    def __call__(
        self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None
    ) -> Encoding:
        """Encodes graphs f[B, N, C + F + N]; see `mmjax.encoders.base`."""
        before = len(self.categories) + self.features
        if x.ndim != 3 or x.shape[2] != before + x.shape[1]:
            raise EncoderError(
                f"graphs of shape {x.shape} where [B, N, {before} + N] is expected: "
                f"{len(self.categories)} categories and {self.features} numbers of a node, then "
                "its edges"
            )
        kinds = x[:, :, before:].astype(jnp.int32)
        mask = jnp.diagonal(kinds, axis1=1, axis2=2) != 0
        pairs = mask[:, :, None] & mask[:, None, :] & ~jnp.eye(x.shape[1], dtype=bool)
        kinds = jnp.where(pairs, kinds, 0)
        adjacency = (kinds[:, None] == jnp.arange(1, self.edges + 1)[:, None, None]).astype(
            self.dtype
        )
        h = self._nodes(x[:, :, :before], kinds > 0, mask)
        key = dropout_key(rngs, train, self.dropout)
        keys = [None] * len(self.messages) if key is None else split_key(key, len(self.messages))
        for i, (messages, norm) in enumerate(zip(self.messages, self.norms, strict=True)):
            h = h + dropout(messages(norm(h), adjacency), self.dropout, keys[i])
            if self.attention:
                h = self.attention[i](h, mask=mask)
        h = self.norm(h)
        pooled = (
            pooling.largest(h, mask)
            if self.pool == "max"
            else pool_tokens(h.astype(jnp.float32), mask, self.pool).astype(self.dtype)
        )
        return Encoding(pooled, h, mask)

    def _nodes(self, x: jax.Array, linked: jax.Array, mask: jax.Array) -> jax.Array:
        """What each node is by itself, f[B, N, W]."""
        h = jnp.zeros((*x.shape[:2], self.width), self.dtype)
        count = len(self.categories)
        if self.node is not None:
            first = jnp.cumulative_sum(jnp.array((0, *self.categories[:-1])))
            ids = jnp.where(mask[:, :, None], x[:, :, :count].astype(jnp.int32) + first, 0)
            h = h + jnp.take(whole(self.node[...]), ids, axis=0).sum(axis=2).astype(self.dtype)
        if self.project is not None:
            numbers = [jnp.where(mask[:, :, None], x[:, :, count:], 0)]
            if self.walk:
                numbers.append(returns(linked.astype(jnp.float32), self.walk))
            h = h + self.project(jnp.concatenate(numbers, axis=2).astype(self.dtype))
        return h


def returns(adjacency: jax.Array, steps: int) -> jax.Array:
    """The probability that a random walk is back after 1 .. `steps` steps.

    Args:
      adjacency: f32[B, N, N], 1 where an edge is.
      steps: of the walk, K.

    Returns:
      f32[B, N, K]: the diagonal of (D^-1 A)^k, D the number of edges of each node.
    """
    step = adjacency / jnp.maximum(adjacency.sum(axis=2, keepdims=True), 1)
    power, found = step, []
    for _ in range(steps):
        found.append(jnp.diagonal(power, axis1=1, axis2=2))
        power = power @ step
    return jnp.stack(found, axis=2)
