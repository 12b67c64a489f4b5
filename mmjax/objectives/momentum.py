"""Momentum contrast: InfoNCE with keys of a momentum teacher and a queue."""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.model.embedding import Embedding, Keys
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Rows,
    Term,
    mean_over,
    rows_of,
    same_example,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor
from mmjax.schema.names import modality_of, views_of
from mmjax.schema.schedule import Schedule, ScheduledFraction


class MomentumNCE(Term):
    """InfoNCE with keys of a momentum teacher and a queue (MoCo, ALBEF).

    For the unit embedding q_i of a view by its tower, the teacher's keys k_j of another view (those
    of the batch and, where there is one, of the queue) and S_ij = q_i·k_j / τ,

        L = mean_i [ lse_j S_ij  -  α Σ_j p_ij S_ij  -  (1 - α) S_ii ],
        p_ij = softmax_j( q'_i·k_j / τ ),

    q'_i the teacher's embedding of the query's modality; p is a constant, also in τ. Keys get no
    gradient, so a pair trains its query alone, and both directions are two pairs. With α = 0 and
    two views of one modality it is MoCo's loss: He et al. 2020 (arXiv 1911.05722, equation 1).
    Between modalities it is the image-text contrastive loss with momentum distillation of Li et al.
    2021 (arXiv 2107.07651, section 3.2); both together are the cross-modal and intra-modal losses
    of Yang et al. 2022 (arXiv 2202.10401, TCL).

    Args:
      pairs: (view of the query, view of the key); the teacher has to embed the views of keys, and
        for soft targets one of the query's modality. The loss is the mean over pairs.
      soft: α in [0, 1], a number or a schedule (see `Schedule`).
      soft_within: whether pairs within one modality have soft targets, too.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      min_scale, max_scale: bounds of a learned 1/τ, or None.
      duplicates: what keys of other examples with the query's `id` are, such as its own of an
        earlier visit: 'negative', as in the papers, or 'mask', left out.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"), ("text", "image")),
        soft: ScheduledFraction = 0.0,
        soft_within: bool = False,
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        min_scale: Factor | None = None,
        max_scale: Factor | None = 100.0,
        duplicates: Literal["negative", "mask"] = "negative",
    ):
        if not pairs or len(set(pairs)) != len(pairs):
            raise TermError(f"The term 'momentum_nce' needs pairs, each once, but pairs={pairs!r}.")
        self.pairs, self.soft_within = pairs, soft_within
        self.soft = Schedule.of(soft, "soft")
        self.temperature = Temperature(
            temperature, learned=learn_temperature, min_scale=min_scale, max_scale=max_scale
        )
        self.mask_duplicates = duplicates == "mask"

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        parts = [self._pair(*pair, outputs, batch, context, scale) for pair in self.pairs]
        loss, in_batch, columns = (mean_over(list(each)) for each in zip(*parts, strict=True))
        metrics = {"scale": scale, "chance": jnp.log(jnp.maximum(columns, 1.0))}
        if context.queue:
            metrics["in_batch"] = in_batch
        if not self.soft.constant:
            metrics["soft"] = self.soft(context.progress)
        return loss, metrics

    def _pair(
        self,
        query: str,
        key: str,
        outputs: Outputs,
        batch: Batch,
        context: Context,
        scale: jax.Array,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The loss; the same with hard targets and keys of the batch alone; number of keys."""
        everything = with_teacher(self.name, outputs, context)
        within = modality_of(query) == modality_of(key)
        soft = max(self.soft.start, self.soft.end) > 0 and (self.soft_within or not within)
        names: tuple[str, ...] = (query, of_teacher(key))
        if soft:
            names += (of_teacher(counterpart(self.name, query, context)),)
        rows = rows_of(self.name, names, everything, batch)
        ids = batch["id"] if self.mask_duplicates else None
        queue = (context.queue or {}).get(key)
        x = numbered({"unit": rows.unit[0]}, rows, ids)
        y = columns(numbered({"unit": rows.unit[1]}, rows, ids), queue)

        def score(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
            s = scale * similarity(x["unit"], y["unit"])
            counted = self._counted(x, y)
            of_batch = counted & (y["index"] >= 0)[None, :]
            return jnp.where(counted, s, -jnp.inf), jnp.where(of_batch, s, -jnp.inf)

        (lse, lse_batch), _ = pairwise.logsumexp(
            score, x, y, scale, plan=context.plan, sides="rows"
        )
        positive = scale * (rows.unit[0] * rows.unit[1]).sum(-1)
        target = positive
        if soft:
            alpha = self.soft(context.progress)
            mean = self._expected(x, y, rows.unit[2], scale, context.plan)
            target = alpha * mean + (1 - alpha) * positive
        count = rows.count if queue is None else rows.count + queue.valid.sum(dtype=jnp.float32)
        return rows.mean(lse - target), rows.mean(lse_batch - positive), count

    def _expected(
        self, x: Features, y: Features, reference: jax.Array, scale: jax.Array, plan: pairwise.Plan
    ) -> jax.Array:
        """Σ_j p_ij S_ij, f32[B]."""
        fixed = jax.lax.stop_gradient(scale)
        x = {**x, "reference": jax.lax.stop_gradient(reference)}

        def log_weight(x: Features, y: Features, fixed: jax.Array) -> jax.Array:
            s = fixed * similarity(x["reference"], y["unit"])
            return jnp.where(self._counted(x, y), s, -jnp.inf)

        normalizer, _ = pairwise.logsumexp(log_weight, x, y, fixed, plan=plan, sides="rows")
        x["normalizer"] = jax.lax.stop_gradient(jnp.where(normalizer > -jnp.inf, normalizer, 0.0))

        def weighted(x: Features, y: Features, shared: tuple[jax.Array, jax.Array]) -> jax.Array:
            scale, fixed = shared
            p = jnp.exp(log_weight(x, y, fixed) - x["normalizer"][:, None])
            return jax.lax.stop_gradient(p) * scale * similarity(x["unit"], y["unit"])

        mean: jax.Array
        mean, _ = pairwise.sums(weighted, x, y, (scale, fixed), plan=plan, sides="rows")
        return mean

    def _counted(self, x: Features, y: Features) -> jax.Array:
        """bool[r, c]: pairs that take part."""
        counted = jnp.ones((len(x["index"]), len(y["index"])), bool)
        if "valid" in x:
            counted &= x["valid"][:, None]
        if "valid" in y:  # of a queue also where all of the batch are
            counted &= y["valid"][None, :]
        if "id" in x:
            counted &= same_example(x, y) | (x["id"][:, None] != y["id"][None, :])
        return counted


def of_teacher(view: str) -> str:
    """The name of the teacher's embedding of a view beside those of towers."""
    return f"{view}@teacher"


def with_teacher(term: str, outputs: Outputs, context: Context) -> dict[str, Embedding]:
    """Outputs of the towers, and the teacher's under the names that `of_teacher` gives.

    Raises:
      TermError: when there is no teacher.
    """
    if context.teacher is None:
        raise TermError(
            f"The term {term!r} needs a teacher: give the recipe a section 'teacher', of type "
            "'ema' or 'frozen'."
        )
    return {**outputs, **{of_teacher(view): e for view, e in context.teacher.items()}}


def counterpart(term: str, view: str, context: Context) -> str:
    """The view of the same modality that the teacher embeds: itself, or the only one.

    Raises:
      TermError: when it embeds none of the modality, or several others.
    """
    taught = context.teacher or {}
    if view in taught:
        return view
    modality = modality_of(view)
    found = views_of(modality, taught)
    if len(found) != 1:
        raise TermError(
            f"The term {term!r} needs the teacher's embedding of {view!r}, or of one other view of "
            f"{modality!r}; 'teacher.views' has {found or 'none'}."
        )
    return found[0]


def numbered(tree: dict[str, jax.Array], rows: Rows, ids: jax.Array | None) -> dict[str, jax.Array]:
    """Features for the pairwise engine with `index`, and where needed `valid` and `id`."""
    tree = {**tree, "index": jnp.arange(len(rows.unit[0]), dtype=jnp.int32)}
    if rows.valid is not None:
        tree["valid"] = rows.valid
    return tree if ids is None else {**tree, "id": ids}


def columns(own: dict[str, jax.Array], queue: Keys | None) -> dict[str, jax.Array]:
    """Features of a batch's keys, [B, ...], and behind each of them those of its row of the queue.

    So nothing moves between devices, for both are split by rows. `index` of the queue's is -1.

    Args:
      own: `unit` and `index`; `valid` and `id` where needed.
      queue: of the same B, or None.
    """
    if queue is None:
        return own
    size = queue.valid.shape[1]
    own = {"valid": jnp.ones(len(own["index"]), bool), **own}
    past = {
        "unit": queue.unit,
        "index": jnp.full(queue.valid.shape, -1, jnp.int32),
        "valid": queue.valid,
        "id": queue.id,
    }
    return {
        name: jnp.concatenate([value[:, None], past[name].astype(value.dtype)], axis=1).reshape(
            len(value) * (1 + size), *value.shape[1:]
        )
        for name, value in own.items()
    }
