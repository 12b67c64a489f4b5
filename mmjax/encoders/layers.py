"""The layers that transformers are made of: activations, dropout, attention, MLP, layer norm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.attention import attention
from mmjax.encoders.base import EncoderError, check_choice, check_positive
from mmjax.encoders.initializers import Initialization
from mmjax.encoders.products import linear_product
from mmjax.encoders.relative import Relative, rotate

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "swiglu", "geglu"]

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
    # x sigmoid(1.702 x): the approximation that OpenAI's CLIP weights were trained with.
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "elu": jax.nn.elu,
}
# Of layers with twice the units: what the first half of them goes through.
GATES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "swiglu": jax.nn.silu,
    "geglu": partial(jax.nn.gelu, approximate=False),
}


def dropout(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """`x` f[B, ...] with each element zeroed with probability `rate`, the others over 1 - rate.

    `key` is as in `draw`. Returns `x` itself where it is None (evaluation) or `rate` is 0.
    """
    if key is None or rate == 0:
        return x
    keep = draw(lambda key, shape: jax.random.bernoulli(key, 1 - rate, shape), key, x.shape)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)


def drop_path(x: jax.Array, rate: jax.Array | float | None, key: jax.Array | None) -> jax.Array:
    """`x` f[B, ...] with whole examples zeroed with probability `rate`, the others rescaled.

    Stochastic depth (Huang et al. 2016) when `x` is what a residual branch adds. `key` is as in
    `draw`. Returns `x` itself where `rate` or `key` is None.
    """
    if key is None or rate is None:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    keep = draw(lambda key, shape: jax.random.bernoulli(key, 1 - rate, shape), key, shape)
    return jnp.where(keep, x / (1 - rate), 0).astype(x.dtype)


def dropout_key(
    rngs: nnx.Rngs | None, train: bool, rate: float, what: str = "dropout or drop-path"
) -> jax.Array | None:
    """The key for the dropout of one call, or None where the call drops nothing.

    Like the key that `rngs` was made with: one key, or key[B], one for each example. Derive others
    from it with `split_key` and `fold_in`, and draw with `draw`, which all take both. `what` is
    what draws, for the message.
    """
    if not train or rate == 0:
        return None
    if rngs is None:
        raise EncoderError(
            f"{what} of {rate} with train=True needs random numbers: "
            "pass rngs=nnx.Rngs(dropout=key) at the call"
        )
    stream = rngs.dropout
    if stream.key.ndim == 0:
        key: jax.Array = stream()
        return key
    keys = jax.vmap(jax.random.fold_in)(stream.key[...], stream.count[...])
    stream.count[...] += 1
    return keys


def draw(sample: Callable[..., jax.Array], key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Random numbers of a batch, row by row: `sample(row key, shape[1:])` for each row -> [B, ...].

    What one example draws depends on its own key and on nothing else in the batch. So an encoder
    that is run on slices of a batch draws what it would on the whole (`parallel.microbatch`).

    Args:
      sample: `(key, shape) -> array`, such as `jax.random.uniform`.
      key: key[B], one for each example; or one key, from which those of examples 0, 1, ... follow.
      shape: `(B, ...)`.
    """
    if key.ndim == 0:
        key = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(shape[0]))
    return jax.vmap(lambda row_key: sample(row_key, shape[1:]))(key)


def split_key(key: jax.Array, count: int) -> jax.Array:
    """`jax.random.split` for one key or for key[B]: key[count] or key[count, B]."""
    if key.ndim == 0:
        return jax.random.split(key, count)
    return jax.vmap(lambda row_key: jax.random.split(row_key, count), out_axes=1)(key)


def keys_of_parts(key: jax.Array, batch: int, count: int) -> jax.Array:
    """One key for each of `count` parts of each example: key[B * count], as they lie in rows.

    Of one key, or of key[B].
    """
    keys = split_key(key, count)  # [count] or [count, B]
    if keys.ndim == 1:
        keys = jax.vmap(lambda k: jax.random.split(k, batch))(keys)
    return keys.T.reshape(-1)


def fold_in(key: jax.Array, data: int) -> jax.Array:
    """`jax.random.fold_in` for one key or for key[B]."""
    if key.ndim == 0:
        return jax.random.fold_in(key, data)
    return jax.vmap(jax.random.fold_in, (0, None))(key, data)


