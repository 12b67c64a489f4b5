"""Alignment to a prior: both members of a pair are pulled to one random vector."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, random_key, rows_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import ViewRef


class RandomFeatureAlignment(Term):
    """Every modality of an example is pulled to ONE random vector (RaFA).

        L = Σ_m mean_i mean_k (f^m_ik - z_ik)²,   z ~ prior, anew in every step,

    for raw embeddings f, in D dimensions. Yamaguchi et al. 2025 (arXiv 2504.12717, CLIP-Refine), as
    in the authors' code; the paper writes 1/2 Σ_k in place of mean_k, D/2 times as much. In the
    mean over z it is Σ_m mean |f^m|²/D and a constant: it shrinks embeddings to the prior's mean,
    and what the pair shares is the noise. By itself it destroys retrieval.

    Args:
      modalities: m.
      prior: for each number N(0, 1); uniform in [0, 1); or, of `stats`, a normal with the mean and
        deviation that features have in this dimension.
      stats: a file of NumPy, .npz, with `mean` and `std` f[D] of features, for that prior.
      shared: one z for all modalities of an example; otherwise one for each.
      reduction: over k, `mean`, or `half_sum` as the paper writes it.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("image", "text"),
        prior: Literal["normal", "uniform", "stats"] = "normal",
        stats: str | None = None,
        shared: bool = True,
        reduction: Literal["mean", "half_sum"] = "mean",
    ):
        if not modalities or len(set(modalities)) != len(modalities):
            raise TermError(f"modalities={modalities!r} should name modalities, each once.")
        if (prior == "stats") != (stats is not None):
            raise TermError(
                f"prior={prior!r} with stats={stats!r}: 'stats' needs a file, no other."
            )
        self.modalities, self.prior = modalities, prior
        if stats is not None:  # as tuples: arrays would be part of the model's state
            try:
                with np.load(stats) as file:
                    self.mean, self.std = (tuple(file[name].tolist()) for name in ("mean", "std"))
            except Exception as error:  # damaged files make NumPy raise nearly anything
                raise TermError(
                    f"stats={stats!r} is no .npz file with 'mean' and 'std' that can be read "
                    f"({error})."
                ) from error
        self.shared, self.reduction = shared, reduction

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(self.name, self.modalities, outputs, batch, layer="raw")
        key = random_key(self.name, context)
        loss = jnp.zeros(())
        for number, features in enumerate(rows.unit):
            own = key if self.shared else jax.random.fold_in(key, number)
            square = (features - self._draw(own, features.shape)) ** 2
            if self.reduction == "mean":
                per_row = square.mean(-1)
            else:
                per_row = 0.5 * square.sum(-1)
            loss = loss + rows.mean(per_row)
        return loss, {}

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        if self.prior == "uniform":
            return jax.random.uniform(key, shape, jnp.float32)
        noise = jax.random.normal(key, shape, jnp.float32)
        if self.prior == "normal":
            return noise
        return jnp.asarray(self.mean) + jnp.asarray(self.std) * noise
