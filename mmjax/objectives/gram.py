"""GRAM: contrastive loss of tuples of modalities, by the volume that their embeddings span."""

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Term,
    both_valid,
    features,
    rows_of,
    same_example,
)
from mmjax.objectives.contrastive import cross_entropy
from mmjax.objectives.multi_view import check_views
from mmjax.parallel.volume import EPS, span, with_anchors
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import BelowOne, Factor, Positive


class GramVolume(Term):
    """Symmetric InfoNCE whose score is minus the volume of the parallelotope of a tuple.

    For unit vectors t_i of the anchor and u_m,j of the k - 1 other modalities,

        V_ij² = det Gram(t_i, u_1,j, ..., u_k-1,j) = h_1,j² ... h_k-1,j² h_ij²,

    with h_m,j the distance of u_m,j from the span of those before it and h_ij that of t_i from all
    of them. The scores of the softmax over tuples j, and of that over anchors i, are -V_ij / τ, and
    both have label smoothing. Cicchetti et al. 2025 (arXiv 2412.11959), GRAM; τ divides and is
    itself the parameter, as in the authors' code. Two differences: each h is (h² + eps)^1/2, for
    the root has an infinite gradient at 0, and all embeddings have a gradient, which the authors'
    code stops at gathered ones. The volume does not see signs, and two modalities that agree
    exactly make it 0 for every anchor. The engine gets an orthonormal basis of each column, so a
    tile costs k - 1 products.

    Args:
      modalities: k of them, 2 at least; the first is the anchor.
      temperature: τ at the start.
      learn_temperature: whether τ trains.
      label_smoothing: ε in [0, 1), as in `InfoNCE`.
      eps: added to squared distances h².
    """

    version = 2  # small volumes are exact, and eps is 1e-12, not 1e-6
    contrastive = True

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("text", "video", "audio"),
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        label_smoothing: BelowOne = 0.1,
        eps: Positive = EPS,
    ):
        check_views("gram_volume", modalities)
        self.modalities, self.eps, self.label_smoothing = modalities, eps, label_smoothing
        self.fixed_temperature = None if learn_temperature else temperature
        if learn_temperature:
            self.temperature = nnx.Param(jnp.float32(temperature))

    def tau(self) -> jax.Array:
        """τ, an f32 scalar."""
        fixed = self.fixed_temperature
        tau: jax.Array = self.temperature[...] if fixed is None else jnp.float32(fixed)
        return tau

    def scale(self) -> jax.Array:
        return 1 / self.tau()

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        temperature = self.tau()
        rows = rows_of(self.name, self.modalities, outputs, batch)
        x, y = (features(rows, 0, index=True) for _ in range(2))
        # Tuples of one example are where volumes get small, and are B only: by their own vectors.
        own = span(jnp.stack([*rows.unit[1:], rows.unit[0]], axis=1), self.eps)["volume"]
        x["own"] = own
        del y["unit"]
        y |= span(jnp.stack(rows.unit[1:], axis=1), self.eps)

        def score(x: Features, y: Features) -> jax.Array:
            volume = with_anchors(x["unit"], y, self.eps)
            volume = jnp.where(same_example(x, y), x["own"][:, None], volume)
            return jnp.where(both_valid(x, y), -volume, -jnp.inf)

        loss = cross_entropy(
            score,
            x,
            y,
            1 / temperature,
            -own,
            rows,
            plan=context.plan,
            label_smoothing=self.label_smoothing,
        )
        return loss, {"temperature": temperature, "volume": rows.mean(own)}
