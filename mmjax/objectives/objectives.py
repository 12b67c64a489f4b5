"""The weighted sum of terms that a recipe trains."""

import dataclasses
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.model.embedding import Embedding
from mmjax.model.towers import Tower
from mmjax.objectives.base import Batch, Context, Features, FusedBy, Loss, Outputs, Term
from mmjax.objectives.errors import TermError
from mmjax.objectives.registry import TERMS
from mmjax.objectives.regression import Regression
from mmjax.objectives.scores import PairMatcher, PairScorer
from mmjax.schema.annotations import ViewRef, names
from mmjax.schema.names import presence, presence_name
from mmjax.schema.registry import Spec
from mmjax.schema.schedule import Schedule, ScheduledNonNegative
from mmjax.schema.values import plain

_Head = str | dict[ViewRef, str] | None
_Where = dict[str, int] | None


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """One term of a recipe: a word of `TERMS` with its options, and beside them

    Attributes:
      term: the word and its options.
      weight: a number or a schedule (see `Schedule`), never below 0.
      head: which of the towers' further heads it reads: one name, of the towers that have such a
        head, the only ones that it then sees; or {view: name}, where others keep the first head.
      where: {label: value}, the only rows that it sees: those whose labels, views without a tower,
        all have these values; None for all rows.
    """

    term: Spec[Term]
    weight: float | dict[str, Any] = 1.0
    head: str | dict[ViewRef, str] | None = None
    where: dict[str, int] | None = None

    @classmethod
    def parse(cls, value: Any, where: str, file: str) -> "ObjectiveConfig":
        """From the dict of a recipe, where all stands side by side."""
        weight = (ScheduledNonNegative, 1.0)
        beside = {"weight": weight, "head": (_Head, None), "where": (_Where, None)}
        term, own = TERMS.parse_with(beside, value, where, file)
        return cls(term, **own)

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe, with all options."""
        own = {key: plain(getattr(self, key)) for key in ("weight", "head", "where")}
        return {**self.term.plain(), **own}

    def reads(self, to: str = "view") -> Iterator[tuple[str, str]]:
        """(path of the key, name) of every view, or label, that it names."""
        yield from self.term.reads(to)
        yield from names(plain(self.head), _Head, to, f"{self.term.where}.head")


def configs(specs: Mapping[str, Any], file: str = "these objectives") -> dict[str, ObjectiveConfig]:
    """Terms from plain dicts, as the section `objectives` of a recipe has them."""
    return {
        name: ObjectiveConfig.parse(spec, f"objectives.{name}", file)
        for name, spec in specs.items()
        if spec is not None
    }


class Objectives(nnx.Module):
    """The loss of a recipe: a weighted sum of terms.

    Args:
      configs: name -> term of the recipe.
      rngs: for the parameters that terms own.
    """

    def __init__(self, configs: Mapping[str, ObjectiveConfig], *, rngs: nnx.Rngs):
        terms, weights = {}, []
        heads: list[tuple[str, str | tuple[tuple[str, str], ...] | None]] = []
        for name, config in configs.items():
            terms[name] = config.term.build(rngs=rngs)
            terms[name].given_name = name
            weights.append((name, Schedule.of(config.weight, f"objectives.{name}.weight")))
            # A dict would be a node of the module's graph.
            head = config.head
            heads.append((name, tuple(head.items()) if isinstance(head, dict) else head))
        self.terms = nnx.Dict(terms)
        self.weights, self.heads = tuple(weights), tuple(heads)
        self.where = tuple(
            (name, tuple((each.where or {}).items())) for name, each in configs.items()
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        """The loss of a batch, an f32 scalar, and what to log.

        Metrics: `loss`; for each term `<name>/loss`, before weighting, `<name>/weight` if it is
        scheduled, and the term's own as `<name>/<metric>`.
        """
        context = dataclasses.replace(context, scales=self._scales())
        loss, metrics = jnp.zeros(()), {}
        for (name, weight), (_, head), (_, where) in zip(
            self.weights, self.heads, self.where, strict=True
        ):
            seen, known = _by_head(name, head, outputs, _own_rng(context, name))
            value, own = self.terms[name](seen, _where(name, where, seen, batch), known)
            factor = weight(context.progress)
            loss = loss + factor * value
            metrics[f"{name}/loss"] = value
            if not weight.constant:
                metrics[f"{name}/weight"] = factor
            metrics.update({f"{name}/{key}": metric for key, metric in own.items()})
        return loss, {"loss": loss, **metrics}

    def check(self, towers: Mapping[str, Tower], fused: FusedBy) -> None:
        """Says what the towers of a model lack for the terms; see `Term.check`.

        Raises:
          TermError: with the option to change.
        """
        for term in self.terms.values():
            term.check(towers, fused)

    def matcher(self, name: str) -> PairMatcher:
        """A term that scores pairs, one by one at least.

        Raises:
          TermError: for a name of none.
        """
        term = dict(self.terms).get(name)
        if not isinstance(term, PairMatcher):
            known = [each for each in self.terms if self.terms[each].matches_pairs]
            raise TermError(
                f"There is no term {name!r} with a score of its own; there are {known or 'none'}."
            )
        return term

    def predictor(self, name: str) -> Regression:
        """A term that predicts numbers.

        Raises:
          TermError: for a name of none.
        """
        term = dict(self.terms).get(name)
        if not isinstance(term, Regression):
            known = [each for each in self.terms if self.terms[each].predicts]
            raise TermError(
                f"There is no term {name!r} that predicts numbers; there are {known or 'none'}."
            )
        return term

    def scorer(self, name: str) -> PairScorer:
        """A term whose score ranks all pairs.

        Raises:
          TermError: for a name of none.
        """
        term = self.matcher(name)
        if not isinstance(term, PairScorer):
            raise TermError(
                f"The term {name!r} scores pairs one by one: it reranks, but does not rank all."
            )
        return term

    def compared(self, name: str, view: str, embedding: Embedding) -> Features:
        """What a term that scores pairs compares of a view, by the head that it reads."""
        return self.matcher(name).compared(view, self.read(name, view, embedding))

    def read(self, name: str, view: str, embedding: Embedding) -> Embedding:
        """What a term reads of a view: the embedding by one of the tower's further heads, or it."""
        head = dict(self.heads)[name]
        head = head if isinstance(head, str) or head is None else dict(head).get(view)
        return (embedding.heads or {}).get(head or "", embedding)

    def _scales(self) -> dict[str, jax.Array]:
        """1/temperature of the terms that have one."""
        found = {name: term.scale() for name, term in self.terms.items()}
        return {name: scale for name, scale in found.items() if scale is not None}

    def logit_scale(self) -> tuple[jax.Array, jax.Array | None] | None:
        """Logarithm of the scale, and bias, of the first term that gives logits; or None."""
        found = (term.logit_scale() for term in self.terms.values())
        return next((each for each in found if each is not None), None)


