"""Regularizers of codes: of how much they are used, and by whom."""

from collections.abc import Mapping
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from mmjax.model.embedding import Embedding
from mmjax.model.quantizers import LookupFreeQuantizer
from mmjax.model.towers import Tower
from mmjax.objectives.base import (
    Batch,
    Context,
    FusedBy,
    Loss,
    Outputs,
    Rows,
    Term,
    rows_of,
    sum_of,
)
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Bounds, Factor, NonNegative
from mmjax.schema.names import modality_of

Measure = Literal["overuse", "flops", "entropy", "commitment"]


class CodeRegularizer(Term):
    """Codes that a batch uses evenly, or sparsely, or that embeddings stay near to.

    Of codes s_ik >= 0, the raw embeddings of a head of type 'codebook' with output='codes', with
    means over the valid rows of the whole batch:

    `overuse`, K Σ_k u_k² of the usage u_k = mean_i s_ik / Σ_l s_il: 1 where all K codes are used
    alike, K where all rows use one; the scale of a row does not matter, and a row of zeros uses
    none. The overuse penalty of LexVLA (Li et al. 2024, arXiv 2407.17827), as a card reconstructs
    it from the paper's description.

    `flops`, Σ_k (mean_i s_ik)²: as many products as an inverted index would do (Paria et al. 2020,
    arXiv 2004.05665). It can be lowered by making all codes small.

    Of a head that quantizes z to the code e (`Embedding.quantized`), of an example or with tokens
    of each of them that is no padding:

    `entropy`, mean_i H(p_i) - H(mean_i p_i) of soft codes p of `lfq`, whose bits are 1 with the
    probability sigmoid(4 z / τ), in nats: confident bits, codes in even use (MAGVIT-v2, Yu et al.
    2024, arXiv 2310.05737). The second is taken of `group` bits at a time and summed, which bounds
    it from above: with group=1 bits are balanced, and may still be copies of each other.

    `commitment`, mean_i |sg(z_i) - e_i|² + β |z_i - sg(e_i)|²: codes of `vq` come to the
    embeddings, and these stay near (VQ-VAE, van den Oord et al. 2017, arXiv 1711.00937).

    Args:
      views: whose codes; the loss is the sum over them.
      measure: which of them.
      temperature: τ of `entropy`.
      group: bits of a group in `entropy`, of which the number of bits is a multiple; 2^group
        probabilities of each row are held.
      beta: β of `commitment`.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...] = ("image", "text"),
        measure: Measure = "overuse",
        temperature: Factor = 1.0,
        group: Annotated[int, Bounds(ge=1, le=12)] = 1,
        beta: NonNegative = 0.25,
    ):
        if not views:
            raise TermError("The term 'code_regularizer' needs at least one view.")
        self.views, self.measure = views, measure
        self.temperature, self.group, self.beta = temperature, group, beta

    def check(self, towers: Mapping[str, Tower], fused: FusedBy) -> None:
        """Refuses the entropy of bits of a head whose codes are made of others."""
        for view in self.views if self.measure == "entropy" else ():
            head = getattr(towers.get(modality_of(view)), "head", None)
            if getattr(head, "quantizes", False) and not isinstance(head, LookupFreeQuantizer):
                raise TermError(
                    f"The term {self.name!r} has measure='entropy', which is of the bits of a head "
                    f"of type 'lfq', and that of {view!r} is another: leave the term out, or give "
                    "it such a head."
                )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = {}
        for view in self.views:
            rows = rows_of(self.name, (view,), outputs, batch, layer="raw")
            if self.measure in ("entropy", "commitment"):
                values[view] = self._of_quantized(view, outputs[view], rows)
            else:
                values[view] = self._of_codes(rows)
        return sum_of(values.values()), values

    def _of_quantized(self, view: str, embedding: Embedding, rows: Rows) -> jax.Array:
        if embedding.quantized is None:
            raise TermError(
                f"The term {self.name!r} has measure={self.measure!r}, which needs a head of "
                f"{view!r} that quantizes: 'lfq' or 'vq'."
            )
        z, e = embedding.quantized
        if z.ndim == 3:
            rows = _tokens(embedding, z, rows)
            z, e = (each.reshape(-1, z.shape[-1]) for each in (z, e))
        if rows.valid is not None:
            z, e = (jnp.where(rows.valid[:, None], each, 0.0) for each in (z, e))
        if self.measure == "commitment":
            still = jax.lax.stop_gradient
            return rows.mean(
                ((still(z) - e) ** 2).sum(-1) + self.beta * ((z - still(e)) ** 2).sum(-1)
            )
        if z.shape[1] % self.group:
            raise TermError(
                f"The term {self.name!r} has group={self.group}, of which {z.shape[1]} bits of "
                f"{view!r} are no multiple."
            )
        logits = (4 / self.temperature) * z.reshape(len(z), -1, self.group)
        # Every code of a group, [2^g, g] of ±1; log p of each is the sum of those of its bits.
        every = 2 * ((jnp.arange(2**self.group)[:, None] >> jnp.arange(self.group)) & 1) - 1
        log_p = jax.nn.log_sigmoid(logits[:, :, None, :] * every).sum(-1)
        p = jnp.exp(log_p)
        own = rows.mean(-(p * log_p).sum((1, 2)))
        if rows.valid is not None:
            p = jnp.where(rows.valid[:, None, None], p, 0.0)
        return own - jax.scipy.special.entr(_mean(p, rows)).sum()

    def _of_codes(self, rows: Rows) -> jax.Array:
        codes = rows.unit[0].astype(jnp.float32)
        if self.measure == "flops":
            return (_mean(codes, rows) ** 2).sum()
        total = codes.sum(-1, keepdims=True)
        usage = _mean(codes / jnp.where(total > 0, total, 1.0), rows)
        return codes.shape[-1] * (usage**2).sum()


def _tokens(embedding: Embedding, z: jax.Array, rows: Rows) -> Rows:
    """The tokens of z f32[B, T, D] that are no padding, as rows."""
    valid = jnp.ones(z.shape[:2], bool)
    if embedding.encoding is not None and embedding.encoding.mask is not None:
        valid &= embedding.encoding.mask
    if rows.valid is not None:
        valid &= rows.valid[:, None]
    return Rows((), valid.reshape(-1), valid.sum(dtype=jnp.float32))


def _mean(values: jax.Array, rows: Rows) -> jax.Array:
    """Mean f32[...] of f32[B, ...] over the valid rows, the others of which are 0."""
    return values.sum(0) / jnp.maximum(rows.count, 1.0)
