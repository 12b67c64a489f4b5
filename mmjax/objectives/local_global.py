"""Local-global contrastive loss: global embeddings against local ones (tokens, patches)."""

import math

import jax
import jax.numpy as jnp

from mmjax.model.embedding import Embedding
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Term,
    mean_over,
    rows_of,
    similarity,
    unit_tokens,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.momentum import numbered, of_teacher, with_teacher
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, CountOrZero, Factor


class LocalGlobalNCE(Term):
    """Local-global InfoNCE: global embeddings against a teacher's local ones.

    For the global g_i of a view by its tower, and the teacher's locals l_i1, l_i2, ... (its tokens,
    in the joint space) of another view,

        L = mean_i mean_j [ log( exp p_ij + Σ_(k≠i, m) exp(g_i·l_km / τ) )  -  p_ij ],
        p_ij = g_i·l_ij / τ,

    j over the locals of example i that are no padding; 0 for an example without any, and for a
    batch of one. Locals get no gradient. Local mutual information maximisation in Yang et al. 2022
    (arXiv 2202.10401, TCL, section 3.3), after Hjelm et al. 2019 (arXiv 1808.06670). One sum over
    the locals of other examples serves all locals of an example, so the engine has B rows and all
    locals as columns.

    Args:
      pairs: (view of the global, view whose locals the teacher gives); the towers of the latter
        need a head with `tokens=True`. The loss is the mean over pairs.
      grids: view -> k, whose tokens are a square grid that is averaged over k x k patches, after
        they were made unit vectors; the means are not made unit vectors again.
      skip: view -> how many tokens at the start are no locals, such as 1 for [CLS].
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      min_scale, max_scale: bounds of a learned 1/τ, or None.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "image@2"), ("text", "text")),
        grids: dict[str, Count] | None = None,
        skip: dict[str, CountOrZero] | None = None,
        temperature: Factor | str = 0.07,
        learn_temperature: bool = True,
        min_scale: Factor | None = None,
        max_scale: Factor | None = 100.0,
    ):
        if not pairs or len(set(pairs)) != len(pairs):
            raise TermError(
                f"The term 'local_global_nce' needs pairs, each once, but pairs={pairs!r}."
            )
        self.grids, self.skip = dict(grids or {}), dict(skip or {})
        for name, given, least in (("grids", self.grids, 1), ("skip", self.skip, 0)):
            for view, number in given.items():
                if view not in {local for _, local in pairs} or number < least:
                    raise TermError(
                        f"The term 'local_global_nce' has {name}={given}: views are those of "
                        f"locals in pairs={pairs!r}, numbers at least {least}."
                    )
        self.pairs = pairs
        self.temperature = Temperature(
            temperature, learned=learn_temperature, min_scale=min_scale, max_scale=max_scale
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature.scale(self.name, context.scales)
        losses = [self._pair(*pair, outputs, batch, context, scale) for pair in self.pairs]
        return mean_over(losses), {"scale": scale}

    def _pair(
        self,
        whole: str,
        part: str,
        outputs: Outputs,
        batch: Batch,
        context: Context,
        scale: jax.Array,
    ) -> jax.Array:
        everything = with_teacher(self.name, outputs, context)
        rows = rows_of(self.name, (whole, of_teacher(part)), everything, batch)
        unit, real = self._locals(part, everything[of_teacher(part)])
        if rows.valid is not None:
            real = real & rows.valid[:, None]
        unit = jnp.where(real[..., None], unit, 0.0)
        size, count = real.shape
        x = numbered({"unit": rows.unit[0]}, rows, None)
        y = {
            "unit": unit.reshape(size * count, -1),
            "index": jnp.repeat(jnp.arange(size, dtype=jnp.int32), count),
            "valid": real.reshape(-1),
        }

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            counted = (x["index"][:, None] != y["index"][None, :]) & y["valid"][None, :]
            return jnp.where(counted, scale * similarity(x["unit"], y["unit"]), -jnp.inf)

        negatives, _ = pairwise.logsumexp(score, x, y, scale, plan=context.plan, sides="rows")
        positive = scale * jnp.einsum("bd,bjd->bj", rows.unit[0], unit, precision="highest")
        loss = jnp.where(real, jnp.logaddexp(positive, negatives[:, None]) - positive, 0.0)
        of_each = loss.sum(1) / jnp.maximum(real.sum(1, dtype=jnp.float32), 1.0)
        return rows.mean(of_each)

    def _locals(self, view: str, embedding: Embedding) -> tuple[jax.Array, jax.Array]:
        """Locals f32[B, J, D] of a view, and which of them are no padding, bool[B, J]."""
        unit, real = unit_tokens(self.name, view, embedding, self.skip.get(view, 0))
        if view in self.grids:
            if embedding.encoding is not None and embedding.encoding.mask is not None:
                raise TermError(f"grids of {view!r}: its tokens have padding, and are no grid.")
            unit = _pooled(view, unit, self.grids[view])
            real = jnp.ones(unit.shape[:2], bool)
        return unit, real


def _pooled(view: str, tokens: jax.Array, kernel: int) -> jax.Array:
    """Means over kernel x kernel patches of a square grid, row by row: f32[B, S², D]."""
    size, count, dim = tokens.shape
    side = math.isqrt(count)
    if side * side != count or side % kernel:
        raise TermError(
            f"grids={{{view!r}: {kernel}}} of the term 'local_global_nce', but {view!r} has "
            f"{count} tokens, which are no square grid that {kernel} divides."
        )
    small = side // kernel
    grid = tokens.reshape(size, small, kernel, small, kernel, dim)
    return grid.mean((2, 4)).reshape(size, small * small, dim)
