"""InfoNCE with a temperature of its own for each example."""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Rows,
    Term,
    both_valid,
    features,
    mean_over,
    rows_of,
    same_example,
    similarity,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor, Moderate


class AdaptiveInfoNCE(Term):
    """Symmetric InfoNCE with a higher temperature for examples that have many similar ones.

    With unit guides h_i, constants, the ambiguity of example i is a soft maximum of the others,

        r_i = 1/β ln [ 1/(N-1) Σ_(j ≠ i) exp(β h_i·h_j) ],
        τ_i = τ_low + (τ_high - τ_low) σ(α (r_i - mean r)),
        L = 1/(2N) Σ_i [ ln Σ_j exp(x_i·y_j / τ_i) + ln Σ_j exp(y_i·x_j / τ_i) - 2 x_i·y_i / τ_i ].

    With `same_side` the sums also have exp(x_i·x_j / τ_i), or exp(y_i·y_j / τ_i), of j ≠ i. Luo et
    al. 2023, CLSR (arXiv 2309.08839), whose formulas are not public: this is a reading of their
    parts, where the mean of the ten largest h_i·h_j is the soft maximum, which streams. A
    temperature of each pair instead would have a trivial minimum, opposite embeddings.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      guide: an output whose embeddings are h, such as one of frozen features of the caption.
      low, high: τ_low and τ_high.
      slope: α; below 0 ambiguous examples get a lower temperature.
      sharpness: β.
      same_side: whether examples of the anchor's own modality are negatives, too.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        guide: ViewRef,
        low: Factor = 0.03,
        high: Factor = 0.2,
        slope: Moderate = 5.0,
        sharpness: Factor = 20.0,
        same_side: bool = False,
    ):
        check_pairs("adaptive_info_nce", pairs)
        if not low <= high:
            raise TermError(
                f"The term 'adaptive_info_nce' has low={low} above high={high}: exchange them."
            )
        self.pairs, self.guide, self.low, self.high = pairs, guide, low, high
        self.slope, self.sharpness, self.same_side = slope, sharpness, same_side

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        found = [self._pair(pair, outputs, batch, context.plan) for pair in self.pairs]
        loss, temperature, chance = (mean_over(list(each)) for each in zip(*found, strict=True))
        return loss, {"temperature": temperature, "chance": chance}

    def _pair(
        self, pair: tuple[str, str], outputs: Outputs, batch: Batch, plan: pairwise.Plan
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        # A guide may be of another size, but a row takes part with all three only.
        rows = rows_of(self.name, pair, outputs, batch, fields=(self.guide,))
        guides = rows_of(self.name, (self.guide,), outputs, batch, fields=pair)
        temperature = self._temperature(guides, plan)
        scale = 1.0 / temperature
        x, y = ({**features(rows, side, index=True), "scale": scale} for side in (0, 1))
        losses = []
        for own, other in ((x, y), (y, x)):
            normalizer, _ = pairwise.logsumexp(_across, own, other, (), plan=plan, sides="rows")
            if self.same_side:
                within, _ = pairwise.logsumexp(_within, own, own, (), plan=plan, sides="rows")
                if rows.valid is not None:  # -inf of both has no derivative
                    normalizer = jnp.where(rows.valid, normalizer, 0.0)
                normalizer = jnp.logaddexp(normalizer, within)
            positive = scale * (rows.unit[0] * rows.unit[1]).sum(-1)
            losses.append(rows.mean(normalizer - positive))
        count = rows.count * (2 if self.same_side else 1) - (1 if self.same_side else 0)
        return mean_over(losses), rows.mean(temperature), jnp.log(jnp.maximum(count, 1.0))

    def _temperature(self, rows: Rows, plan: pairwise.Plan) -> jax.Array:
        """τ f32[B]; of the only example the mean of both bounds."""
        h = jax.lax.stop_gradient(features(rows, 0, index=True))

        def score(x: Features, y: Features, shared: tuple[()]) -> jax.Array:
            others = both_valid(x, y) & ~same_example(x, y)
            return jnp.where(others, self.sharpness * similarity(x["unit"], y["unit"]), -jnp.inf)

        total, _ = pairwise.logsumexp(score, h, h, (), plan=plan, sides="rows")
        several = total > -jnp.inf
        others = jnp.log(jnp.maximum(rows.count - 1.0, 1.0))
        ambiguity = jnp.where(several, (total - others) / self.sharpness, 0.0)
        share = jax.nn.sigmoid(self.slope * (ambiguity - rows.mean(ambiguity)))
        return jax.lax.stop_gradient(self.low + (self.high - self.low) * share)


def _across(x: Features, y: Features, shared: tuple[()]) -> jax.Array:
    s = x["scale"][:, None] * similarity(x["unit"], y["unit"])
    return jnp.where(both_valid(x, y), s, -jnp.inf)


def _within(x: Features, y: Features, shared: tuple[()]) -> jax.Array:
    return jnp.where(same_example(x, y), -jnp.inf, _across(x, y, shared))
