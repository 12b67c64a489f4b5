"""Alignment, uniformity and joint entropy of embeddings by Gaussian potentials.

On the unit sphere |a - b|² = 2 - 2 a·b, so a mean of Gaussian potentials is a log-sum-exp of inner
products, which the pairwise engine streams. Wang and Isola 2020 (arXiv 2005.10242) introduced the
measures; the terms here are those of Fahim et al. 2024 (arXiv 2405.18570, card 02), whose means
over pairs are inside of the logarithm. Off the sphere, and with rows that are pinned to the origin,
they are those of SepCLR (Louiset et al. 2024, arXiv 2402.11928).
"""

import functools
import operator
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
    features,
    gallery_of,
    mean_over,
    rows_of,
    same_example,
    similarity,
    sum_of,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.momentum import of_teacher, with_teacher
from mmjax.parallel import pairwise
from mmjax.schema.annotations import GalleryRef, ViewRef
from mmjax.schema.bounds import Factor, Positive


class Uniformity(Term):
    """Uniformity within each modality.

        L = mean over modalities of  U(X) = log mean_{i<j} exp(-t |x_i - x_j|²),

    over the pairs of valid rows; 0 with fewer than two. Fahim et al. 2024 (arXiv 2405.18570),
    L_unif, with t = 2. From 0 (all rows equal) it falls towards -2t (uniform in many dimensions).

    `pinned` rows count as constants at the origin, from which the others are pushed away: the
    s'-uniformity of SepCLR (Louiset et al. 2024, arXiv 2402.11928, with t = 1 / (2 τ) = 1), in
    which they are examples that have nothing of what the embedding is for. Their own pairs are a
    share of the mean that nothing lowers: with half of the rows it ends near log 1/4.

    Args:
      modalities: whose embeddings to spread.
      t: inverse width of the potential, > 0.
      layer: `unit`, or `raw`, the output of the head, whose distances have no bound.
      pinned: {label: value}, both of the batch: rows with this value are at the origin.
    """

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("image", "text"),
        t: Positive = 2.0,
        layer: Layer = "unit",
        pinned: dict[str, int] | None = None,
    ):
        if not modalities:
            raise TermError("The term 'uniformity' needs at least one modality.")
        self.modalities, self.layer, self.t = modalities, layer, t
        self.pinned = tuple((pinned or {}).items())

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = {}
        on_sphere = self.layer == "unit" and not self.pinned
        for name in self.modalities:
            labels = tuple(label for label, _ in self.pinned)
            rows = rows_of(self.name, (name,), outputs, batch, layer=self.layer, fields=labels)
            rows = pin(rows, self.pinned, batch)
            x = features(rows, 0, index=True)
            values[name] = log_mean_potential(x, x, rows, self.t, context.plan, on_sphere)
        return mean_over(list(values.values())), values


class CrossUniformity(Term):
    """Uniformity between two modalities: non-matching pairs are pushed apart.

        L = log mean_{i≠j} exp(-t |x_i - y_j|²),

    over pairs of valid rows; 0 with fewer than two. Fahim et al. 2024 (arXiv 2405.18570), L_xunif,
    with t = 2.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      t: inverse width of the potential, > 0.
    """

    def __init__(
        self, *, pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),), t: Factor = 2.0
    ):
        check_pairs("cross_uniformity", pairs)
        self.pairs = pairs
        self.t = t

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        values = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch)
            x, y = (features(rows, side, index=True) for side in (0, 1))
            values.append(log_mean_potential(x, y, rows, self.t, context.plan))
        return mean_over(values), {}


