"""Multiple-instance contrastive loss: a bag of texts, of which any may be the right one."""

import jax
import jax.numpy as jnp

from mmjax.objectives.base import Batch, Context, Features, Layer, Loss, Outputs, Term, rows_of
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor


class MILNCE(Term):
    """MIL-NCE: a view is pulled to the sum over its bag of texts, of which some may be off topic.

    For embeddings v_i and those w_ik of K texts of N rows, and s_ijk = v_i·w_jk / τ,

        L = mean_i [ log( Σ_jk exp s_ijk + Σ_jk exp s_jik ) - log Σ_k exp s_iik ],

    so that the positives stand twice in the denominator, as in the authors' code: Miech et al. 2020
    (arXiv 1912.06430), with inner products of raw embeddings and τ = 1. Yuan et al. 2023 (arXiv
    2307.15220, SurgVLP) pull a clip to the sentences of one transcript by it. A row has to have the
    view and one text; texts that it lacks are in no sum. The loss of a model that knows nothing is
    ln 2N (metric `chance`), where all bags have one size.

    Args:
      view: what each bag belongs to.
      bag: K views, such as ('text', 'text@2').
      layer: `raw`, the output of the head, or `unit`.
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
    """

    contrastive = True

    def __init__(
        self,
        *,
        view: ViewRef = "video",
        bag: tuple[ViewRef, ...] = ("text", "text@2"),
        layer: Layer = "raw",
        temperature: Factor | str = 1.0,
        learn_temperature: bool = False,
        max_scale: Factor | None = 100.0,
    ):
        if not bag or len({view, *bag}) <= len(bag):
            raise TermError(
                f"The term 'mil_nce' needs a bag of views, each once and none of them view="
                f"{view!r}, but bag={bag!r}."
            )
        self.view, self.bag, self.layer = view, bag, layer
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature.scale(self.name, context.scales)
        pairs = [
            rows_of(self.name, (self.view, text), outputs, batch, layer=self.layer)
            for text in self.bag
        ]
        everywhere = jnp.ones(len(pairs[0].unit[0]), bool)
        there = jnp.stack([everywhere if p.valid is None else p.valid for p in pairs], axis=1)
        rows = there.any(1)
        # In the pair with a text that a row lacks, its view is zero, too.
        view = getattr(outputs[self.view], self.layer)
        x = {"view": jnp.where(rows[:, None], view, 0.0), "valid": rows}
        y = {"bag": jnp.stack([pair.unit[1] for pair in pairs], axis=1), "there": there}
        # A level of all scores changes no loss, but the rounding of the scale's gradient.
        of_row = _products("bd,bkd->bk", x["view"], y["bag"])
        level = jnp.where(there, of_row, 0.0).sum() / jnp.maximum(there.sum(), 1)
        shared = (scale, jax.lax.stop_gradient(level))

        def score(x: Features, y: Features, shared: tuple[jax.Array, jax.Array]) -> jax.Array:
            """log Σ_k exp s_ijk of a tile, f32[r, c]."""
            scale, level = shared
            s = scale * (_products("rd,ckd->rck", x["view"], y["bag"]) - level)
            counted = x["valid"][:, None] & y["there"].any(1)
            return jnp.where(counted, _over_bag(s, y["there"], counted), -jnp.inf)

        by_row, by_col = pairwise.logsumexp(score, x, y, shared, plan=context.plan)
        own = _over_bag(scale * (of_row - shared[1]), there, rows)
        both = jnp.logaddexp(*(jnp.where(rows, side, 0.0) for side in (by_row, by_col)))
        count = jnp.maximum(rows.sum(dtype=jnp.float32), 1.0)
        loss = jnp.where(rows, both - own, 0.0).sum() / count
        return loss, {"scale": scale, "chance": jnp.log(2 * count)}


def _products(subscripts: str, x: jax.Array, y: jax.Array) -> jax.Array:
    """Inner products in full precision, as of `base.similarity`."""
    return jnp.einsum(subscripts, x, y, precision="highest", preferred_element_type=jnp.float32)


def _over_bag(s: jax.Array, there: jax.Array, counted: jax.Array) -> jax.Array:
    """log Σ_k exp s_k over the texts that are there; a number where a pair does not count."""
    s = jnp.where(there, s, jnp.where(counted[..., None], -jnp.inf, 0.0))
    return jax.nn.logsumexp(s, axis=-1)
