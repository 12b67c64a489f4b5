"""Contrastive losses of pairs: InfoNCE (CLIP), a softmax over the batch, and sigmoid (SigLIP)."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

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
    sum_of,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Form, Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import BelowOne, Factor, Moderate, NonNegative

Scalars = tuple[jax.Array, jax.Array]
Pairs = Callable[[Features, Features], jax.Array]  # of a tile, f32[r, c]


class Further(NamedTuple):
    """Candidates beside the other half of the pairs: negatives that belong to no pair.

    Attributes:
      columns: features of N candidates.
      score: of a tile of queries and candidates, as that of the pairs; -inf takes one out.
      log_weight: of a tile; log w of a candidate that counts w times. None for once.
    """

    columns: Features
    score: Pairs
    log_weight: Pairs | None = None


class InfoNCE(Term):
    """Symmetric InfoNCE: softmax cross-entropy over the batch, in both directions.

    For unit embeddings x_i, y_i of the N valid rows and scores S_ij = x_i·y_j / τ,

        L = w_x 1/N Σ_i [lse_j S_ij - P_i] + w_y 1/N Σ_i [lse_j S_ji - P'_i],

    with P_i = (1-ε) S_ii + ε mean_j S_ij and P'_i likewise over columns; ε is `label_smoothing`.
    Radford et al. 2021 (arXiv 2103.00020, figure 3), with w = (1/2, 1/2) and ε = 0. The loss of a
    model that knows nothing is ln N (metric `chance`) if the weights sum to 1.

    Further candidates enter the sums (`lse`) only. With `negatives={'text': ('text@swapped',)}`
    every query of the other half of a pair has the captions `text@swapped` of all rows among its
    wrong answers, its own row's too (hard negatives of one modality: Yuksekgonul et al. 2023, arXiv
    2210.01936, NegCLIP). With `same_side` x_i also has all x_j, j ≠ i, with scores w x_i·x_j / τ,
    and y_i all y_j (Hu et al. 2024, M3EL, arXiv 2412.10440, where w = 0.8 and τ = 0.03; the
    authors' code adds 1 to each sum for j = i). With `repeat_positive` the right answer stands in
    the sum twice, as code has it whose negatives are all answers of the batch, rolled by one row:
    the loss has its minimum at ln 2 (Zhou et al. 2025, BALM-TSF, arXiv 2509.00622, in one
    direction).

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      min_scale, max_scale: bounds of a learned 1/τ, or None.
      temperature_form: see `Temperature`; `temperature` trains τ itself.
      direction_weights: (w_x, w_y).
      label_smoothing: ε in [0, 1).
      duplicates: what pairs of different rows with one `id` are: 'negative', as in the paper, or
        'mask', left out of sums and means. `negatives` stay: a changed caption has the row's id.
      duplicates_by: another field than `id` that says what is the same, such as a concept.
      negatives: a modality of a pair -> views that are wrong answers where it is the answer. One
        that a row lacks is left out.
      same_side: w, the factor of scores within a modality; 0 leaves them out.
      repeat_positive: count S_ii twice in the sums.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        temperature: Factor | str = 0.07,
        learn_temperature: bool = True,
        min_scale: Factor | None = None,
        max_scale: Factor | None = 100.0,
        temperature_form: Form = "log_scale",
        direction_weights: tuple[NonNegative, NonNegative] = (0.5, 0.5),
        label_smoothing: BelowOne = 0.0,
        duplicates: Literal["negative", "mask"] = "negative",
        duplicates_by: LabelRef | None = None,
        negatives: dict[ViewRef, tuple[ViewRef, ...]] | None = None,
        same_side: NonNegative = 0.0,
        repeat_positive: bool = False,
    ):
        check_pairs("info_nce", pairs)
        self.repeat_positive = repeat_positive
        self.negatives, self.same_side = negatives or {}, same_side
        for answer in self.negatives:
            if not any(answer in pair for pair in pairs):
                raise TermError(
                    f"The term 'info_nce' has negatives of {answer!r}, which is in none of its "
                    f"pairs {pairs!r}: name a modality of a pair."
                )
        if label_smoothing and (self.negatives or same_side):
            raise TermError(
                "The term 'info_nce' smooths labels over pairs only: leave out label_smoothing, or "
                "negatives and same_side."
            )
        if duplicates_by is not None and duplicates != "mask":
            raise TermError("The term 'info_nce' has duplicates_by, but duplicates is not 'mask'.")
        check_directions(direction_weights)
        self.pairs = pairs
        self.temperature = Temperature(
            temperature,
            learned=learn_temperature,
            min_scale=min_scale,
            max_scale=max_scale,
            form=temperature_form,
        )
        self.direction_weights = direction_weights
        self.label_smoothing = label_smoothing
        self.same = (duplicates_by or "id") if duplicates == "mask" else None

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None] | None:
        return (self.temperature.log(), None) if self.temperature.other is None else None

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature.scale(self.name, context.scales)
        losses, counts = [], []
        for pair in self.pairs:
            loss, count = self._pair(pair, outputs, batch, scale, context.plan)
            losses.append(loss)
            counts.append(count)
        chance = jnp.log(jnp.maximum(mean_over(counts), 1.0))
        return mean_over(losses), {"scale": scale, "chance": chance}

    def _pair(
        self,
        pair: tuple[str, str],
        outputs: Outputs,
        batch: Batch,
        scale: jax.Array,
        plan: pairwise.Plan,
    ) -> tuple[jax.Array, jax.Array]:
        fields = () if self.same is None else (self.same,)
        rows = rows_of(self.name, pair, outputs, batch, fields=fields)
        ids = None if self.same is None else batch[self.same]
        x, y = (features(rows, side, ids=ids) for side in (0, 1))
        further: list[list[Further]] = []
        candidates = jnp.float32(0)
        for side, weight in enumerate(self.direction_weights):
            own, count = [], rows.count
            for view in self.negatives.get(pair[1 - side], ()):
                wrong = rows_of(self.name, (*pair, view), outputs, batch)
                own.append(Further(features(wrong, 2), negative))
                count = count + wrong.count
            if self.same_side:
                own.append(Further(features(rows, side, index=True, ids=ids), self._within))
                count = count + rows.count - 1
            further.append(own)
            candidates = candidates + weight / sum(self.direction_weights) * count
        loss = cross_entropy(
            cosine,
            x,
            y,
            scale,
            (rows.unit[0] * rows.unit[1]).sum(-1),
            rows,
            plan=plan,
            direction_weights=self.direction_weights,
            label_smoothing=self.label_smoothing,
            further=further,
            repeat_positive=self.repeat_positive,
        )
        return loss, candidates + self.repeat_positive

    def _within(self, x: Features, y: Features) -> jax.Array:
        return jnp.where(same_example(x, y), -jnp.inf, self.same_side * cosine(x, y))


