"""Projection heads: from an encoder's pooled vector to the joint embedding space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding, check_choice, check_positive
from mmjax.encoders.layers import ACTIVATIONS, counted
from mmjax.encoders.mlp import PlainActivation
from mmjax.model.base import Head
from mmjax.model.codebook import CodebookHead, TokenHead
from mmjax.model.quantizers import LookupFreeQuantizer, VectorQuantizer
from mmjax.model.token_projector import TokenProjector
from mmjax.schema.bounds import Count, CountOrZero, Repeats
from mmjax.schema.registry import Registry

HeadNorm = Literal["none", "layer", "batch"]
LinearActivation = Literal["none", "tanh", "relu", "gelu"]


class NoHead(Head):
    """No projection: the pooled vector itself, f[B, W] -> f32[B, W].

    Args:
      tokens: the encoder's tokens as they are are those of the joint space, too.
      width: W, of the encoder.
      dtype: not read.
      rngs: not read.
    """

    def __init__(self, *, tokens: bool = False, width: int, dtype: DTypeLike, rngs: nnx.Rngs):
        del dtype, rngs
        self.dim, self.takes_tokens = width, tokens

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
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim)
        check_choice("norm", norm, Literal["none", "layer"])
        check_choice("activation", activation, LinearActivation)
        self.dim, self.takes_tokens, self.activation = dim, tokens, activation
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


class MLPHead(Head):
    """An MLP projection head, with norm and activation between layers, f[B, W] -> f32[B, dim].

    The projector of SimCLR, BYOL and their kin. `layers=2, norm='batch'` is BYOL's:
    linear, batch norm, ReLU, linear.

    Args:
      dim: size of the output.
      hidden: width of the layers before the last.
      layers: number of linear layers, at least 2.
      norm: after each linear layer but the last: `none`, `layer` or `batch`.
      final_norm: the same norm, without activation, after the last layer too (SimSiam, Barlow):
        whole (`True`), with its scale alone (`no_bias`) or with neither (`no_affine`). Rows where
        the call's `present` bool[B] is False count in no statistics of the batch.
      activation: between the layers.
      bias: biases in the linear layers.
      width: W, of the encoder.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    reads_present = True

    def __init__(
        self,
        *,
        dim: Count,
        hidden: Count,
        layers: Repeats = 2,
        norm: HeadNorm = "none",
        final_norm: bool | Literal["no_bias", "no_affine"] = False,
        activation: PlainActivation = "relu",
        bias: bool = True,
        width: int,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(dim=dim, hidden=hidden)
        check_choice("norm", norm, HeadNorm)
        check_choice("activation", activation, PlainActivation)
        if layers < 2:
            raise EncoderError(f"layers={layers}: an 'mlp' head has at least 2; 'linear' has one")
        if final_norm and norm == "none":
            raise EncoderError(f"final_norm={final_norm!r} needs norm='layer' or norm='batch'")
        self.dim, self.norm, self.activation = dim, norm, activation
        widths = (width, *[hidden] * (layers - 1), dim)
        self.layers = nnx.List(
            nnx.Linear(
                widths[i],
                widths[i + 1],
                use_bias=bias,
                kernel_init=nnx.initializers.he_normal(),
                dtype=dtype,
                preferred_element_type=jnp.float32,
                rngs=rngs,
            )
            for i in range(layers)
        )
        # Norms run in float32: they are small and their statistics want the digits.
        kinds = {"layer": nnx.LayerNorm, "batch": nnx.BatchNorm}
        normed: list[tuple[int, dict[str, bool]]]
        normed = [] if norm == "none" else [(w, {}) for w in widths[1:-1]]
        if final_norm:
            left_out = {"use_bias": final_norm is True, "use_scale": final_norm != "no_affine"}
            normed.append((dim, left_out))
        self.norms = nnx.List(
            kinds[norm](w, dtype=jnp.float32, rngs=rngs, **options) for w, options in normed
        )

    def __call__(
        self, x: jax.Array, *, train: bool = False, present: jax.Array | None = None
    ) -> jax.Array:
        options = {}
        if self.norm == "batch":
            mask = None if present is None or not train else counted(present)[:, None]
            options = {"use_running_average": not train, "mask": mask}
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.norms):
                x = self.norms[i](x, **options)
            if i < len(self.layers) - 1:
                x = ACTIVATIONS[self.activation](x)
        return x.astype(jnp.float32)


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
        "vq": VectorQuantizer,
    },
    provided=("rngs", "dtype", "width"),
)
