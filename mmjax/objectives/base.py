"""The base class of objective terms, and what they share: valid rows and similarity."""

import dataclasses
import functools
import operator
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.model.base import Fusion
from mmjax.model.embedding import Embedding, Gallery, Keys
from mmjax.model.towers import Tower
from mmjax.objectives.errors import TermError
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.names import presence

Outputs = Mapping[str, Embedding]  # of the towers or of a teacher, by view
Batch = Mapping[str, jax.Array]
FusedBy = Mapping[str, tuple[Fusion, tuple[str, ...]]]  # output of a fusion -> it, and its inputs
Loss = tuple[jax.Array, dict[str, jax.Array]]  # an f32 scalar, and f32 scalars to log
Features = Mapping[str, jax.Array]  # of the rows or columns of a tile of the pairwise engine
Layer = Literal["unit", "raw"]  # of an Embedding


@dataclasses.dataclass(frozen=True)
class Context:
    """What a term may know besides embeddings and batch.

    Attributes:
      plan: how reductions over pairs are computed; terms only pass it on.
      progress: f32 scalar in [0, 1], the share of the training that is done.
      rng: key for terms that draw at random.
      teacher: a teacher's embeddings of views of the same batch, by view, and of galleries, by name
        (`mmjax.system.teachers`).
      queue: embeddings of past batches, by view (`mmjax.system.queue`).
      galleries: embedded galleries of the recipe, by name.
      scales: 1/temperature of the recipe's terms that have one, by the term's name.
    """

    plan: pairwise.Plan
    progress: jax.Array | float = 0.0
    rng: jax.Array | None = None
    teacher: Outputs | None = None
    galleries: Mapping[str, Gallery] = dataclasses.field(default_factory=dict)
    queue: Mapping[str, Keys] | None = None
    scales: Mapping[str, jax.Array] = dataclasses.field(default_factory=dict)


class Term(nnx.Module):
    """A loss over a batch, which may own parameters.

    Attributes:
      word: what recipes call the class, its `type`.
      least_rows: of a batch; with fewer it has nothing to compare. 1 for what looks at each row
        by itself.
      contrastive: whether it is a softmax over the batch, whose loss at chance is about ln(batch).
      matches_pairs: whether it is a `PairMatcher`, and scores_pairs: whether it is a `PairScorer`
        (`mmjax.objectives.scores`).
      predicts: whether it predicts numbers from the raw embedding of its `view` by a call
        `predicted`, f32[B, D] -> f32[B, K] (the evaluator `regression`).
      generates: whether it is a decoder of texts (`mmjax.system.generation`).
      name: what the recipe calls this term, for messages; the word where there is no recipe.
    """

    word: ClassVar[str] = ""
    least_rows: ClassVar[int] = 2
    contrastive: ClassVar[bool] = False
    matches_pairs: ClassVar[bool] = False
    scores_pairs: ClassVar[bool] = False
    predicts: ClassVar[bool] = False
    generates: ClassVar[bool] = False
    given_name: str = ""

    @property
    def name(self) -> str:
        return self.given_name or self.word

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        """The loss of a batch.

        Args:
          outputs: name -> embedding of every modality and view, such as `image` and `image@2`.
          batch: name -> array, with `id` i[B] and `image_present` bool[B].
          context: what else a term may know.

        Returns:
          An f32 scalar, and f32 scalars to log.
        """
        raise NotImplementedError

    def check(self, towers: Mapping[str, Tower], fused: FusedBy) -> None:
        """Says when a model is built what its towers lack for this term; by default nothing.

        Args:
          towers: of the model, by name.
          fused: output of a fusion -> the fusion, and the output's inputs.

        Raises:
          TermError: with the option to change.
        """

    def scale(self) -> jax.Array | None:
        """1/temperature, an f32 scalar, of a term that has one; None for others."""
        own = getattr(self, "temperature", None)
        return own() if isinstance(own, Temperature) and own.other is None else None

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None] | None:
        """Logarithm of the scale, and bias, of a term whose scores are scale x cosine + bias.

        What exported models are given as their logits; None for other terms.
        """
        return None


