"""Regression of numbers: what was hidden of a view, or what another view holds."""

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.temporal_conv import frames_conv
from mmjax.model.embedding import Hidden
from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, rows_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero

Error = Literal["l1", "l2", "cosine"]


class Regression(Term):
    """Regression from a view, of its hidden patches or of a target.

    For the numbers y and what a head h of the term's own says of them, l the mean over the numbers
    of |y - h| (`l1`) or of (y - h)^2 (`l2`), or 1 - cos(y, h) (`cosine`),

        L = mean_im l( y_im, h(t_im) ),   over the hidden patches m of examples i,

    where t_im are the encoder's tokens of the view, one for each patch: masked modelling of images
    and volumes by their pixels (He et al. 2022, arXiv 2111.06377; Xie et al. 2022, arXiv
    2111.09886, whose loss is `l1`). The view's tower hides patches: `augment` of type
    `mask_patches`, for this view. With `target`

        L = mean_i l( y_i, h(z_i) ),   z_i the embeddings before normalisation,

    and with `target` and `tokens`, y_im of each token m that is no padding,

        L = mean_im l( y_im, h([t_im, g_i]) ),   g_i the embeddings of the views `beside`,

    the mean over all such tokens: a decoder, whose layers are convolutions along the tokens where
    `kernel` is more than 1. Of a head with level='codes' the tokens are codes: so the semantic
    codes of SecoustiCodec (Qiang et al. 2025, arXiv 2508.02849) and a vector of the whole
    utterance say its frames.

    Args:
      view: that is read.
      inputs: width of what h reads: of the tokens, or of the embedding, and of what is beside.
      size: of y: numbers of a patch, with its channels, or of the whole target.
      target: a view without a tower, f[B, ...], such as one of type `array`; None for what was
        hidden.
      hidden: widths of the layers of h before the last, with GELU between them.
      loss: l.
      skip: tokens before those of the patches, such as 1 for [CLS].
      tokens: read the tokens of the view, each of which has its part of the target.
      beside: views whose embedding, before normalisation, each token has beside it.
      kernel: tokens that each layer of h sees; odd, unless `causal`.
      causal: whether these are the token's own and those before it.
      rngs: for h; kernels Xavier-normal, biases 0.
    """

    least_rows = 1
    predicts = True

    def __init__(
        self,
        *,
        view: ViewRef = "image@masked",
        inputs: Count,
        size: Count,
        target: LabelRef | None = None,
        hidden: tuple[Count, ...] = (),
        loss: Error = "l1",
        skip: CountOrZero = 0,
        tokens: bool = False,
        beside: tuple[ViewRef, ...] = (),
        kernel: Count = 1,
        causal: bool = False,
        rngs: nnx.Rngs,
    ):
        if tokens and target is None:
            raise TermError("The term 'regression' has tokens=True, which needs a 'target'.")
        if not tokens and (beside or kernel > 1 or causal):
            raise TermError(
                f"The term 'regression' has beside={beside!r}, kernel={kernel} and causal={causal},"
                " which are of tokens that a target is said from: set tokens=True."
            )
        if kernel % 2 == 0 and not causal:
            raise TermError(
                f"The term 'regression' has kernel={kernel}, which has no middle: give an odd one, "
                "or causal=True."
            )
        if skip and target is not None:
            raise TermError(
                f"The term 'regression' of target={target!r} reads one vector, so that skip={skip} "
                "means nothing: leave it out."
            )
        self.view, self.target, self.loss, self.skip = view, target, loss, skip
        self.inputs, self.size = inputs, size
        self.tokens, self.beside = tokens, beside
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.xavier_normal(), rngs=rngs)
            if kernel == 1
            else frames_conv((a, b), kernel, causal=causal, rngs=rngs)
            for a, b in pairwise((inputs, *hidden, size))
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        fields = () if self.target is None else (self.target,)
        fields = (*fields, *self.beside)
        rows = rows_of(self.name, (self.view,), outputs, batch, layer="raw", fields=fields)
        if self.tokens:
            x, y, asked = self._tokens(outputs, batch, rows.valid)
        elif self.target is not None:
            x, y = rows.unit[0], jnp.asarray(batch[self.target], jnp.float32)
            y = y.reshape(len(y), -1)
            asked = jnp.ones(len(y), bool) if rows.valid is None else rows.valid
        else:
            x, y, asked = self._patches(outputs, rows.valid)
        for what, found, told in (("inputs", x, self.inputs), ("size", y, self.size)):
            if found.shape[-1] != told:
                raise TermError(
                    f"The term {self.name!r} has {what}={told}, but there are {found.shape[-1]} "
                    "numbers: set that."
                )
        # What stands in for a missing value must not spread: 0 * inf is NaN.
        x, y = (jnp.where(asked[..., None], each, 0.0) for each in (x, y))
        error = jnp.where(asked, self._error(y, self._said(x, asked)), 0.0)
        return error.sum() / jnp.maximum(asked.sum(dtype=jnp.float32), 1.0), {}

    def predicted(self, x: jax.Array) -> jax.Array:
        """h, f32[B, inputs] -> f32[B, size].

        Raises:
          TermError: where it reads tokens.
        """
        if self.tokens or self.target is None:
            raise TermError(f"The term {self.name!r} predicts from tokens, not from an embedding.")
        return self._said(x, None)

    def _said(self, x: jax.Array, asked: jax.Array | None) -> jax.Array:
        """h, f32[..., inputs] -> f32[..., size]; 0 at tokens that are not asked for."""
        for i, layer in enumerate(self.layers):
            x = layer(jax.nn.gelu(x, approximate=False) if i else x)
            if self.tokens and asked is not None:
                # A convolution sees the neighbours of padding as it sees an end.
                x = jnp.where(asked[..., None], x, 0.0)
        return x

    def _tokens(
        self, outputs: Outputs, batch: Batch, valid: jax.Array | None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Tokens with what is beside them, their targets, and which are asked for, bool[B, T]."""
        assert self.target is not None
        encoding, y = outputs[self.view].encoding, jnp.asarray(batch[self.target], jnp.float32)
        tokens = None if encoding is None else encoding.tokens
        if encoding is None or tokens is None or y.ndim != 3 or y.shape[:2] != tokens.shape[:2]:
            found = "none" if tokens is None else f"{tokens.shape[1]} an example"
            raise TermError(
                f"The term {self.name!r} needs a token of {self.view!r} for each row of "
                f"{self.target!r}, [B, T, numbers], but there are {found} and its shape is "
                f"{list(y.shape)}."
            )
        asked = jnp.ones(tokens.shape[:2], bool) if encoding.mask is None else encoding.mask
        asked = asked if valid is None else asked & valid[:, None]
        parts = [tokens.astype(jnp.float32)]
        for view in self.beside:
            own = outputs[view].raw[:, None]
            parts.append(jnp.broadcast_to(own, (*tokens.shape[:2], own.shape[-1])))
        return jnp.concatenate(parts, -1), y, asked

    def _patches(
        self, outputs: Outputs, valid: jax.Array | None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Tokens f32[B, N, W], patches f32[B, N, P], and which are asked for, bool[B, N]."""
        embedding = outputs[self.view]
        targets, encoding = embedding.targets, embedding.encoding
        if not isinstance(targets, Hidden):
            raise TermError(
                f"The term {self.name!r} asks what was hidden in {self.view!r}, but nothing is: "
                "give its tower augment={'type': 'mask_patches', ...} with this view among 'views'."
            )
        tokens = None if encoding is None else encoding.tokens
        count = targets.hidden.shape[1]
        if tokens is None or tokens.shape[1] != self.skip + count:
            found = "none" if tokens is None else str(tokens.shape[1])
            raise TermError(
                f"The term {self.name!r} needs a token of {self.view!r} for each of {count} "
                f"patches, behind skip={self.skip}, but the encoder gives {found}: patch should be "
                "that of the encoder."
            )
        asked = targets.hidden if valid is None else targets.hidden & valid[:, None]
        return tokens[:, self.skip :].astype(jnp.float32), targets.values, asked

    def _error(self, y: jax.Array, x: jax.Array) -> jax.Array:
        """l, f32[...] of f32[..., P]."""
        if self.loss == "l1":
            return jnp.abs(y - x).mean(-1)
        if self.loss == "l2":
            return jnp.square(y - x).mean(-1)
        squares = jnp.maximum((y * y).sum(-1), 1e-12) * jnp.maximum((x * x).sum(-1), 1e-12)
        return 1 - (x * y).sum(-1) * jax.lax.rsqrt(squares)
