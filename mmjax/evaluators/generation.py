"""Generated texts: how good, how varied and how likely they are, and what they look like."""

import dataclasses
from typing import Annotated, Any, Literal, cast

import numpy as np

from mmjax.data.records import options
from mmjax.data.views import TextView
from mmjax.decoding import DECODERS, Decoder, Start, Texts
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed, read_one
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.looks import Look, Row, few
from mmjax.evaluators.prompts import Prompts, joined
from mmjax.evaluators.text_metrics import bleu, diversity
from mmjax.schema.annotations import CaptionRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero
from mmjax.schema.registry import Spec


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What texts are generated for.

    Attributes:
      rows: i64[N], of the source.
      ids: i32[N, T], the records' own texts.
      given: view -> values [N, ...] of what they are generated from.
      texts: all alternatives of each record.
    """

    rows: np.ndarray
    ids: np.ndarray
    given: dict[str, np.ndarray]
    texts: list[list[str]]


class Generation(Evaluator):
    """Texts that a model generates by its term `captioning`: captions, or what follows a prompt.

    Metrics of each decoding algorithm, over what was generated alone:
      diversity: product over n = 2, 3, 4 of the mean share of different n-grams of a text.
      tokens: mean number of tokens; log_likelihood: mean log probability of one, its end included,
        by the model itself.
      BLEU@4, exact and word_recall (with `reference='text'`): against all texts of the record,
        words apart by spaces; `exact` is the share of texts that are one of them, `word_recall`
        the mean share of the different words of one of them, the best, that were generated.
      coherence (with `reference='source'`): mean log probability of a token by the process that
        made the source, of those generated sources that know it; and of a decoder that `frontier`
        does not name, frontier: the coherence of those named, interpolated to its diversity, or
        that of the one nearest in diversity where all are more, or less, diverse.
    And of the records' own texts, each token given all before it: `perplexity`, exp of the mean
    negative log probability, and `accuracy`, the share of tokens that are the likeliest;
    `examples`, how many records.

    A text is the same with and without batch-mates.

    Args:
      decoders: name -> decoding algorithm: `greedy`, `beam`, `nucleus`, `contrastive`.
      term: the recipe's name of the term.
      text: view of the texts; of the tower of the term's own.
      conditions: views that stand for the term's conditions, in their order; they may be others,
        such as images where a decoder has learned from texts.
      prompt: how many tokens of the record's own text are given, beside the mark of its beginning;
        of a shorter text all, which then gets so many more.
      tokens: how many are generated at most; None fills the length of the text's view.
      reference: what texts are held against.
      frontier: names of decoders that trade coherence for diversity, such as one sampling at
        several temperatures.
      examples: records, the first ones.
      batch_size: of texts that are generated together.
    """

    def __init__(
        self,
        *,
        decoders: dict[str, Annotated[Spec[Decoder], DECODERS]],
        term: CaptionRef = "captioning",
        text: ViewRef = "text",
        conditions: tuple[ViewRef, ...] = (),
        prompt: CountOrZero = 0,
        tokens: Count | None = None,
        reference: Literal["text", "source"] = "text",
        frontier: tuple[str, ...] = (),
        examples: Count = 200,
        batch_size: Count = 64,
    ):
        if not decoders:
            raise ValueError(
                "generation: 'decoders' names none, such as {'beam': {'type': 'beam'}}"
            )
        if frontier and (reference != "source" or not set(frontier) <= set(decoders)):
            raise ValueError(
                f"generation: frontier={frontier!r} should name some of the decoders "
                f"{', '.join(map(repr, decoders))}, with reference='source'"
            )
        self.decoders = {name: spec.build() for name, spec in decoders.items()}
        self.frontier = frontier
        self.term, self.text, self.conditions = term, text, conditions
        self.prompt, self.tokens, self.reference = prompt, tokens, reference
        self.examples, self.batch_size = examples, batch_size

    def check(self, data: EvalData) -> None:
        view = self._view(data)
        begins = self.prompt + view.bos
        if not begins:
            raise EvaluationError(
                f"generation: the view {self.text!r} has bos=False, so that a text needs a first "
                "token: set 'prompt' to 1 or more"
            )
        if begins + (self.tokens or 1) > view.length:
            raise EvaluationError(
                f"generation: {begins} tokens and {self.tokens or 1} more are more than the length "
                f"of the view {self.text!r}, {view.length}: set 'prompt' and 'tokens' lower"
            )
        if self.reference == "source" and not hasattr(data.source, "log_likelihood"):
            raise EvaluationError(
                "generation: reference='source' needs a generated source that knows how likely "
                "a text is, such as 'markov_text'"
            )

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, the model knows its own."""
        asked = self._asked(data)
        found: dict[str, dict[str, float]] = {}
        for name, decoder in self.decoders.items():
            texts = self._generated(model, data, decoder, asked)
            found[name] = self._measured(data, asked, *texts)
        if self.frontier:
            known = sorted((found[n]["diversity"], found[n]["coherence"]) for n in self.frontier)
            for name in found.keys() - {*self.frontier}:
                x, y = np.array(known).T
                found[name]["frontier"] = float(np.interp(found[name]["diversity"], x, y))
        metrics = self._of_references(model, asked)
        metrics |= {f"{n}/{metric}": x for n, own in found.items() for metric, x in own.items()}
        return metrics | {"examples": float(len(asked.rows))}

    def look(self, model: Model, data: EvalData) -> Look:
        """Generated texts of a few records."""
        chosen = few(data)
        asked = self._asked(chosen)
        shown = self.conditions[0] if self.conditions else self.text
        items = embed(model, chosen, (shown,))[shown]
        said: list[list[tuple[str, str]]] = [[] for _ in asked.rows]
        for name, decoder in self.decoders.items():
            start, found = self._generated(model, chosen, decoder, asked)
            prompts = Prompts(self._view(chosen))
            for own, line in zip(said, prompts.said(prompts.new(start, found)), strict=True):
                own.append((name, line))
        places = {int(row): place for place, row in enumerate(items.rows)}
        rows = [
            Row(items, places[int(row)], said=(*own, ("own text", texts[0])))
            for row, own, texts in zip(asked.rows, said, asked.texts, strict=True)
            if int(row) in places
        ]
        given = f"their first {self.prompt} tokens" if self.prompt else "their beginning"
        what = " and ".join((*self.conditions, given) if self.prompt else self.conditions)
        note = f"Generated from {what or given}, and below the text that the record has."
        title = "captions" if self.conditions else "generated texts"
        return Look(title, note, tuple(rows))

    def _view(self, data: EvalData) -> TextView:
        view = data.views[self.text]
        if not isinstance(view, TextView):
            raise EvaluationError(f"generation: {self.text!r} is no view of text")
        return view

    def _asked(self, data: EvalData) -> _Asked:
        """What the first records have, of those that have all."""
        names = dict.fromkeys((self.text, *self.conditions))
        rows, found, texts = [], [], []
        for row in range(min(self.examples, len(data.source))):
            record, items, problems = read_one(data, row, tuple(names), "first")
            values = {name: value for name, _, value in items}
            if problems or values.keys() != names.keys():
                continue
            rows.append(row)
            found.append(values)
            texts.append([str(each) for each in options(record[data.field(self.text)])])
        if not rows:
            raise EvaluationError(
                f"generation: none of the first {self.examples} records has all of "
                f"{', '.join(names)}"
            )
        stacked = {name: np.stack([each[name] for each in found]) for name in names}
        given = {name: stacked[name] for name in self.conditions}
        return _Asked(np.array(rows), stacked[self.text], given, texts)

    def _generated(
        self, model: Model, data: EvalData, decoder: Decoder, asked: _Asked
    ) -> tuple[np.ndarray, Texts]:
        """i64[N], where what is generated begins, and the texts."""
        prompts = Prompts(self._view(data))
        begins = self.prompt + prompts.view.bos
        room = prompts.view.length if self.tokens is None else begins + self.tokens
        begun = prompts.start(asked.ids, begins, room) | {"row": asked.rows.astype(np.int32)}
        how = {"eos": prompts.eos, "never": prompts.never}
        parts = [
            self._model(model).generate(self.term, decoder, given, Start(**own), **how)
            for own, given in self._batches(asked, begun)
        ]
        return begun["length"], joined(parts, len(asked.rows))

    def _batches(self, asked: _Asked, arrays: dict[str, np.ndarray]) -> Any:
        """Arrays and conditions in batches of one size, the last one padded."""
        count = len(asked.rows)
        size = min(self.batch_size, count)
        for first in range(0, count, size):
            rows = np.minimum(np.arange(first, first + size), count - 1)
            yield (
                {name: array[rows] for name, array in arrays.items()},
                {name: values[rows] for name, values in asked.given.items()},
            )

    def _of_references(self, model: Model, asked: _Asked) -> dict[str, float]:
        """How likely the records' own texts are."""
        parts = [
            self._model(model).likelihood(self.term, given, whole["ids"])
            for whole, given in self._batches(asked, {"ids": asked.ids})
        ]
        total, right, count = (
            float(each.sum(dtype=np.float64)) for each in joined(parts, len(asked.rows))
        )
        return {"perplexity": float(np.exp(-total / count)), "accuracy": right / count}

    def _measured(
        self, data: EvalData, asked: _Asked, start: np.ndarray, found: Texts
    ) -> dict[str, float]:
        new = Prompts(self._view(data)).new(start, found)
        generated = np.maximum(found.length - start, 1).sum()
        metrics = {
            "diversity": diversity(new),
            "tokens": float(np.mean([len(each) for each in new])),
            "log_likelihood": float(found.log_likelihood.sum() / generated),
        }
        if self.reference == "source":
            return metrics | {"coherence": self._coherence(data, start, found)}
        texts = Prompts(self._view(data)).said(new)
        pairs = list(zip(texts, asked.texts, strict=True))
        split = [each.split() for each in texts], [[t.split() for t in own] for _, own in pairs]
        exact = [text in {" ".join(each.split()) for each in own} for text, own in pairs]
        recall = [
            max(len(set(said) & set(each)) / max(len(set(each)), 1) for each in own)
            for said, own in zip(*split, strict=True)
        ]
        means = {"exact": float(np.mean(exact)), "word_recall": float(np.mean(recall))}
        return metrics | {"BLEU@4": bleu(*split), **means}

    def _coherence(self, data: EvalData, start: np.ndarray, found: Texts) -> float:
        """Mean log probability of what was generated by the source."""
        decode, source = self._view(data).tokenizer.decode, cast(Any, data.source)
        total = count = 0.0
        for ids, first, new in zip(
            found.ids, start, Prompts(self._view(data)).new(start, found), strict=True
        ):
            before = [word for i in ids[:first] if (word := decode([int(i)]))]
            each = source.log_likelihood([*before, *(decode([i]) for i in new)])[len(before) :]
            total, count = total + float(each.sum()), count + len(each)
        return total / max(count, 1.0)

    def _model(self, model: Model) -> Any:
        texts = getattr(model, "texts", None)
        if texts is None:
            raise EvaluationError("generation: this model has no decoder of texts")
        return texts