class Rows(NamedTuple):
    """The examples of a batch that have all modalities that a term needs.

    Attributes:
      unit: for each modality, f32[B, D] on the unit sphere, or as the head gave it where the term
        asked for that; rows that are not valid are zero.
      valid: bool[B], or None if every row is valid.
      count: f32 scalar, the number of valid rows.
    """

    unit: tuple[jax.Array, ...]
    valid: jax.Array | None
    count: jax.Array  # type: ignore[assignment]  # hides the method of tuples

    def mean(self, values: jax.Array) -> jax.Array:
        """Mean of f32[B] over the valid rows; 0 if there are none."""
        if self.valid is not None:
            values = jnp.where(self.valid, values, 0.0)
        return values.sum() / jnp.maximum(self.count, 1.0)


def rows_of(
    term: str,
    names: tuple[str, ...],
    outputs: Outputs,
    batch: Batch,
    *,
    layer: Layer = "unit",
    fields: tuple[str, ...] = (),
) -> Rows:
    """The unit embeddings of the modalities `names`, and which rows have all of them.

    Args:
      term: its name, for messages.
      names: modalities, or views of them, whose embeddings are needed.
      outputs: of the towers.
      batch: for presence.
      layer: `raw` takes embeddings before they are made unit vectors.
      fields: further entries of the batch, such as labels, that a row needs too.

    Raises:
      TermError: the batch has no such modality or field, the embeddings differ in size, or they
        are not of unit length: known before compilation of arrays, and of what a tower or teacher
        gives without `unit`; what is traced has no length yet.
    """
    for name in names:
        if name not in outputs:
            raise TermError(
                f"The term {term!r} needs the modality {name!r}, but the batch has only "
                f"{', '.join(map(repr, sorted(outputs)))}; change the term's modalities or add a "
                "view and a tower."
            )
    for name in fields:
        if name not in batch and name not in outputs:
            raise TermError(
                f"The term {term!r} needs {name!r} of every example: add a view of type 'label' "
                f"for it to data.views; the batch has {', '.join(map(repr, sorted(batch)))}."
            )
    for name in names:
        if not hasattr(outputs[name], layer):
            raise TermError(
                f"The term {term!r} needs {layer!r} embeddings of {name!r}, but was given "
                f"{type(outputs[name]).__name__} without them: give it the Embedding of a tower."
            )
    units = tuple(getattr(outputs[name], layer) for name in names)
    for name, unit in zip(names, units, strict=True):
        if unit.shape != units[0].shape:
            raise TermError(
                f"The term {term!r} compares {names[0]!r} of shape {units[0].shape} with {name!r} "
                f"of shape {unit.shape}; give both towers heads of one size."
            )
    valid = valid_rows((*names, *fields), batch)
    if valid is None:
        rows = Rows(units, None, jnp.float32(units[0].shape[0]))
    else:
        # What a tower made of the placeholder of a missing value must not spread: 0 * inf is NaN.
        units = tuple(jnp.where(valid[:, None], unit, 0.0) for unit in units)
        rows = Rows(units, valid, valid.sum(dtype=jnp.float32))
    if layer == "unit":
        _check_unit(term, names, rows.unit)
    return rows


def valid_rows(names: Iterable[str], batch: Batch) -> jax.Array | None:
    """bool[B], the rows that have all of some views and fields; None if every row has them."""
    valid = None
    for each in sorted(set(names)):
        present = presence(batch, each)
        if present is not None:
            present = jnp.asarray(present, bool)
            valid = present if valid is None else valid & present
    return valid


def _check_unit(term: str, names: tuple[str, ...], units: tuple[jax.Array, ...]) -> None:
    """Raises a TermError if rows are known to be neither of length 1 nor 0, to bf16's precision."""
    for name, unit in zip(names, units, strict=True):
        if isinstance(unit, jax.core.Tracer):
            continue
        length = np.linalg.norm(np.asarray(unit, np.float32), axis=-1)
        wrong = np.flatnonzero((length > 0) & (np.abs(length - 1) > 1e-2))
        if wrong.size:
            raise TermError(
                f"The term {term!r} needs unit vectors, but row {wrong[0]} of {name!r} has length "
                f"{length[wrong[0]]:.3g}: pass embeddings through mmjax.model.embedding.unit_norm."
            )