class Alignment(Term):
    """Squared distance of matching pairs.

        L = mean_i |x_i - y_i|²,

    over the valid rows. Fahim et al. 2024 (arXiv 2405.18570), L_align; Wang and Isola 2020 (arXiv
    2005.10242) with α = 2.

    With to='zero' both are aligned with the origin and not with each other, mean_i (|x_i|² +
    |y_i|²) / 2: with `layer='raw'` and `where`, the rows that an embedding has nothing to say of
    (the information-less term of SepCLR, Louiset et al. 2024, arXiv 2402.11928).

    With to='teacher' each is aligned with the teacher's embedding x' of the same rows, mean_i
    (|x_i - x'_i|² + |y_i - y'_i|²) / 2, and a pair may be of one view and itself; likewise the
    entries of `galleries`. Of unit vectors |x - x'|² / 2 is 1 - cos: the regularizer of MMRL (Guo
    and Gu 2025, arXiv 2503.08497) for the weight λ is this term of weight λ with the images and
    the class names, and a frozen teacher without adapters.

    Args:
      pairs: pairs of modalities; the loss is the mean over them and `galleries`.
      layer: `unit`, or `raw`, the output of the head.
      to: what each is aligned with: the other of its `pair`, `zero`, or the `teacher`'s.
      galleries: those whose entries are aligned with the teacher's, too.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        layer: Layer = "unit",
        to: Literal["pair", "zero", "teacher"] = "pair",
        galleries: tuple[GalleryRef, ...] = (),
    ):
        if to != "teacher":
            check_pairs("alignment", pairs)
        if galleries and to != "teacher":
            raise TermError("The term 'alignment' has galleries, which need to='teacher'.")
        if not (pairs or galleries):
            raise TermError("The term 'alignment' has neither pairs nor galleries.")
        if to == "zero" and layer == "unit":
            raise TermError("The term 'alignment' has to='zero', where no unit vector can be.")
        self.pairs, self.layer, self.to, self.galleries = pairs, layer, to, galleries

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        if self.to == "teacher":
            return self._to_teacher(outputs, batch, context), {}
        values = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch, layer=self.layer)
            x, y = rows.unit
            if self.to == "zero":
                values.append(rows.mean((x**2 + y**2).sum(-1) / 2))
            else:
                values.append(rows.mean(((x - y) ** 2).sum(-1)))
        return mean_over(values), {}

    def _to_teacher(self, outputs: Outputs, batch: Batch, context: Context) -> jax.Array:
        everything, values = with_teacher(self.name, outputs, context), []
        for pair in self.pairs:
            names = (*pair, *map(of_teacher, pair))
            rows = rows_of(self.name, names, everything, batch, layer=self.layer)
            x, y, taught_x, taught_y = rows.unit
            square = ((x - taught_x) ** 2).sum(-1) + ((y - taught_y) ** 2).sum(-1)
            values.append(rows.mean(square / 2))
        for name in self.galleries:
            own = gallery_of(self.name, name, context)
            if of_teacher(name) not in everything:
                raise TermError(
                    f"The term {self.name!r} needs the teacher's embeddings of the gallery "
                    f"{name!r}: add it to 'teacher.galleries'."
                )
            taught = getattr(everything[of_teacher(name)], self.layer)
            square = ((getattr(own.embedding, self.layer) - taught) ** 2).sum(-1)
            entries = Rows((), own.valid, own.valid.sum(dtype=jnp.float32))
            values.append(entries.mean(square))
        return mean_over(values)


class JointEntropy(Term):
    """Minus the joint entropy of two embeddings, by a product of kernels.

        L = mean over pairs of  mean_i log mean_j exp(-t (|x_i - x_j|² + |y_i - y_j|²)),

    over the valid rows i and j, i = j included. Where the entropies of x and of y are kept high by
    other terms, such as `uniformity`, it lowers their mutual information H(x) + H(y) - H(x, y):
    the k-JEM of SepCLR (Louiset et al. 2024, arXiv 2402.11928), with t = 1 / (2 τ) = 1. It is from
    -log B, all joint embeddings far apart, to 0, all equal.

    Args:
      pairs: pairs (x, y) of embeddings, which may differ in size.
      layers: of x and of y: `unit`, or `raw`, the output of the head.
      pinned: {label: value}, both of the batch: rows with this value have their y at the origin, as
        a constant.
      t: inverse width of the kernels, > 0.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...],
        layers: tuple[Layer, Layer] = ("unit", "raw"),
        pinned: dict[str, int] | None = None,
        t: Positive = 1.0,
    ):
        check_pairs("joint_entropy", pairs)
        self.pairs, self.layers, self.t = pairs, layers, t
        self.pinned = tuple((pinned or {}).items())

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        def score(a: dict[str, Features], b: dict[str, Features], _: object) -> jax.Array:
            square = sum_of(squared_distance(a[side], b[side]) for side in ("x", "y"))
            return jnp.where(both_valid(a["x"], b["x"]), -self.t * square, -jnp.inf)

        values = []
        labels = tuple(label for label, _ in self.pinned)
        for pair in self.pairs:
            one, two = (
                rows_of(self.name, (name,), outputs, batch, layer=layer, fields=(*pair, *labels))
                for name, layer in zip(pair, self.layers, strict=True)
            )
            both = {"x": features(one, 0), "y": features(pin(two, self.pinned, batch), 0)}
            by_row, _ = pairwise.logsumexp(score, both, both, plan=context.plan, sides="rows")
            # A row that is not valid has no pair, and -inf.
            by_row = by_row if one.valid is None else jnp.where(one.valid, by_row, 0.0)
            values.append(one.mean(by_row) - jnp.log(jnp.maximum(one.count, 1.0)))
        return mean_over(values), {}


def pin(rows: Rows, pinned: tuple[tuple[str, int], ...], batch: Batch) -> Rows:
    """`rows` with those at the origin, as constants, whose labels all have the values `pinned`."""
    if not pinned:
        return rows
    at = functools.reduce(operator.and_, (batch[label] == value for label, value in pinned))
    return rows._replace(unit=tuple(jnp.where(at[:, None], 0.0, unit) for unit in rows.unit))


def squared_distance(x: Features, y: Features) -> jax.Array:
    """All |x_i - y_j|², of `unit` f[r, D] and f[c, D] of any length -> f32[r, c]."""
    a, b = (jnp.sum(side["unit"].astype(jnp.float32) ** 2, -1) for side in (x, y))
    return a[:, None] + b[None, :] - 2 * similarity(x["unit"], y["unit"])


def log_mean_potential(
    x: Features, y: Features, rows: Rows, t: float, plan: pairwise.Plan, on_sphere: bool = True
) -> jax.Array:
    """log mean_{i≠j} exp(-t |x_i - y_j|²) over valid rows i, j; 0 with fewer than two.

    For x = y the mean over ordered pairs i ≠ j equals that over i < j. Vectors that are all of
    length 1 are `on_sphere`, where inner products are enough.
    """

    def score(x: Features, y: Features, _: object) -> jax.Array:
        counted = both_valid(x, y) & ~same_example(x, y)
        if on_sphere:
            return jnp.where(counted, 2 * t * similarity(x["unit"], y["unit"]), -jnp.inf)
        return jnp.where(counted, -t * squared_distance(x, y), -jnp.inf)

    by_row, _ = pairwise.logsumexp(score, x, y, plan=plan, sides="rows")
    enough = rows.count >= 2
    # Without a pair every row has -inf: replaced before the reduction, whose gradient is NaN there.
    total = jax.nn.logsumexp(jnp.where(enough, by_row, 0.0))
    pairs = jnp.maximum(rows.count * (rows.count - 1), 1.0)
    if on_sphere:
        total = total - 2 * t
    return jnp.where(enough, total - jnp.log(pairs), 0.0)
