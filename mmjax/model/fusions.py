"""Fusions: one embedding of several outputs of towers.

    "fusions": {"query": {"type": "mean", "inputs": ("image", "text@edit"), "weights": (1.0, 2.0)}}

under `model`. Terms, teachers, queues and evaluators know it by its name, as if it were a tower. It
is computed of the embeddings of the whole batch, after the towers, so that microbatches slice the
towers alone. A row that lacks an input lacks the fusion. `also={"caption": ("text",)}` makes of
other inputs a further output, `query@caption`, with the same parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, Encoding
from mmjax.encoders.layers import ACTIVATIONS
from mmjax.encoders.mlp import PlainActivation
from mmjax.model.base import Fusion, FusionInput
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.model.token_fusion import TokenConcatFusion, TransformerFusion
from mmjax.model.trunk_sequence import TrunkSequence
from mmjax.schema.bounds import Count, NonNegative
from mmjax.schema.registry import Registry

Inputs = tuple[tuple[FusionInput, ...], ...]  # of every output, the fusion's own name first


class VectorFusion(Fusion):
    """The base class of fusions of the vectors that towers give, one of each input.

    Args:
      inputs: of every output.
      equal: whether all inputs have to be of one size.

    Raises:
      EncoderError: for inputs of sizes that do not go together.
    """

    def __init__(self, inputs: Inputs, *, equal: bool):
        first = inputs[0]
        for own in inputs:
            sizes = {each.name: each.dim for each in own}
            if equal and len(set(sizes.values())) > 1:
                raise EncoderError(
                    f"its inputs have embeddings of different sizes ({_listed(sizes)}): give their "
                    "towers heads of one size, or take type='mlp' or 'gated'"
                )
            if [each.dim for each in own] != [each.dim for each in first]:
                raise EncoderError(
                    f"the inputs of 'also' ({_listed(sizes)} numbers) have to be as those of "
                    f"'inputs' ({_listed({e.name: e.dim for e in first})}), one by one"
                )

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        """f32[B, dim] of f32[B, D] of each input, as the towers' heads give them."""
        raise NotImplementedError

    def __call__(
        self,
        parts: Sequence[Embedding],
        output: int,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Embedding:
        raw = self.fuse([part.raw for part in parts]).astype(jnp.float32)
        return Embedding(raw, unit_norm(raw), Encoding(raw))


class SumFusion(VectorFusion):
    """The sum of the embeddings of the inputs, as the towers' heads give them.

    For inputs whose number may differ from row to row, for a term that is left out is 0.
    """

    def __init__(self, *, inputs: Inputs):
        super().__init__(inputs, equal=True)
        self.dim = inputs[0][0].dim

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        return jnp.stack(vectors).sum(0)


class MeanFusion(VectorFusion):
    """The weighted mean of the unit embeddings of the inputs, made a unit vector again.

    e = norm(Σ_m a_m x_m), as record linkage by image and text has it with a and 1 - a (Arora et al.
    2023, CLIPPINGS, arXiv 2304.03464).

    Args:
      weights: a_m of each input, not all 0; equal ones where None.
      inputs: of every output.
    """

    def __init__(self, *, weights: tuple[NonNegative, ...] | None = None, inputs: Inputs):
        super().__init__(inputs, equal=True)
        weights = (1.0,) * len(inputs[0]) if weights is None else weights
        if len(weights) != len(inputs[0]) or not sum(weights):
            raise EncoderError(
                f"weights={weights} should be {len(inputs[0])} numbers, one for each input, and "
                "not all 0"
            )
        self.dim = inputs[0][0].dim
        self.weights = tuple(weight / sum(weights) for weight in weights)

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        parts = zip(self.weights, vectors, strict=True)
        return jnp.stack([weight * unit_norm(x) for weight, x in parts]).sum(0)


class ConcatFusion(VectorFusion):
    """The embeddings of the inputs side by side, f32[B, Σ D].

    Without weights as the towers' heads give them, so that a dot product is the sum of those of the
    parts. With weights the unit embeddings, each times its own: the product of two is then the
    weighted sum of the cosines of their inputs at the same places, and one search ranks by several
    modalities at once.

    Args:
      weights: of each input, above 0; or None.
      inputs: of every output.
    """

    def __init__(self, *, weights: tuple[NonNegative, ...] | None = None, inputs: Inputs):
        super().__init__(inputs, equal=False)
        self.weights = weights
        if weights is not None and (len(weights) != len(inputs[0]) or min(weights) <= 0):
            raise EncoderError(
                f"weights={weights} should be {len(inputs[0])} numbers above 0, one for each input"
            )
        self.dim = sum(each.dim for each in inputs[0])

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        if self.weights is not None:
            parts = zip(self.weights, vectors, strict=True)
            vectors = [weight * unit_norm(x) for weight, x in parts]
        return jnp.concatenate(list(vectors), axis=1)


class MLPFusion(VectorFusion):
    """An MLP of the embeddings of the inputs side by side, f32[B, Σ D] -> f32[B, dim].

    Kernels are He-normal, biases zero.

    Args:
      dim: size of the embedding.
      hidden: widths of the hidden layers.
      activation: between the layers.
      inputs: of every output.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    def __init__(
        self,
        *,
        dim: Count,
        hidden: tuple[Count, ...] = (256,),
        activation: PlainActivation = "relu",
        inputs: Inputs,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        super().__init__(inputs, equal=False)
        self.dim, self.activation = dim, activation
        sizes = (sum(each.dim for each in inputs[0]), *hidden, dim)
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.he_normal(), dtype=dtype, rngs=rngs)
            for a, b in pairwise(sizes)
        )

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        x = jnp.concatenate(vectors, axis=1)
        for number, layer in enumerate(self.layers):
            x = layer(ACTIVATIONS[self.activation](x) if number else x)
        return x


class GatedFusion(VectorFusion):
    """Gated multimodal unit: of every input a hidden vector, and a gate that sees all inputs.

        e = Σ_m σ(V_m [x_1, ..., x_n]) ⊙ tanh(U_m x_m)

    Arevalo et al. 2017 (arXiv 1702.01992, section 3.1, the form for several modalities; that for
    two ties both gates, z and 1 - z).

    Args:
      dim: size of the embedding.
      inputs: of every output.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    def __init__(self, *, dim: Count, inputs: Inputs, dtype: DTypeLike, rngs: nnx.Rngs):
        super().__init__(inputs, equal=False)
        self.dim = dim
        sizes = [each.dim for each in inputs[0]]
        options: dict[str, Any] = {"use_bias": False, "dtype": dtype, "rngs": rngs}
        self.hidden = nnx.List(nnx.Linear(size, dim, **options) for size in sizes)
        self.gates = nnx.Linear(sum(sizes), dim * len(sizes), **options)

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        gates = jax.nn.sigmoid(self.gates(jnp.concatenate(vectors, axis=1)))
        hidden = [jnp.tanh(layer(x)) for layer, x in zip(self.hidden, vectors, strict=True)]
        return (gates.reshape(-1, len(hidden), self.dim) * jnp.stack(hidden, axis=1)).sum(1)


class AttentionFusion(VectorFusion):
    """Attention over the inputs: their mean, with weights that their content decides.

        e = Σ_m softmax_m(u·tanh(W x_m + b_m)) x_m

    with the scores of Yang et al. 2016 (Hierarchical attention networks, NAACL, equations 5 to 7)
    and a bias of each input in the place of one for all.

    Args:
      hidden: size of W x.
      inputs: of every output.
      dtype: of the products; the result is float32.
      rngs: for the initial parameters.
    """

    def __init__(self, *, hidden: Count = 64, inputs: Inputs, dtype: DTypeLike, rngs: nnx.Rngs):
        super().__init__(inputs, equal=True)
        self.dim, count = inputs[0][0].dim, len(inputs[0])
        options: dict[str, Any] = {"use_bias": False, "dtype": dtype, "rngs": rngs}
        self.hidden = nnx.Linear(self.dim, hidden, **options)
        self.bias = nnx.Param(jnp.zeros((count, hidden)))
        self.score = nnx.Linear(hidden, 1, **options)

    def fuse(self, vectors: Sequence[jax.Array]) -> jax.Array:
        x = jnp.stack(vectors, axis=1)
        scores = self.score(jnp.tanh(self.hidden(x) + self.bias[...])).astype(jnp.float32)
        return (jax.nn.softmax(scores, axis=1) * x).sum(1)


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name!r} {size}" for name, size in sizes.items())


FUSIONS = Registry(
    "fusion",
    Fusion,
    {
        "mean": MeanFusion,
        "sum": SumFusion,
        "concat": ConcatFusion,
        "concat_tokens": TokenConcatFusion,
        "mlp": MLPFusion,
        "gated": GatedFusion,
        "attention": AttentionFusion,
        "transformer": TransformerFusion,
        "trunk_sequence": TrunkSequence,
    },
    provided=("inputs", "rngs", "dtype"),
)
