"""Named weight initializations of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
from jax.nn.initializers import Initializer

from mmjax.encoders.base import check_choice

Scheme = Literal["trunc_normal", "clip", "xavier"]


@dataclass(frozen=True)
class Initialization:
    """One initialiser for each kind of weight of a transformer; biases of attention are zero.

    Attributes:
      attention: kernels of query, key and value.
      attention_out: kernel of the output projection of attention.
      up: kernel of the first layer of an MLP.
      down: kernel of its second layer.
      mlp_bias: both biases of an MLP.
      patch: kernel of the patch embedding.
      token: token, segment and mask embeddings.
      position: learned positions.
      special: class token, registers and the probe of attention pooling.
    """

    attention: Initializer
    attention_out: Initializer
    up: Initializer
    down: Initializer
    mlp_bias: Initializer
    patch: Initializer
    token: Initializer
    position: Initializer
    special: Initializer


def initialization(scheme: Scheme, *, width: int, depth: int) -> Initialization:
    """The initialisation called `scheme` for a transformer of `depth` blocks of `width` units.

    - `trunc_normal`: everything from a normal distribution of standard deviation 0.02 cut
      at two of them, so that 0.0176 is left (Devlin et al. 2019, BERT, as in the authors' code).
    - `clip`: standard deviations width^-1/2 for query, key and value, (2 width)^-1/2 for `up`, and
      width^-1/2 (2 depth)^-1/2 for the two projections that write to the residual stream; tokens
      0.02, positions 0.01 (Radford et al. 2021, section 2.5, after GPT-2's scaling of residual
      layers).
    - `xavier`: Glorot-uniform kernels, MLP biases of standard deviation 1e-6, embeddings of
      width^-1/2, LeCun-normal patches (Dosovitskiy et al. 2021, as in the authors' code).
    """
    check_choice("init", scheme, Scheme)
    normal, zeros = jax.nn.initializers.normal, jax.nn.initializers.zeros
    if scheme == "trunc_normal":
        cut = jax.nn.initializers.truncated_normal(0.02)
        return Initialization(cut, cut, cut, cut, zeros, cut, cut, cut, cut)
    if scheme == "clip":
        residual = normal(width**-0.5 * (2 * depth) ** -0.5)
        return Initialization(
            attention=normal(width**-0.5),
            attention_out=residual,
            up=normal((2 * width) ** -0.5),
            down=residual,
            mlp_bias=zeros,
            patch=normal(0.02),
            token=normal(0.02),
            position=normal(0.01),
            special=normal(width**-0.5),
        )
    glorot, embedding = jax.nn.initializers.glorot_uniform(), normal(width**-0.5)
    return Initialization(
        attention=glorot,
        attention_out=glorot,
        up=glorot,
        down=glorot,
        mlp_bias=normal(1e-6),
        patch=jax.nn.initializers.lecun_normal(),
        token=embedding,
        position=embedding,
        special=embedding,
    )
