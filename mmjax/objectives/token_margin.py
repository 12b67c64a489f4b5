"""Contrast between the tokens of one text, against tokens that all point one way."""

import jax
import jax.numpy as jnp

from mmjax.model.embedding import unit_norm
from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, valid_rows
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import NonNegative


class TokenMargin(Term):
    """Contrastive loss between the tokens of each example by itself, with a margin (SimCTG).

    For the n tokens h_1 ... h_n of an example that are no padding, of its encoder, before any head,

        L = 1 / (n (n - 1)) Σ_i Σ_{j ≠ i} max(0, margin - 1 + cos(h_i, h_j)),

    the mean over the examples with two tokens or more: no other example is a negative. Su et al.
    2022 (arXiv 2202.06417, "A contrastive framework for neural text generation", equation 2, where
    cos(h_i, h_i) stands for 1). Beside `captioning` it keeps a language model's tokens apart, for
    contrastive search; such models often need no help (Su and Xu 2023, arXiv 2210.14140). T x T
    cosines of each example are held in memory.

    Args:
      view: whose tokens.
      margin: ρ; at 0 the loss is 0 and at 2 every pair counts.
    """

    least_rows = 1

    def __init__(self, *, view: ViewRef = "text", margin: NonNegative = 0.5):
        self.view, self.margin = view, margin

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        if self.view not in outputs:
            raise TermError(
                f"The term {self.name!r} needs the modality {self.view!r}, but the batch has only "
                f"{', '.join(map(repr, sorted(outputs)))}: add a view and a tower for it."
            )
        encoding = outputs[self.view].encoding
        if encoding is None or encoding.tokens is None:
            raise TermError(
                f"The term {self.name!r} compares the tokens of {self.view!r}, but its encoder "
                "gives none."
            )
        tokens, there = encoding.tokens.astype(jnp.float32), valid_rows((self.view,), batch)
        real = jnp.ones(tokens.shape[:2], bool) if encoding.mask is None else encoding.mask
        if there is not None:
            real = real & there[:, None]
        unit = unit_norm(jnp.where(real[..., None], tokens, 0.0))
        cosine = jnp.einsum("bid,bjd->bij", unit, unit, precision="highest")
        pairs = real[:, :, None] & real[:, None, :] & ~jnp.eye(tokens.shape[1], dtype=bool)
        hinge = jnp.where(pairs, jax.nn.relu(self.margin - 1 + cosine), 0.0)
        count = pairs.sum((1, 2))
        rows = jnp.maximum((count > 0).sum(), 1)
        each = hinge.sum((1, 2)) / jnp.maximum(count, 1)
        mean = jnp.where(pairs, cosine, 0.0).sum((1, 2)) / jnp.maximum(count, 1)
        return each.sum() / rows, {"cosine": mean.sum() / rows}
