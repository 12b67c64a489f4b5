"""Region-level InfoNCE: parts of one view against parts of another, by example or in the batch."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mmjax.model.embedding import Embedding, unit_norm
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
    same_label,
    similarity,
    sum_of,
    unit_tokens,
)
from mmjax.objectives.boxes import overlaps
from mmjax.objectives.contrastive import check_directions, check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero, Factor, NonNegative

Scope = Literal["example", "batch", "means"]
Alike = Literal["match", "mask"]
_NEVER = -1e30  # a logit that gets no weight, and leaves that of a row without any candidate finite


class Found(NamedTuple):
    """What one direction needs of each part, [..., M].

    Attributes:
      normalizer: log of the sum over candidates.
      total: sum of the scores of those that match.
      matching: how many match.
      candidates: how many there are.
    """

    normalizer: jax.Array
    total: jax.Array
    matching: jax.Array
    candidates: jax.Array


class RegionNCE(Term):
    """Region-level InfoNCE: which parts of one view belong to which parts of another.

    For unit parts u_im of example i in the first view and v_jl in the second, with scores S = u·v/τ
    and the candidates C and matches P of a part,

        L = w_u mean_i mean_m [ lse_C(im) S - mean_P(im) S ] + w_v mean_j mean_l [ ... ],

    a softmax whose target is uniform over all parts that match. Candidates are all parts of the
    other view of the same example (`scope='example'`) or of all examples (`'batch'`). A part counts
    if it has a match and another candidate beside, an example if one of its parts does. `'means'`
    compares examples: unit(mean_m u_im) with unit(mean_l v_il) of each, in the batch.

    With `mean='parts'` every part of the batch counts alike, whatever the length of its example:
    frames of speech and of the phonemes that they say, Qiang et al. 2025 (arXiv 2508.02849,
    SecoustiCodec), whose other frames of the same phoneme `alike='mask'` leaves out.

    Parts are tokens, or regions: the mean of the unit tokens whose patches a box overlaps, made a
    unit vector. What matches, if neither `labels` nor `matches` says it: the m-th of one view and
    the m-th of the other, of the same example. Regions of a page with their words, within pages and
    between them: Li et al. 2024 (arXiv 2402.19014, DoCo); prompts with the regions that they name,
    of which several may fit: Zou et al. 2023 (arXiv 2304.06718, SEEM).

    In 'batch' nothing of the size of all pairs is kept; 'example' has M x L scores of each.

    Args:
      pair: the two views.
      tokens: which of the two are the tokens of their tower, whose head then needs `tokens=True`;
        the other is its one vector.
      scope: of the candidates.
      boxes: field f[B, M, 4] of regions of the first view, (left, top, width, height) as shares of
        the image as the tower gets it, so views must not crop at random; a box without width or
        height is no part.
      grid: (rows, columns) of the patches, with `boxes`.
      labels: fields i[B, M] and i[B, L], or i[B] of a view with one part; equal numbers match.
        A part whose number is below 0 is left out, as padding is.
      alike: what other parts with an equal number are: a `match`; or with `mask` parts match by
        their places, and those with an equal number are no candidates of each other.
      matches: field f[B, L, M], or f[B, M] if the second view has one part: above 0 where its part
        l matches part m of the first view of the same example.
      skip: view -> how many tokens at the start are no parts, such as 1 for [CLS].
      direction_weights: (w_u, w_v).
      mean: over the parts of an example and then `examples`, or over all `parts` that count.
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("image", "text"),
        tokens: tuple[ViewRef, ...] | None = None,
        scope: Scope = "example",
        boxes: LabelRef | None = None,
        grid: tuple[Count, Count] | None = None,
        labels: tuple[LabelRef, LabelRef] | None = None,
        alike: Alike = "match",
        matches: LabelRef | None = None,
        skip: dict[str, CountOrZero] | None = None,
        direction_weights: tuple[NonNegative, NonNegative] = (0.5, 0.5),
        mean: Literal["examples", "parts"] = "examples",
        temperature: Factor | str = 0.07,
        learn_temperature: bool = True,
        max_scale: Factor | None = 100.0,
    ):
        check_pairs("region_nce", (pair,))
        check_directions(direction_weights)
        self.pair, self.skip = pair, dict(skip or {})
        self.tokens = pair if tokens is None else tuple(tokens)
        for name, views in (("tokens", self.tokens), ("skip", self.skip)):
            if not set(views) <= set(pair):
                raise TermError(
                    f"The term 'region_nce' has {name}={views!r}, which names others than "
                    f"pair={pair!r}."
                )
        if (boxes is None) != (grid is None) or (boxes and pair[0] not in self.tokens):
            raise TermError(
                f"The term 'region_nce' has boxes={boxes!r} and grid={grid!r}; boxes need the grid "
                f"of the patches, and the tokens of {pair[0]!r}."
            )
        if sum((labels is not None, matches is not None, scope == "means")) > 1:
            raise TermError(
                f"The term 'region_nce' has labels={labels!r}, matches={matches!r} and "
                f"scope={scope!r}: leave all but one of labels, matches and the scope 'means' out."
            )
        if alike == "mask" and labels is None:
            raise TermError(
                "The term 'region_nce' has alike='mask', which needs the labels that say it."
            )
        self.scope, self.boxes, self.grid = scope, boxes, grid
        self.labels, self.matches = labels, matches
        self.alike, self.mean = alike, mean
        self.direction_weights = direction_weights
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        fields = [name for name in (self.boxes, self.matches, *(self.labels or ())) if name]
        rows = rows_of(self.name, self.pair, outputs, batch, fields=tuple(fields))
        x, y = (self._parts(side, rows, outputs, batch) for side in (0, 1))
        scale = self.temperature.scale(self.name, context.scales)
        found = (
            _within(x, y, scale)
            if self.scope == "example"
            else _everywhere(x, y, scale, context.plan, self._sides)
        )
        losses, parts = [], []
        for weight, own in zip(self.direction_weights, found, strict=True):
            if weight > 0 and own is not None:
                loss, counted = _mean(own, self.mean)
                losses.append(weight * loss)
                parts.append(rows.mean(counted.sum(1, dtype=jnp.float32)))
        return sum_of(losses), {"scale": scale, "parts": mean_over(parts)}

    @property
    def _sides(self) -> pairwise.Sides:
        """The directions that count."""
        if not all(self.direction_weights):
            return "rows" if self.direction_weights[0] else "cols"
        return "both"

    def _parts(self, side: int, rows: Rows, outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        """Features [B, M, ...] of the parts of a view, and what says which match."""
        view = self.pair[side]
        unit, there = self._tokens(view, outputs[view], rows.unit[side])
        if side == 0 and self.boxes is not None:
            there = there if rows.valid is None else there & rows.valid[:, None]
            unit, there = self._regions(jnp.where(there[..., None], unit, 0.0), there, batch)
        if rows.valid is not None:
            there = there & rows.valid[:, None]
        label = None if self.labels is None else self._label(self.labels[side], batch, there)
        if label is not None:
            there = there & (label >= 0)
        unit = jnp.where(there[..., None], unit, 0.0)
        if self.scope == "means":
            unit, there = unit_norm(unit.mean(1))[:, None], there.any(1)[:, None]
        size, count = there.shape
        found = {"unit": unit, "there": there}
        if label is not None:
            found["label" if self.alike == "match" else "alike"] = label
            if self.alike == "match":
                return found
        found["index"] = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32)[:, None], (size, count))
        found["part"] = jnp.broadcast_to(jnp.arange(count, dtype=jnp.int32), (size, count))
        others = outputs[self.pair[1 - side]]
        if self.matches is not None and side == 1:
            fits = jnp.asarray(batch[self.matches])
            fits = fits if fits.ndim == 3 else fits[:, None]
            regions = self._count(0, others, batch)
            if fits.shape != (size, count, regions):
                raise TermError(
                    f"The term {self.name!r} needs {self.matches!r} of shape "
                    f"{[size, count, regions]}, but it has {list(batch[self.matches].shape)}."
                )
            found["fits"] = fits > 0
        elif self.matches is None and self.scope != "means":
            other = self._count(1 - side, others, batch)
            if other != count:
                raise TermError(
                    f"The term {self.name!r} matches parts by their places, but {view!r} has "
                    f"{count} and {self.pair[1 - side]!r} {other}: give it labels or matches."
                )
        return found

    def _count(self, side: int, embedding: Embedding, batch: Batch) -> int:
        """Number of the parts of a view."""
        if side == 0 and self.boxes is not None:
            return int(batch[self.boxes].shape[1])
        return self._tokens(self.pair[side], embedding, embedding.unit)[1].shape[1]

    def _tokens(
        self, view: str, embedding: Embedding, unit: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        if view not in self.tokens:
            return unit[:, None], jnp.ones((len(unit), 1), bool)
        return unit_tokens(self.name, view, embedding, self.skip.get(view, 0))

    def _regions(
        self, unit: jax.Array, there: jax.Array, batch: Batch
    ) -> tuple[jax.Array, jax.Array]:
        """Means of the tokens f32[B, T, D] in boxes, f32[B, M, D], and which boxes are regions."""
        assert self.boxes is not None
        assert self.grid is not None
        boxes = jnp.asarray(batch[self.boxes], jnp.float32)
        if boxes.ndim != 3 or boxes.shape[2] != 4 or unit.shape[1] != self.grid[0] * self.grid[1]:
            raise TermError(
                f"The term {self.name!r} needs {self.boxes!r} of shape [B, M, 4] and tokens of "
                f"grid={self.grid}, but they have {list(boxes.shape)} and {unit.shape[1]} tokens."
            )
        inside = overlaps(boxes, self.grid) & there[:, None]
        return unit_norm(jnp.einsum("bmt,btd->bmd", inside.astype(unit.dtype), unit)), inside.any(2)

    def _label(self, name: str, batch: Batch, there: jax.Array) -> jax.Array:
        label = jnp.asarray(batch[name])
        label = label[:, None] if label.ndim == 1 else label
        if label.shape != there.shape:
            raise TermError(
                f"The term {self.name!r} needs a number in {name!r} of each of the "
                f"{there.shape[1]} parts, but its shape is {list(batch[name].shape)}."
            )
        return label


def _matching(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: parts that belong together."""
    if "label" in x:
        return same_label(x, y)
    same = x["index"][:, None] == y["index"][None, :]
    if "fits" in y:
        fits: jax.Array = jnp.take(y["fits"], x["part"], axis=1).T
        return same & fits
    return same & (x["part"][:, None] == y["part"][None, :])


def _candidates(x: Features, y: Features) -> jax.Array:
    both: jax.Array = x["there"][:, None] & y["there"][None, :]
    if "alike" in x:
        both &= (x["alike"][:, None] != y["alike"][None, :]) | _matching(x, y)
    return both


def _counts(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of a tile: the scores of what matches, what matches, and what takes part; 0 elsewhere."""
    candidates = _candidates(x, y)
    matching = candidates & _matching(x, y)
    scores = jnp.where(matching, scale * similarity(x["unit"], y["unit"]), 0.0)
    return scores, matching.astype(jnp.float32), candidates.astype(jnp.float32)


def _within(x: Features, y: Features, scale: jax.Array) -> list[Found]:
    """Both directions of parts [B, M, ...] among those of the same example."""

    def of_one(x: Features, y: Features) -> list[Found]:
        scores = scale * similarity(x["unit"], y["unit"])
        scores = jnp.where(_candidates(x, y), scores, _NEVER)
        counts = _counts(x, y, scale)
        return [
            Found(jax.nn.logsumexp(scores, axis), *(each.sum(axis) for each in counts))
            for axis in (1, 0)
        ]

    return jax.vmap(of_one)(x, y)


def _everywhere(
    x: Features, y: Features, scale: jax.Array, plan: pairwise.Plan, sides: pairwise.Sides
) -> list[Found | None]:
    """Directions of parts [B, M, ...] among those of all examples, streamed; None of others."""
    shapes = [side["there"].shape for side in (x, y)]
    x, y = (jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), side) for side in (x, y))

    def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
        scores = scale * similarity(x["unit"], y["unit"])
        return jnp.where(_candidates(x, y), scores, -jnp.inf)

    normalizers = pairwise.logsumexp(score, x, y, scale, plan=plan, sides=sides)
    counts = pairwise.sums(_counts, x, y, scale, plan=plan, sides=sides)
    return [
        None if normalizer is None else Found(*(each.reshape(shape) for each in (normalizer, *own)))
        for normalizer, own, shape in zip(normalizers, counts, shapes, strict=True)
    ]


def _mean(found: Found, over: str) -> tuple[jax.Array, jax.Array]:
    """The loss of a direction, and which parts count, bool[B, M]."""
    counted = (found.matching > 0) & (found.matching < found.candidates)
    loss = found.normalizer - found.total / jnp.maximum(found.matching, 1.0)
    loss = jnp.where(counted, loss, 0.0)
    parts = counted.sum(1, dtype=jnp.float32)
    if over == "parts":
        return loss.sum() / jnp.maximum(parts.sum(), 1.0), counted
    of_each = loss.sum(1) / jnp.maximum(parts, 1.0)
    examples = (parts > 0).sum(dtype=jnp.float32)
    return of_each.sum() / jnp.maximum(examples, 1.0), counted