def cosine(x: Features, y: Features) -> jax.Array:
    """x·y of a tile, f32[r, c]; -inf where a pair takes no part."""
    return jnp.where(takes_part(x, y), similarity(x["unit"], y["unit"]), -jnp.inf)


def negative(x: Features, y: Features) -> jax.Array:
    """x·y of a tile, f32[r, c], of candidates that are wrong for every row, whatever its id."""
    return jnp.where(both_valid(x, y), similarity(x["unit"], y["unit"]), -jnp.inf)


def cross_entropy(
    score: Pairs,
    x: Features,
    y: Features,
    scale: jax.Array,
    own: jax.Array,
    rows: Rows,
    *,
    plan: pairwise.Plan,
    direction_weights: tuple[float, float] = (0.5, 0.5),
    label_smoothing: float = 0.0,
    further: Sequence[Sequence[Further]] = ((), ()),
    repeat_positive: bool = False,
) -> jax.Array:
    """w_x mean_i [lse_j S_ij - P_i] + w_y mean_i [lse_j S_ji - P'_i], an f32 scalar.

    S_ij = scale (s_ij - l), with l the mean of s_ii: a level of all scores changes no loss, and the
    gradient of the scale would be the small difference of two means of s without it.

    Args:
      score: s of a tile, f32[r, c]; -inf takes a pair out.
      x, y: its arguments.
      scale: of all scores.
      own: f32[B], s_ii.
      rows: says which examples count.
      plan: of the reductions.
      direction_weights: (w_x, w_y).
      label_smoothing: ε; P_i = (1-ε) S_ii + ε mean_j S_ij over the pairs that are not taken out.
      further: candidates of the rows of x beside y, and of those of y beside x: in `lse` only.
      repeat_positive: S_ii counts twice in `lse`.
    """
    sides: pairwise.Sides = (
        "rows" if direction_weights[1] == 0 else "cols" if direction_weights[0] == 0 else "both"
    )
    level = jax.lax.stop_gradient(rows.mean(own))
    shared = (scale, level)

    def scaled(
        score: Pairs, x: Features, y: Features, shared: Scalars
    ) -> tuple[jax.Array, jax.Array]:
        """S, 0 where a pair is taken out, and bool[r, c], where none is."""
        scale, level = shared
        s = score(x, y)
        real = s > -jnp.inf
        return scale * (jnp.where(real, s, level) - level), real

    def logits(x: Features, y: Features, shared: Scalars) -> jax.Array:
        scores, real = scaled(score, x, y, shared)
        return jnp.where(real, scores, -jnp.inf)

    def counted(x: Features, y: Features, shared: Scalars) -> tuple[jax.Array, jax.Array]:
        scores, real = scaled(score, x, y, shared)
        return scores, real.astype(jnp.float32)

    def lse_with(normalizer: jax.Array, side: Features, other: Further) -> jax.Array:
        """A normalizer of the rows of one side, and of further candidates."""

        def weighed(x: Features, y: Features, shared: Scalars) -> jax.Array:
            scores, real = scaled(other.score, x, y, shared)
            if other.log_weight is not None:
                scores = scores + other.log_weight(x, y)
            return jnp.where(real, scores, -jnp.inf)

        more, _ = pairwise.logsumexp(weighed, side, other.columns, shared, plan=plan, sides="rows")
        if rows.valid is not None:  # -inf of both has no derivative
            normalizer = jnp.where(rows.valid, normalizer, 0.0)
        return jnp.logaddexp(normalizer, more)

    positive = scale * (own - level)
    normalizers = list(pairwise.logsumexp(logits, x, y, shared, plan=plan, sides=sides))
    for k, (side, weight) in enumerate(zip((x, y), direction_weights, strict=True)):
        for other in further[k] if weight > 0 else ():
            normalizers[k] = lse_with(normalizers[k], side, other)
        if repeat_positive and weight > 0:
            normalizers[k] = jnp.logaddexp(normalizers[k], positive)
    targets = [positive, positive]
    if label_smoothing > 0:
        for k, side in enumerate(pairwise.sums(counted, x, y, shared, plan=plan, sides=sides)):
            if side is not None:
                mean = side[0] / jnp.maximum(side[1], 1.0)
                targets[k] = (1 - label_smoothing) * positive + label_smoothing * mean
    return sum_of(
        weight * rows.mean(normalizer - target)
        for weight, normalizer, target in zip(direction_weights, normalizers, targets, strict=True)
        if weight > 0
    )


