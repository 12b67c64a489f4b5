"""A stack of transformer blocks whose parameters lie on a leading `layers` axis.

The stack is run by `jax.lax.scan`, so that compile time does not grow with depth, or unrolled over
the same parameters. What the backward pass keeps is chosen by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError, check_choice, check_positive, check_rate
from mmjax.encoders.block import Block, NormPlace
from mmjax.encoders.initializers import Scheme, initialization
from mmjax.encoders.layers import Activation, dropout_key, layer_norm, split_key
from mmjax.encoders.prompts import Prompts, put_in, put_in_place
from mmjax.encoders.relative import Relative
from mmjax.encoders.transformer_config import Remat
from mmjax.parallel.layout import rows

# What a checkpointed block keeps for the backward pass. `dots` keeps the results of all matrix
# products, `dots_no_batch` only of those without batch dimensions: the linear layers, not the
# T x T attention scores.
REMAT_POLICIES: dict[str, Callable[..., Any]] = {
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_saveable,
    "dots_no_batch": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


class Transformer(nnx.Module):
    """`depth` blocks and, where `final_norm`, a layer norm; f[B, T, W] -> f[B, T, W].

    Args:
      width: W, the size of each position's vector.
      depth: number of blocks, at least 1.
      heads: number of attention heads; divides `width`.
      mlp_width: hidden units of each MLP; 4 * width where None.
      norm: where the blocks normalise, see `Block`.
      final_norm: a layer norm after the last block, as pre-norm transformers need.
      first_norm: False leaves out the norm before the first block's attention, where what it gets
        is normalized already.
      activation: of the MLPs.
      bias: biases in attention and MLP (layer norms always have them).
      eps: of the layer norms.
      dropout: rate at the end of each residual branch.
      drop_path: rate of stochastic depth at the last block; it grows linearly from 0 at the first.
      drop_key: rate at which attention leaves out keys, see `attention.attention`.
      layer_scale: start value of a learned scale on each branch; None for no such scale.
      skills: names of the MLPs that each block has in the place of one, see `Block`; empty for one.
      skill_attention: attention by skill, too.
      init: named initialisation, see `initializers`.
      scan: run by `jax.lax.scan`; False unrolls the same parameters.
      remat: what to keep for the backward pass: `none` recomputes nothing, and all others run the
        attention of large batches in slices (`mmjax.encoders.attention`).
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.

    Attributes:
      blocks: one `Block` whose every parameter has a leading axis of length `depth`.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_width: int | None = None,
        norm: NormPlace = "pre",
        final_norm: bool = True,
        first_norm: bool = True,
        activation: Activation = "gelu",
        bias: bool = True,
        eps: float = 1e-6,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        drop_key: float = 0.0,
        layer_scale: float | None = None,
        skills: tuple[str, ...] = (),
        skill_attention: bool = False,
        init: Scheme = "trunc_normal",
        scan: bool = True,
        remat: Remat = "none",
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(width=width, depth=depth)
        check_choice("norm", norm, NormPlace)
        check_choice("remat", remat, Remat)
        check_rate("dropout", dropout)
        check_rate("drop_path", drop_path)
        check_rate("drop_key", drop_key)
        self.width, self.depth, self.scan, self.remat = width, depth, scan, remat
        self.dropout, self.drop_path, self.drop_key = dropout, drop_path, drop_key
        self.first_norm = first_norm

        @jax.vmap
        def stack(key: jax.Array) -> tuple[nnx.GraphDef[Block], nnx.State[Any, Any]]:
            block = Block(
                width=width,
                heads=heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                norm=norm,
                activation=activation,
                bias=bias,
                eps=eps,
                dropout=dropout,
                drop_key=drop_key,
                layer_scale=layer_scale,
                sliced=remat != "none",
                skills=skills,
                skill_attention=skill_attention,
                init=initialization(init, width=width, depth=depth),
                dtype=dtype,
                rngs=nnx.Rngs(key),
            )
            return nnx.split(block)

        self.blocks = nnx.merge(*stack(jax.random.split(rngs.params(), depth)))
        self.norm = layer_norm(width, eps=eps, dtype=dtype, rngs=rngs) if final_norm else None

    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        causal: bool = False,
        relative: Relative | None = None,
        kinds: Sequence[int] | None = None,
        prompts: Prompts | None = None,
        part: tuple[int, int] | None = None,
        taps: list[jax.Array] | None = None,
        skills: tuple[str, ...] = (),
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> jax.Array:
        """Runs the stack.

        Args:
          x: f[B, T, W].
          mask: bool[B, T], False at padding.
          causal: position t attends only to positions up to t.
          relative: positions that attention is told of, with a leading axis of kinds.
          kinds: which kind each block has; the first where None.
          prompts: learned vectors among the positions of some blocks.
          part: (first, stop) runs the blocks from one up to another only, and no norm after them.
          taps: a list, which gets what is after all blocks, f[depth, B, T, W], without the norm.
          skills: those that are active, where the blocks have some; at least one.
          train: apply dropout, drop-path and DropKey.
          rngs: random numbers for them; may be None where all rates are 0.

        Returns:
          f[B, T, W] in the compute dtype; with `prompts` these are still in it (`prompts.parted`).
        """
        if prompts is not None and prompts.first + len(prompts.values) > self.depth:
            raise EncoderError(
                f"prompts for blocks {prompts.first} to {prompts.first + len(prompts.values) - 1} "
                f"of a transformer of {self.depth}"
            )
        if prompts is not None and relative is not None:
            raise EncoderError("prompts have no relative positions: this encoder takes none")
        if prompts is not None and (part is not None or taps is not None):
            raise EncoderError("prompts are for an encoder without levels: leave those out")
        graphdef, parameters = nnx.split(self.blocks)
        key = dropout_key(rngs, train, max(self.dropout, self.drop_path, self.drop_key))
        keys = None if key is None else split_key(key, self.depth)
        rates = jnp.linspace(0.0, self.drop_path, self.depth) if self.drop_path else None
        blend = 1.0 if prompts is None else prompts.blend
        which = None if kinds is None or not any(kinds) else jnp.asarray(kinds)
        normed = None if self.first_norm else jnp.arange(self.depth) > 0

        def blocks(
            x: jax.Array,
            mask: jax.Array | None,
            start: int,
            stop: int,
            fresh: jax.Array | None = None,
        ) -> jax.Array:
            def run(x: jax.Array, layer: Any) -> tuple[jax.Array, jax.Array | None]:
                parameters, key, rate, kind, normed, fresh = layer
                block = nnx.merge(graphdef, parameters)
                x = x if fresh is None else put_in_place(x, fresh, blend)
                x = block(
                    rows(x),
                    mask=mask,
                    causal=causal,
                    relative=jax.tree.map(lambda a: a[0 if kind is None else kind], relative),
                    normed=normed,
                    key=key,
                    drop_path_rate=rate,
                    skills=skills,
                )
                return x, None if taps is None else x

            if self.remat != "none":
                # In a scan, XLA cannot undo the recomputation by merging it with the forward pass.
                policy = REMAT_POLICIES[self.remat]
                run = jax.checkpoint(run, policy=policy, prevent_cse=not self.scan)
            layers: Any = (parameters, keys, rates, which, normed)
            if stop - start < self.depth:
                layers = jax.tree.map(lambda leaf: leaf[start:stop], layers)
            layers = (*layers, fresh)
            after: Any
            if self.scan:
                x, after = jax.lax.scan(run, x, layers)
            else:
                each: list[Any] = []
                for i in range(stop - start):
                    x, own = run(x, jax.tree.map(lambda leaf, i=i: leaf[i], layers))
                    each.append(own)
                after = None if taps is None else jnp.stack(each)
            if taps is not None:
                taps.append(after)
            return x

        if part is not None:
            return blocks(x, mask, *part) if part[0] < part[1] else x
        if prompts is None:
            x = blocks(x, mask, 0, self.depth)
        else:
            fresh, first = prompts.values, prompts.first
            end, count = first + fresh.shape[0], fresh.shape[1]
            if first:
                x = blocks(x, mask, 0, first)
            if mask is not None:
                there = jnp.ones((mask.shape[0], count), bool)
                mask = jnp.concatenate([mask[:, :1], there, mask[:, 1:]], axis=1)
            x = blocks(put_in(x, fresh[0]), mask, first, end, fresh)
            if end < self.depth:
                x = blocks(x, mask, end, self.depth)
        return x if self.norm is None else self.norm(x)