def gallery_of(term: str, name: str, context: Context) -> Gallery:
    """An embedded gallery.

    Raises:
      TermError: when the recipe has none of that name.
    """
    if name not in context.galleries:
        known = ", ".join(map(repr, sorted(context.galleries))) or "none"
        raise TermError(
            f"The term {term!r} needs the gallery {name!r} of 'data.galleries', which has {known}."
        )
    return context.galleries[name]


def unit_tokens(
    term: str, view: str, embedding: Embedding, skip: int = 0
) -> tuple[jax.Array, jax.Array]:
    """Tokens of a view in the joint space, f32[B, T, D], and which are no padding, bool[B, T].

    Args:
      term: its name, for messages.
      view: the view, for messages.
      embedding: of the view.
      skip: how many tokens at the start are left out, such as 1 for [CLS].

    Raises:
      TermError: when the tower's head does not take tokens.
    """
    if embedding.tokens is None:
        raise TermError(
            f"The term {term!r} needs the tokens of {view!r} in the joint space: give its tower a "
            "head with tokens=True, such as {'type': 'linear', 'dim': 256, 'tokens': True}."
        )
    unit = embedding.tokens[:, skip:]
    mask = None if embedding.encoding is None else embedding.encoding.mask
    return unit, jnp.ones(unit.shape[:2], bool) if mask is None else mask[:, skip:]


def features(
    rows: Rows, side: int, *, index: bool = False, ids: jax.Array | None = None
) -> dict[str, jax.Array]:
    """Row features for the pairwise engine: `unit`, and where needed `valid`, `index` and `id`.

    `index` numbers the examples of the batch, so that a tile knows its part of the diagonal; it
    comes with `ids` too, for those mark duplicates off the diagonal.
    """
    tree = {"unit": rows.unit[side]}
    if rows.valid is not None:
        tree["valid"] = rows.valid
    if index or ids is not None:
        tree["index"] = jnp.arange(rows.unit[side].shape[0], dtype=jnp.int32)
    if ids is not None:
        tree["id"] = ids
    return tree


def similarity(x: jax.Array, y: jax.Array) -> jax.Array:
    """All inner products, f[r, D] and f[c, D] -> f32[r, c].

    In full precision: a fast matmul's error of 1e-3 would be multiplied by a scale of 100. For
    bfloat16 features the products are exact anyway.
    """
    return jnp.einsum("rd,cd->rc", x, y, precision="highest", preferred_element_type=jnp.float32)


def same_example(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: the diagonal of the whole matrix, as seen in this tile."""
    return x["index"][:, None] == y["index"][None, :]


def both_valid(x: Features, y: Features) -> jax.Array | bool:
    """bool[r, c]: pairs of valid rows; True if all rows are valid."""
    valid: jax.Array | bool = True
    if "valid" in x:
        valid = valid & x["valid"][:, None]
    if "valid" in y:
        valid = valid & y["valid"][None, :]
    return valid


def mean_over(values: list[jax.Array]) -> jax.Array:
    """Mean over the pairs (or modalities) of a term, so that its size does not grow with them."""
    return sum_of(values) / len(values)


def sum_of(values: Iterable[jax.Array]) -> jax.Array:
    """The sum of some arrays, of one at least."""
    return functools.reduce(operator.add, values)


def same_label(x: Features, y: Features) -> jax.Array:
    """bool[r, c]: pairs of rows with one `label`."""
    return x["label"][:, None] == y["label"][None, :]


def random_key(term: str, context: Context) -> jax.Array:
    """The key of a term that draws at random.

    Raises:
      TermError: when the context has none.
    """
    if context.rng is None:
        raise TermError(f"The term {term!r} draws at random, but the context has no rng.")
    return context.rng