class Sigmoid(Term):
    """Sigmoid loss (SigLIP): binary cross-entropy of every pair.

        L = -1/N Σ_i Σ_j log σ(m_ij (t x_i·y_j + b)),   m_ij = 1 if i = j, else -1,

    over the N valid rows. Zhai et al. 2023 (arXiv 2303.15343, equation 1), where t = exp(t') and b
    are learned from t' = ln 10 and b = -10.

    Args:
      pairs: pairs of modalities; the loss is the mean over them.
      temperature: 1/t, at the start if it is learned.
      learn_temperature: whether t' trains.
      max_scale: bound of a learned t, or None.
      bias: b at the start.
      learn_bias: whether b trains.
      duplicates: what pairs of different rows with one `id` are: 'negative', as in the paper, or
        'mask', left out of the sum.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        temperature: Factor = 0.1,
        learn_temperature: bool = True,
        max_scale: Factor | None = None,
        bias: Moderate = -10.0,
        learn_bias: bool = True,
        duplicates: Literal["negative", "mask"] = "negative",
    ):
        check_pairs("sigmoid", pairs)
        self.pairs = pairs
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)
        self.fixed_bias = None if learn_bias else bias
        if learn_bias:
            self.bias = nnx.Param(jnp.float32(bias))
        self.mask_duplicates = duplicates == "mask"

    def logit_bias(self) -> jax.Array:
        """The bias of the scores, an f32 scalar."""
        return self.bias[...] if self.fixed_bias is None else jnp.float32(self.fixed_bias)

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None]:
        return self.temperature.log(), self.logit_bias()

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale, bias = self.temperature(), self.logit_bias()

        def score(x: Features, y: Features, shared: tuple[jax.Array, jax.Array]) -> jax.Array:
            scale, bias = shared
            logits = scale * similarity(x["unit"], y["unit"]) + bias
            sign = jnp.where(same_example(x, y), 1.0, -1.0)
            return jnp.where(takes_part(x, y), jax.nn.log_sigmoid(sign * logits), 0.0)

        losses = []
        for pair in self.pairs:
            rows = rows_of(self.name, pair, outputs, batch)
            ids = batch["id"] if self.mask_duplicates else None
            x, y = (features(rows, side, index=True, ids=ids) for side in (0, 1))
            total = pairwise.total(score, x, y, (scale, bias), plan=context.plan)
            losses.append(-total / jnp.maximum(rows.count, 1.0))
        return mean_over(losses), {"scale": scale, "bias": bias}


def takes_part(x: Features, y: Features) -> jax.Array | bool:
    """bool[r, c]: pairs that take part. Rows carry `id` only if duplicates are to be masked."""
    counted = both_valid(x, y)
    if "id" in x:
        counted = counted & (same_example(x, y) | (x["id"][:, None] != y["id"][None, :]))
    return counted


def check_directions(weights: tuple[float, float]) -> None:
    """Raises TermError where neither direction of a pair counts."""
    if max(weights) == 0:
        raise TermError(f"direction_weights have to be two numbers, not both 0, but are {weights}.")


def check_pairs(term: str, pairs: tuple[tuple[str, str], ...]) -> None:
    """Raises a TermError unless there are pairs, each of two different names."""
    if not pairs or any(a == b for a, b in pairs):
        raise TermError(
            f"The term {term!r} needs at least one pair of two different modalities, but "
            f"pairs={pairs!r}; two views of one modality are ('image', 'image@2')."
        )
