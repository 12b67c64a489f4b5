"""Classification without a list of classes, by the captions of a database."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.candidates import frequent, words_of
from mmjax.evaluators.class_prompts import check_template, class_vectors
from mmjax.evaluators.clusters import assigned
from mmjax.evaluators.data import Embedded, EvalData, Model, embed, embed_values
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.linear_solvers import unit
from mmjax.evaluators.neighbours import Gallery
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Factor, Fraction, Moderate


class OpenVocabulary(Evaluator):
    """Vocabulary-free classification (CaSED, Conti et al. 2023, arXiv 2306.00917).

    The k captions of the further source `database` nearest to an image v give candidate words, of
    which near-duplicate captions are dropped first; c is the direction of their mean. The answer is
    the candidate w of largest

        alpha softmax_w(v.w / temperature) + (1 - alpha) softmax_w(c.w / temperature).

    Words are embedded as texts; or, with the optional source `vocabulary`, they are its labels and
    their embeddings its texts. What an item is called is its label, or with `labels` = `text` the
    first of its texts, whose words are taken (`candidates.words_of`).

    Metrics: `accuracy`, the share of answers that are a word of the right name; `IoU`, of the words
    of the answer and of the name; `similarity`, mean cosine of answer and name; `cluster_accuracy`,
    as of `clusters`, of items with one answer; `candidates`, their mean number; `examples`. And the
    accuracy of other answers: `vote`, the most frequent word of the captions; `closest`, the word
    of the nearest caption that is nearest to the image; `vocabulary`, of all words the nearest;
    `classes`, of all right names' words the nearest, an upper bound.

    Args:
      labels: the field that holds the name; or `text`.
      modality: what is classified.
      text: modality of captions and words.
      words: field of the captions that lists their words; None takes them from the texts.
      word: field of the records of `vocabulary` that holds the word.
      k: number of captions.
      alpha: weight of the image, in the place of the captions.
      temperature: of both.
      duplicates: cosine above which a caption is a duplicate of a nearer one.
      least: how often a word occurs in the k captions, at least.
      templates: prompts of words, each with one `{}`.
    """

    further = ("database",)
    optional = ("vocabulary",)

    def __init__(
        self,
        *,
        labels: LabelRef = "text",
        modality: ViewRef = "image",
        text: ViewRef = "text",
        words: LabelRef | None = None,
        word: LabelRef | None = None,
        k: Count = 10,
        alpha: Fraction = 0.7,
        temperature: Factor = 0.07,
        duplicates: Moderate = 0.94,
        least: Count = 2,
        templates: tuple[str, ...] = ("{}",),
    ):
        if alpha > 1 or not temperature > 0:
            raise ValueError(
                f"open_vocabulary: alpha={alpha} must be in [0, 1] and temperature={temperature} "
                "above 0"
            )
        for template in templates:
            check_template(template)
        self.labels, self.modality, self.text = labels, modality, text
        self.words, self.word, self.templates = words, word, templates
        self.k, self.alpha, self.temperature = k, alpha, temperature
        self.duplicates, self.least = duplicates, least

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Items of the source, captions of the database, words of the vocabulary."""
        names = {
            "source": ("modality", "labels"),
            "database": ("text", "words"),
            "vocabulary": ("text", "word"),
        }
        return {name: options[name] for name in names[source]}

    def __call__(
        self,
        model: Model,
        data: EvalData,
        mesh: Any = None,
        *,
        database: EvalData,
        vocabulary: EvalData | None = None,
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        items = embed(model, data, (self.modality,))[self.modality]
        captions = embed(model, database, (self.text,), "all")[self.text]
        texts = self._words_of(captions)
        names = [self._name(items, n) for n in range(len(items))]
        table = self._table(model, database, texts, names, vocabulary)
        near = Gallery(captions.unit).nearest(items.unit, self.k).positions
        others = list(dict.fromkeys(w for own in names for w in own))
        every, classes = list(table.number), table.rows(others)
        answers: dict[str, list[Any]] = {
            name: [] for name in ("cased", "vote", "closest", "vocabulary", "classes")
        }
        counts = []
        for v, row in zip(items.unit.astype(np.float64), near, strict=True):
            kept = self._distinct(captions.unit, row)
            pooled = [[w for w in texts[i] if w in table.number] for i in kept]
            words = frequent(pooled, self.least)
            counts.append(len(words))
            centre = unit(captions.unit[kept].astype(np.float64).mean(0, keepdims=True))[0]
            answers["cased"].append(self._best(words, table, v, centre))
            everything = [w for own in pooled for w in own]
            answers["vote"].append(max(everything, key=everything.count, default=None))
            answers["closest"].append(_nearest(pooled[0], table.rows(pooled[0]), v))
            answers["vocabulary"].append(_nearest(every, table.unit, v))
            answers["classes"].append(_nearest(others, classes, v))
        metrics = self._measure(answers.pop("cased"), names, table)
        for name, own in answers.items():
            metrics[f"{name}/accuracy"] = _accuracy(own, names)
        return metrics | {"candidates": float(np.mean(counts)), "examples": float(len(items))}

    def _words_of(self, captions: Embedded) -> list[list[Any]]:
        """The words of every caption."""
        if self.words is not None:
            return [list(own.get(self.words) or ()) for own in captions.fields]
        return [words_of(str(captions.raw(n))) for n in range(len(captions))]

    def _name(self, items: Embedded, item: int) -> list[Any]:
        """The words of an item's name."""
        if self.labels == self.text:
            record = items.source[int(items.rows[item])]
            value = record.get(self.text)
            value = value[0] if isinstance(value, list | tuple) and value else value
        else:
            value = items.fields[item].get(self.labels)
        if value is None:
            key = items.fields[item]["key"]
            raise EvaluationError(f"open_vocabulary: {key} has no {self.labels!r} to be named by")
        return words_of(value) if isinstance(value, str) else [value]

    def _table(
        self,
        model: Model,
        data: EvalData,
        texts: Sequence[Sequence[Any]],
        names: Sequence[Sequence[Any]],
        vocabulary: EvalData | None,
    ) -> "_Table":
        """Embeddings of all words of captions and names, or of the vocabulary."""
        if vocabulary is not None:
            if self.word is None:
                raise EvaluationError("open_vocabulary: 'word' names no field of 'vocabulary'")
            found = embed(model, vocabulary, (self.text,))[self.text]
            return _Table([own[self.word] for own in found.fields], found.unit)
        if self.words is not None:
            raise EvaluationError("open_vocabulary: 'words' needs the source 'vocabulary'")
        words = sorted({w for own in (*texts, *names) for w in own})
        prompts = [template.format(word) for word in words for template in self.templates]
        vectors = embed_values(model, data, self.text, prompts)
        owner = np.repeat(np.arange(len(words)), len(self.templates))
        return _Table(words, class_vectors(vectors, owner, words))

    def _distinct(self, captions: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Those of the nearest captions, in order, that are no duplicates of a nearer one."""
        kept: list[int] = []
        for i in near:
            if not kept or (captions[kept] @ captions[i]).max() <= self.duplicates:
                kept.append(int(i))
        return np.array(kept)

    def _best(self, words: list[Any], table: "_Table", v: np.ndarray, c: np.ndarray) -> Any:
        if not words:
            return None
        vectors = table.rows(words)
        of_image, of_captions = (_softmax(vectors @ each / self.temperature) for each in (v, c))
        return words[int((self.alpha * of_image + (1 - self.alpha) * of_captions).argmax())]

    def _measure(
        self, answers: list[Any], names: list[list[Any]], table: "_Table"
    ) -> dict[str, float]:
        pairs = [(a, own) for a, own in zip(answers, names, strict=True) if a is not None and own]
        ious = [len({a} & set(own)) / len({a} | set(own)) for a, own in pairs]
        cosines = []
        for a, own in pairs:
            known = [w for w in own if w in table.number]
            if known:
                name = unit(table.rows(known).mean(0, keepdims=True))[0]
                cosines.append(float(table.rows([a])[0] @ name))
        whole = np.array([" ".join(map(str, own)) for own in names])
        return {
            "accuracy": _accuracy(answers, names),
            "IoU": float(np.sum(ious) / len(names)),
            "similarity": float(np.mean(cosines)) if cosines else 0.0,
            "cluster_accuracy": assigned(np.array([str(a) for a in answers]), whole),
        }


class _Table:
    """Words and their unit embeddings f64[W, D]."""

    def __init__(self, words: Sequence[Any], vectors: np.ndarray):
        self.number = {word: n for n, word in enumerate(words)}
        self.unit = vectors.astype(np.float64)

    def rows(self, words: Sequence[Any]) -> np.ndarray:
        found: np.ndarray = self.unit[[self.number[w] for w in words if w in self.number]]
        return found


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    p: np.ndarray = e / e.sum()
    return p


def _nearest(words: Sequence[Any], vectors: np.ndarray, v: np.ndarray) -> Any:
    return words[int((vectors @ v).argmax())] if len(words) else None


def _accuracy(answers: Sequence[Any], names: Sequence[Sequence[Any]]) -> float:
    return float(np.mean([a in own for a, own in zip(answers, names, strict=True)]))
