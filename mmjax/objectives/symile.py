"""Symile: InfoNCE over tuples of any number of modalities."""

from typing import Literal

import jax
import jax.numpy as jnp

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Layer,
    Loss,
    Outputs,
    Rows,
    Term,
    both_valid,
    mean_over,
    random_key,
    rows_of,
    same_example,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.multi_view import check_views
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Factor

Pair = tuple[jax.Array, jax.Array]
Saved = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]

# Third vectors per step of the sum over pairs of rows: of a tile r x c it holds r c so many scores.
BLOCK = 8


class Symile(Term):
    """InfoNCE over tuples, scored by the multilinear inner product (Symile).

    With the multilinear inner product MIP(a, b, ...) = Σ_d a_d b_d ... of the embeddings r^1, ...,
    r^k and each modality in turn as the anchor,

        L = mean_m mean_i [ log( exp(s MIP_i) + Σ_neg exp(s MIP_neg) )  -  s MIP_i ],

    MIP_i that of row i's own tuple. With `negatives='n'` the negatives of anchor i are B - 1 broken
    tuples: the other modalities' rows are permuted, each by a permutation of its own, drawn anew
    for each anchor modality and call, and column i gives way to the positive. With 'n_squared',
    for three modalities, they are all B² - 1 other pairs of rows; that takes B³ D operations, in
    O(B D) memory on each device. Saporta et al. 2024 (arXiv 2411.01053). For two modalities and
    'n' it is InfoNCE with shuffled negatives; the bound on total correlation is log B - L, or
    2 log B - L, metric `total_correlation_bound`.

    Args:
      modalities: k >= 2.
      negatives: `n` or `n_squared`.
      scale: s at the start; the authors' example has exp(-0.3).
      learn_scale: whether s = exp(parameter) trains.
      normalize: whether embeddings are unit vectors; the authors' encoders for images, sounds
        and texts end in a layer norm instead.
    """

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("image", "text", "audio"),
        negatives: Literal["n", "n_squared"] = "n",
        scale: Factor = 0.7408,
        learn_scale: bool = True,
        normalize: bool = True,
    ):
        check_views("symile", modalities)
        if negatives == "n_squared" and len(modalities) != 3:
            raise TermError(
                "The term 'symile' with negatives='n_squared' takes three modalities, but has "
                f"{len(modalities)}: use negatives='n'."
            )
        self.modalities, self.negatives = modalities, negatives
        self.layer: Layer = "unit" if normalize else "raw"
        self.temperature = Temperature(1 / scale, learned=learn_scale)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        rows = rows_of(self.name, self.modalities, outputs, batch, layer=self.layer)
        own = rows.unit[0]
        for other in rows.unit[1:]:
            own = own * other
        positive = scale * own.sum(-1)
        losses = []
        for anchor in range(len(self.modalities)):
            if self.negatives == "n":
                everything = self._shuffled(rows, anchor, positive, scale, context)
            else:
                everything = _all_pairs(rows, anchor, scale, context.plan)
            losses.append(rows.mean(everything - positive))
        loss = mean_over(losses)
        candidates = jnp.log(jnp.maximum(rows.count, 1.0))
        candidates = candidates * (2 if self.negatives == "n_squared" else 1)
        metrics = {"scale": scale, "chance": candidates}
        return loss, {**metrics, "total_correlation_bound": candidates - loss}

    def permutations(self, key: jax.Array, anchor: int, size: int) -> list[jax.Array | None]:
        """i32[B] for each modality but the anchor, by which its rows are shuffled."""
        return [
            None
            if m == anchor
            else jax.random.permutation(
                jax.random.fold_in(key, anchor * len(self.modalities) + m), size
            )
            for m in range(len(self.modalities))
        ]

    def _shuffled(
        self, rows: Rows, anchor: int, positive: jax.Array, scale: jax.Array, context: Context
    ) -> jax.Array:
        size = len(positive)
        # The same key everywhere, so that all devices break the same tuples.
        orders = self.permutations(random_key(self.name, context), anchor, size)
        product, valid = jnp.ones(()), None
        for unit, order in zip(rows.unit, orders, strict=True):
            if order is None:
                continue
            product = product * jnp.take(unit, order, axis=0)
            if rows.valid is not None:
                whole = jnp.take(rows.valid, order)
                valid = whole if valid is None else valid & whole
        index = jnp.arange(size, dtype=jnp.int32)
        x = {"unit": rows.unit[anchor], "index": index}
        y = {"unit": product, "index": index}
        if rows.valid is not None and valid is not None:
            x["valid"], y["valid"] = rows.valid, valid

        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            counted = both_valid(x, y) & ~same_example(x, y)
            return jnp.where(counted, scale * similarity(x["unit"], y["unit"]), -jnp.inf)

        negatives, _ = pairwise.logsumexp(score, x, y, scale, plan=context.plan, sides="rows")
        return jnp.logaddexp(negatives, positive)


