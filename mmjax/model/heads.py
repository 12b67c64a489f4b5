"""Projection heads: from an encoder's pooled vector to the joint embedding space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.model.base import Head
from mmjax.model.codebook import CodebookHead, TokenHead
from mmjax.model.mlp_head import MLPHead
from mmjax.model.quantizers import FiniteScalarQuantizer, LookupFreeQuantizer, VectorQuantizer
from mmjax.model.token_projector import TokenProjector
from mmjax.schema.bounds import Count, CountOrZero
from mmjax.schema.registry import Registry

LinearActivation = Literal["none", "tanh", "relu", "gelu"]


class NoHead(Head):
    """No projection: the pooled vector itself, f[B, W] -> f32[B, W].

    Args:
      tokens: the encoder's tokens as they are are those of the joint space, too.
      level: of the encoder's levels, the one that is taken, such as `words`; None for its end.
      width: W, of the encoder.
      dtype: not read.
      rngs: not read.
    """

    def __init__(
        self,
        *,
        tokens: bool = False,
        level: str | None = None,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        del dtype, rngs
        self.dim, self.takes_tokens, self.level = width, tokens, level

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return x.astype(jnp.float32)


class LinearHead(Head):
    """A linear projection head, f[B, W] -> f32[B, dim]; initial standard deviation W^-1/2.

    Args:
      dim: size of the joint space.
      bias: add a bias (CLIP has none, SigLIP's text tower has one).
      activation: after the layer; `tanh` is that of most dense layers of sentence-transformers.
      norm: after that: `none`, or `layer`, a layer norm with scale and bias.
      tokens: bring the encoder's tokens to the joint space, too, by the same layer: for terms that
        compare parts.
      level: of the encoder's levels, the one that is taken, such as `words`; None for its end.
      width: W, of the encoder.
      dtype: of the product; its result is float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        dim: Count,
        bias: bool = False,
        activation: LinearActivation = "none",
        norm: Literal["none", "layer"] = "none",
        tokens: bool = False,
        level: str | None = None,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim)
        check_choice("norm", norm, Literal["none", "layer"])
        check_choice("activation", activation, LinearActivation)
        self.dim, self.takes_tokens, self.level = dim, tokens, level
        self.activation = activation
        self.project = nnx.Linear(
            width,
            dim,
            use_bias=bias,
            kernel_init=nnx.initializers.normal(width**-0.5),
            dtype=dtype,
            preferred_element_type=jnp.float32,
            rngs=rngs,
        )
        self.norm = nnx.LayerNorm(dim, dtype=jnp.float32, rngs=rngs) if norm == "layer" else None

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        x = self.project(x).astype(jnp.float32)
        if self.activation != "none":
            x = ACTIVATIONS[self.activation](x)
        return x if self.norm is None else self.norm(x)


class PromptsHead(Head):
    """A head on what became of a tower's prompts: their mean, projected, f[B, n, W] -> f32[B, dim].

    A further head, beside that of the class token, of a tower that an adapter of type 'prompts'
    gives prompts: y = mean_n(h_n) P_r, where h_n has been through the encoder's last norm. P_r
    f[W, dim] starts with standard deviation W^-1/2 (the representation feature of MMRL, Guo and Gu
    2025, arXiv 2503.08497). With `rank`, y = first(m) + m A B with the tower's first head and m the
    mean, A f[W, rank] uniform in +-rank^-1/2 and B f[rank, dim] at 0 (MMRL++, the same authors,
    arXiv 2505.10088): so it starts as that head.

    Args:
      dim: size of the embedding; with `rank` that of the first head.
      rank: of an update of the first head; None gives it a P_r of its own.
      width: W, of the encoder.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    reads_encoding = True
    reads_prompts = True

    def __init__(
        self, *, dim: Count, rank: Count | None = None, width: int, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.dim = dim
        options: dict[str, Any] = {"use_bias": False, "dtype": dtype, "rngs": rngs}
        options["preferred_element_type"] = jnp.float32

        def linear(inputs: int, outputs: int, init: nnx.Initializer) -> nnx.Linear:
            return nnx.Linear(inputs, outputs, kernel_init=init, **options)

        def uniform(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
            bound = (rank or 1) ** -0.5
            return jax.random.uniform(key, shape, dtype, -bound, bound)

        normal, zeros = nnx.initializers.normal(width**-0.5), nnx.initializers.zeros
        self.project = linear(width, dim, normal) if rank is None else None
        self.update = (
            None
            if rank is None
            else nnx.List([linear(width, rank, uniform), linear(rank, dim, zeros)])
        )

    def __call__(
        self,
        encoding: Encoding,
        shared: Mapping[str, nnx.Module] | None,
        *,
        train: bool = False,
        first: Head | None = None,
    ) -> jax.Array:
        if encoding.prompts is None:
            raise EncoderError(
                "a head of type 'prompts', for a tower that no adapter of type 'prompts' gives any"
            )
        mean = encoding.prompts.mean(1)
        if self.project is not None:
            return self.project(mean).astype(jnp.float32)
        assert self.update is not None
        if first is None or first.reads_encoding or first.dim != self.dim:
            raise EncoderError(
                f"a head of type 'prompts' with rank={self.update[0].out_features} stands in the "
                f"tower's 'heads', beside a 'head' of dim={self.dim} that takes pooled vectors"
            )
        down, up = self.update
        base: jax.Array = first(mean, train=train)
        return base + up(down(mean)).astype(jnp.float32)


class SliceHead(Head):
    """Some of the numbers of the pooled vector, f[B, W] -> f32[B, stop - start].

    For terms that shall compare a part of an embedding: the first half what two modalities share,
    and the second what is one's own.

    Args:
      start: the first number.
      stop: the first one after it that is left out; None for W.
      tokens: take the same numbers of tokens, too.
      width: W, of the encoder.
      dtype: not read.
      rngs: not read.
    """

    def __init__(
        self,
        *,
        start: CountOrZero = 0,
        stop: Count | None = None,
        tokens: bool = False,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        del dtype, rngs
        stop = width if stop is None else stop
        if not start < stop <= width:
            raise EncoderError(
                f"start={start} and stop={stop}: no part of the encoder's {width} numbers"
            )
        self.start, self.stop, self.dim, self.takes_tokens = start, stop, stop - start, tokens

    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        return x[..., self.start : self.stop].astype(jnp.float32)


HEADS = Registry(
    "head",
    Head,
    {
        "none": NoHead,
        "slice": SliceHead,
        "linear": LinearHead,
        "mlp": MLPHead,
        "tokens": TokenHead,
        "token_projector": TokenProjector,
        "prompts": PromptsHead,
        "codebook": CodebookHead,
        "lfq": LookupFreeQuantizer,
        "fsq": FiniteScalarQuantizer,
        "vq": VectorQuantizer,
    },
    provided=("rngs", "dtype", "width"),
)