def counted(present: jax.Array) -> jax.Array:
    """Which rows count in statistics over a batch, bool[B]: those present; all, if none is."""
    return present | ~present.any()


def layer_norm(width: int, *, eps: float, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer norm over the last axis; mean and variance in float32 whatever `dtype` is.

    The variance is E[(x - mean)^2]: E[x^2] - mean^2 loses its digits where |mean| >> deviation.
    """
    return nnx.LayerNorm(width, epsilon=eps, dtype=dtype, use_fast_variance=False, rngs=rngs)


class Attention(nnx.Module):
    """Multi-head attention with separate query, key, value and output projections.

    Softmax(Q K^T / sqrt(width / heads)) V in each head (Vaswani et al. 2017, equation 1); the
    softmax is in float32. `sliced` and `drop` are as in `attention.attention`.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        out_width: int | None = None,
        bias: bool = True,
        sliced: bool = False,
        drop: float = 0.0,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_positive(width=width, heads=heads)
        if width % heads:
            raise EncoderError(f"heads={heads} does not divide width={width}")
        self.heads, self.sliced, self.drop = heads, sliced, drop
        out_width = width if out_width is None else out_width
        linear = partial(
            nnx.Linear, width, use_bias=bias, dtype=dtype, dot_general=linear_product, rngs=rngs
        )
        self.query = linear(width, kernel_init=init.attention)
        self.key = linear(width, kernel_init=init.attention)
        self.value = linear(width, kernel_init=init.attention)
        self.out = linear(out_width, kernel_init=init.attention_out)

    def __call__(
        self,
        x: jax.Array,
        context: jax.Array | None = None,
        *,
        mask: jax.Array | None = None,
        causal: bool = False,
        relative: Relative | None = None,
        rng: jax.Array | None = None,
    ) -> jax.Array:
        """Attends from each position of `x` to those of `context`.

        Args:
          x: f[B, T, W], the queries.
          context: f[B, S, W], keys and values; `x` itself where None.
          mask: bool[B, S], False at positions that nothing may attend to. (Where a whole row is
            False, the average of all values is the result: finite, and to be ignored.)
          causal: position t attends only to positions up to t.
          relative: positions, of one kind.
          rng: one key or key[B], where keys are dropped; None drops none.

        Returns:
          f[B, T, W], or f[B, T, out_width].
        """
        context = x if context is None else context

        def split(y: jax.Array) -> jax.Array:  # B S W -> B S N H
            return y.reshape(*y.shape[:-1], self.heads, -1)

        query, key = split(self.query(x)), split(self.key(context))
        bias, rotary, window = Relative() if relative is None else relative
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        y = attention(
            query,
            key,
            split(self.value(context)),
            mask=mask,
            causal=causal,
            sliced=self.sliced,
            bias=bias,
            window=window,
            drop=self.drop,
            rng=rng,
        )
        return self.out(y.reshape(*x.shape))


class FeedForward(nnx.Module):
    """The MLP of a transformer block: down(activation(up(x))), f[..., W] -> f[..., W].

    With `swiglu` and `geglu` the first layer has twice the units, a and b, and the second gets
    silu(a) * b or gelu(a) * b (Shazeer 2020).
    """

    def __init__(
        self,
        *,
        width: int,
        hidden: int,
        activation: Activation = "gelu",
        bias: bool = True,
        init: Initialization,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        check_choice("activation", activation, Activation)
        self.activation = activation
        gated = activation in GATES
        linear = partial(
            nnx.Linear,
            use_bias=bias,
            bias_init=init.mlp_bias,
            dtype=dtype,
            dot_general=linear_product,
            rngs=rngs,
        )
        self.up = linear(width, hidden * (2 if gated else 1), kernel_init=init.up)
        self.down = linear(hidden, width, kernel_init=init.down)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.up(x)
        if self.activation in GATES:
            gate, x = jnp.split(x, 2, axis=-1)
            return self.down(GATES[self.activation](gate) * x)
        return self.down(ACTIVATIONS[self.activation](x))


class LayerScale(nnx.Module):
    """x * scale with a learned f[W] that starts small (Touvron et al. 2021, CaiT, equation 6)."""

    def __init__(self, width: int, *, start: float, dtype: DTypeLike):
        self.dtype = dtype
        self.scale = nnx.Param(jnp.full((width,), start, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.scale[...].astype(self.dtype)