def _all_pairs(rows: Rows, anchor: int, scale: jax.Array, plan: pairwise.Plan) -> jax.Array:
    """log Σ_(j,l) exp(s MIP(anchor_i, second_j, third_l)), f32[B]."""
    second, third = (unit for m, unit in enumerate(rows.unit) if m != anchor)
    x, y = {"unit": rows.unit[anchor]}, {"unit": second}
    valid = jnp.ones(len(second), bool) if rows.valid is None else rows.valid
    if rows.valid is not None:
        x["valid"] = y["valid"] = rows.valid

    def score(
        x: Features, y: Features, shared: tuple[jax.Array, jax.Array, jax.Array]
    ) -> jax.Array:
        scale, third, valid = shared
        value = _log_sum_over_third(scale * x["unit"], y["unit"], third, valid)
        return jnp.where(both_valid(x, y) & valid.any(), value, -jnp.inf)

    lse: jax.Array
    lse, _ = pairwise.logsumexp(score, x, y, (scale, third, valid), plan=plan, sides="rows")
    return lse


@jax.custom_vjp
def _log_sum_over_third(x: jax.Array, y: jax.Array, z: jax.Array, valid: jax.Array) -> jax.Array:
    """log Σ_l exp Σ_d x_id y_jd z_ld over valid l: f32[r, D], f32[c, D], f32[L, D] -> f32[r, c].

    Block by block of z, forwards and backwards, so that no [r, c, L] array exists.
    """
    return _third_forward(x, y, z, valid)[0]


def _scores(x: jax.Array, y: jax.Array, block: jax.Array) -> jax.Array:
    return jnp.einsum("rd,cd,ld->rcl", x, y, block, precision="highest")


def _third_blocks(z: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
    padding = -len(z) % BLOCK
    z = jnp.pad(z, ((0, padding), (0, 0))).reshape(-1, BLOCK, z.shape[1])
    return z, jnp.pad(valid, (0, padding)).reshape(-1, BLOCK)


def _third_forward(
    x: jax.Array, y: jax.Array, z: jax.Array, valid: jax.Array
) -> tuple[jax.Array, Saved]:
    def step(value: jax.Array, block: Pair) -> tuple[jax.Array, None]:
        part, real = block
        s = jnp.where(real, _scores(x, y, part), -jnp.inf)
        return jnp.logaddexp(value, jax.nn.logsumexp(s, axis=2)), None

    # Made of x and y, so that it varies over devices as they do.
    start = jnp.full_like(x[:, :1] * y[None, :, 0], -jnp.inf)
    value, _ = jax.lax.scan(step, start, _third_blocks(z, valid))
    return value, (x, y, z, valid, value)


def _third_backward(saved: Saved, g: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    x, y, z, valid, value = saved
    finite = jnp.where(value == -jnp.inf, 0.0, value)

    def step(grads: Pair, block: Pair) -> tuple[Pair, jax.Array]:
        part, real = block
        s = jnp.where(real, _scores(x, y, part), -jnp.inf)
        d = jnp.exp(s - finite[:, :, None]) * g[:, :, None]
        dx, dy = grads
        dx = dx + jnp.einsum("rcl,cd,ld->rd", d, y, part, precision="highest")
        dy = dy + jnp.einsum("rcl,rd,ld->cd", d, x, part, precision="highest")
        return (dx, dy), jnp.einsum("rcl,rd,cd->ld", d, x, y, precision="highest")

    blocks = _third_blocks(z, valid)
    zeros = (jnp.zeros_like(x), jnp.zeros_like(y))
    (dx, dy), dz = jax.lax.scan(step, zeros, blocks)
    return dx, dy, dz.reshape(-1, z.shape[1])[: len(z)], None


_log_sum_over_third.defvjp(_third_forward, _third_backward)
