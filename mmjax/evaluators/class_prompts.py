"""How classes are put into words, for zero-shot classification: names, templates, prompts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmjax.data.records import Source, options
from mmjax.errors import ConfigError
from mmjax.evaluators.data import Embedded, EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.text import is_template

NAMES = ("{}",)  # a prompt is the name alone


class Wording:
    """The classes of a label, and their prompts.

    Args:
      labels: the field of a record that holds its class; or `text`, and then every id is a class.
      text: the modality of the names.
      templates: language, or None, -> prompts with one `{}` for the name.
      prompts: class, by its value as text -> its prompts, whole.
      synonyms: class, by its value as text -> further names.
      every_name: of names that are texts of records, all of each and not the first.

    Raises:
      ValueError: for templates or prompts that cannot be.
    """

    def __init__(
        self,
        labels: str,
        text: str,
        templates: Mapping[str | None, Sequence[str]],
        prompts: Mapping[str, Sequence[str]] | None = None,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        every_name: bool = False,
    ):
        for language, own in templates.items():
            if not own:
                raise ValueError(f"zero_shot: no templates for {language or 'the names'}")
            for template in own:
                check_template(template)
        if prompts is not None and (templates != {None: NAMES} or synonyms):
            raise ValueError(
                "zero_shot: 'prompts' are whole; leave out templates, languages and synonyms"
            )
        for name, own in (prompts or {}).items():
            if not own:
                raise ValueError(f"zero_shot: the class {name!r} has no prompts")
        self.labels, self.text, self.templates = labels, text, templates
        self.given, self.synonyms, self.every_name = prompts, synonyms or {}, every_name

    def classes(self, items: Embedded, labels: list[Any]) -> list[Any]:
        """All classes to choose from: those that the source lists, else those that occur."""
        listed = None if self.labels == self.text else self.listed(items.source)
        if listed is None:
            return sorted(set(labels), key=lambda label: (str(type(label)), label))
        classes = list(listed)
        strange = sorted(set(map(str, labels)) - set(map(str, classes)))
        if strange:
            raise EvaluationError(
                f"zero_shot: the records have the {self.labels!r} {strange[0]!r}, which is not "
                "among the names of classes that the source lists"
            )
        return classes

    def listed(self, source: Source) -> list[Any] | None:
        """The classes that a source lists, with names or with prompts."""
        told = source.prompts(self.labels)
        return source.labels(self.labels) if told is None else [each.value for each in told]

    def prompts(
        self,
        items: Embedded,
        keep: np.ndarray,
        classes: list[Any],
        language: str | None,
        data: EvalData,
    ) -> list[list[str]]:
        """The prompts of each class in a language; None is the classes' own values or names."""
        if self.given is not None:
            return self._given(classes)
        templates = self.templates.get(language, self.templates[None])
        if language is None and templates == NAMES and not self.synonyms:
            told = None if self.labels == self.text else items.source.prompts(self.labels)
            if told is not None:
                return [list(each.prompts) for each in told]
        names = self._names(items, keep, classes, language, data)
        return [[each.format(name) for name in some for each in templates] for some in names]

    def _given(self, classes: list[Any]) -> list[list[str]]:
        given, values = self.given or {}, [str(name) for name in classes]
        for name in values:
            if name not in given:
                raise EvaluationError(f"zero_shot: prompts has none for the class {name!r}")
        if strange := sorted(set(given) - set(values)):
            raise EvaluationError(
                f"zero_shot: prompts of {strange[0]!r}, which is no class of {self.labels!r}"
            )
        return [list(given[name]) for name in values]

    def _names(
        self,
        items: Embedded,
        keep: np.ndarray,
        classes: list[Any],
        language: str | None,
        data: EvalData,
    ) -> list[list[str]]:
        """The names of each class in a language; None is the classes' own values."""
        if language is not None:
            return [[str(name)] for name in self.named(items.source, language)]
        if self.labels != self.text:
            if strange := sorted(set(self.synonyms) - set(map(str, classes))):
                raise EvaluationError(
                    f"zero_shot: synonyms of {strange[0]!r}, which is no class of {self.labels!r}"
                )
            told = items.source.prompts(self.labels)
            called = {str(each.value): each.name for each in told or ()}
            return [[called.get(str(c), str(c)), *self.synonyms.get(str(c), ())] for c in classes]
        first: dict[int, int] = {}
        for n in keep:
            first.setdefault(int(items.ids[n]), int(items.rows[n]))
        records = [items.source[first[c]] for c in classes]
        own = data.field(self.text)
        for record in records:
            if not options(record.get(own, [])):
                raise EvaluationError(
                    f"zero_shot: {record['key']} has no {self.text!r} to name it by"
                )
        count = None if self.every_name else 1
        names = [[str(name) for name in options(record[own])[:count]] for record in records]
        self._check_distinct(names, [record["key"] for record in records])
        return names

    def _check_distinct(self, names: list[list[str]], keys: list[str]) -> None:
        """Two classes of one name could not be told apart."""
        owner: dict[str, int] = {}
        for number, some in enumerate(names):
            if owner.setdefault(some[0], number) != number:
                raise EvaluationError(
                    f"zero_shot: with labels={self.labels!r} every id is a class, and "
                    f"{keys[owner[some[0]]]} and {keys[number]} have the same name {some[0]!r}: "
                    "take a label that they share, or measure retrieval"
                )

    def named(self, source: Source, language: str) -> list[str]:
        """The names of all classes in a language."""
        try:
            named = source.labels(self.labels, language)
        except ValueError as error:
            raise EvaluationError(f"zero_shot: {error}") from error
        if named is None:
            raise EvaluationError(
                "zero_shot: this source has no names of labels in other languages (its method "
                "'labels' lists none); leave out the option 'languages'"
            )
        return named


def class_vectors(unit: np.ndarray, owner: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Unit class embeddings f32[C, D], each the direction of the mean over its prompts.

    Args:
      unit: f32[P, D], embeddings of prompts.
      owner: i[P], the class of each.
      names: C names, for messages.

    Raises:
      ConfigError: for a class whose prompts cancel each other.
    """
    total = np.zeros((len(names), unit.shape[1]), np.float64)
    np.add.at(total, owner, unit)  # the sum has the direction of the mean
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    if not lengths.all():
        where = names[int(np.argmin(lengths))]
        raise ConfigError(f"zero_shot: the prompts of class {where!r} cancel each other")
    vectors: np.ndarray = (total / lengths).astype(np.float32)
    return vectors


def check_template(template: str) -> None:
    """Raises ConfigError unless a prompt has one `{}`, for the name of a class."""
    if not is_template(template):
        raise ConfigError(
            f"zero_shot: template {template!r} must have exactly one {{}}, for the name of a class"
        )