def _by_head(
    name: str, head: str | tuple[tuple[str, str], ...] | None, outputs: Outputs, context: Context
) -> tuple[Outputs, Context]:
    """Outputs and context with the embeddings by further heads of the towers that have them."""
    if head is None:
        return outputs, context
    wanted = dict.fromkeys(outputs, head) if isinstance(head, str) else dict(head)

    def chosen(embeddings: Outputs) -> dict[str, Embedding]:
        own = {
            view: heads[wanted[view]]
            for view, e in embeddings.items()
            if wanted.get(view) in (heads := e.heads or {})
        }
        return own if isinstance(head, str) else {**embeddings, **own}

    lacking = [view for view, own in wanted.items() if own not in (outputs[view].heads or {})]
    if len(lacking) == len(wanted) or (lacking and not isinstance(head, str)):
        where = "head" if isinstance(head, str) else f"head.{lacking[0]}"
        known = sorted({other for e in outputs.values() for other in e.heads or {}})
        raise TermError(
            f"'objectives.{name}.{where}' is {wanted[lacking[0]]!r}, but no tower of it has a head "
            f"of that name in its 'heads': there are {known or 'none'}."
        )
    if context.teacher is not None:
        context = dataclasses.replace(context, teacher=chosen(context.teacher))
    return chosen(outputs), context


def _where(name: str, where: Iterable[tuple[str, int]], outputs: Outputs, batch: Batch) -> Batch:
    """The batch, in which rows with other values of the labels have no output."""
    if not where:
        return batch
    chosen = jnp.ones(len(batch["id"]), bool)
    for label, value in where:
        if label not in batch:
            raise TermError(
                f"'objectives.{name}.where' names the label {label!r}, which the batch lacks: add "
                "a view of type 'label' for it to data.views."
            )
        chosen &= batch[label] == value
        if (there := presence(batch, label)) is not None:
            chosen &= there
    found = dict(batch)
    for view in outputs:
        there = presence(batch, view)
        found[presence_name(view)] = chosen if there is None else chosen & there
    return found


def _own_rng(context: Context, name: str) -> Context:
    """The context with random numbers of the term's own: no two terms draw the same."""
    if context.rng is None:
        return context
    return dataclasses.replace(
        context, rng=jax.random.fold_in(context.rng, zlib.crc32(name.encode()))
    )
