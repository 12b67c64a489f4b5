"""Zero-shot classification: an image gets the class whose text embedding is nearest."""

from typing import Any, Literal

import numpy as np

from mmjax.evaluators import ranking
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.class_prompts import NAMES, Wording, class_vectors
from mmjax.evaluators.data import Embedded, EvalData, Model, embed, embed_values
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import LabelRef, ViewRef


class ZeroShot(Evaluator):
    """Zero-shot classification by the nearest class embedding, made from prompts with its name.

    A class embedding is the mean of the unit embeddings of all its prompts (every template with
    every name of the class), made a unit vector again (CLIP, Radford et al. 2021, section 3.1.4).
    Classes with equal scores count by the mean over their random order.

    Metrics: `top_1` and `top_5` (share of items whose class is among the nearest 1 and 5),
    `mean_per_class` (mean over classes of their top-1), `macro_F1` (mean over the classes of items
    of the F1 of the nearest class, the first of equal ones; WILDS, Koh et al. 2021, arXiv
    2012.07421), `chance` (top-1 of a random choice), `classes`, `examples`, `unreadable` (items
    that could not be read) and `unlabelled` (items without the label, which are left out). With
    `languages`, the first four also for each language, as `de/top_1`; without a language in front
    they are then the mean over the languages. With `worst_by` also `worst_group`, the lowest
    `top_1` of the items with one value of that label, such as a region or a hospital. With `target`
    also `target_rate`: of the items of all other classes, the share that is taken for this one,
    which of images with a trigger is how often an attack succeeds (Carlini and Terzis 2022, arXiv
    2106.09667).

    With `groups` of classes, such as those that were trained on and others, the items of each group
    are told among its own classes alone: `<group>/top_1` and `<group>/chance`, and of several
    groups `harmonic_mean`, that of their `top_1`, which is 0 where one of them is: the measure of
    base and new classes (Xian et al. 2017, arXiv 1707.00600; Zhou et al. 2022, CoCoOp, arXiv
    2203.05557).

    Args:
      labels: the field of a record that holds its class, such as `group`; or `text`, and then
        every id is a class and its first text is the class's name.
      templates: prompts, each with one `{}` for the name; for `languages` other than those of
        `templates_by_language`. Where it is left as it is, a source that has prompts of its own
        for its classes (`clip_benchmark`) is asked in these.
      prompts: class, by its value as text -> its prompts, whole, of every class; in place of
        templates.
      languages: languages of the class names. They come from `source.labels(labels, language)`,
        a list of names in the order of `source.labels(labels)`, which are the classes themselves.
        None named means that the classes' own values are their names. (Names that are the texts
        of records are in the languages that the source itself is set to.)
      templates_by_language: language -> its own templates.
      modality: what is classified.
      text: the modality of the names.
      alternatives: `first` classifies one value per record, `all` each of them.
      layer: `unit`, the embeddings; or those by a further head of the towers, by its name, or
        `unit+<name>`, so that scores are the mean of both cosines, and `0.7*unit+0.3*<name>` a
        weighted one. Or {modality: layer}, one for each side, `unit` where it names none.
      target: a class, by its value.
      worst_by: the label that `worst_group` goes by.
      synonyms: class, by its value as text -> further names, each of which makes prompts of its own
        (with `languages`, for the values only).
      groups: {group: its classes}, see above.
      group_layers: {group: layer}, as `layer`, of groups that are told by another one.
      names: where the names are texts of records, `first` takes one of each, `all` every one.
    """

    def __init__(
        self,
        *,
        labels: LabelRef,
        templates: tuple[str, ...] = NAMES,
        languages: tuple[str, ...] = (),
        templates_by_language: dict[str, tuple[str, ...]] | None = None,
        modality: ViewRef = "image",
        text: ViewRef = "text",
        alternatives: Literal["first", "all"] = "first",
        layer: str | dict[ViewRef, str] = "unit",
        target: str | int | None = None,
        worst_by: LabelRef | None = None,
        synonyms: dict[str, tuple[str, ...]] | None = None,
        groups: dict[str, tuple[str | int, ...]] | None = None,
        group_layers: dict[str, str | dict[ViewRef, str]] | None = None,
        names: Literal["first", "all"] = "first",
        prompts: dict[str, tuple[str, ...]] | None = None,
    ):
        self.target, self.worst_by = target, worst_by
        if labels == text and languages:
            raise ValueError(
                f"zero_shot: with labels={labels!r} the names are the texts of the source, so set "
                "the language there and leave out 'languages' here"
            )
        self.labels, self.languages = labels, languages
        self.classes_by = None if labels == text else labels
        self.modality, self.text, self.alternatives = modality, text, alternatives
        self.layers = self._by_side(layer)
        self.groups = dict(groups or {})
        self.group_layers = {
            group: self._by_side(own) for group, own in (group_layers or {}).items()
        }
        for group in self.group_layers:
            if group not in self.groups:
                raise ValueError(f"zero_shot: group_layers has {group!r}, which is none of groups")
        for group, classes in self.groups.items():
            if len(set(classes)) < 2:
                raise ValueError(f"zero_shot: the group {group!r} needs at least 2 classes")
        by_language: dict[Any, tuple[str, ...]] = templates_by_language or {}
        self.wording = Wording(
            labels, text, {None: templates, **by_language}, prompts, synonyms, names == "all"
        )

    def _by_side(self, layer: str | dict[str, str]) -> dict[str, str]:
        sides = (self.modality, self.text)
        return {
            **dict.fromkeys(sides, "unit"),
            **(layer if isinstance(layer, dict) else dict.fromkeys(sides, layer)),
        }

    def check(self, data: EvalData) -> None:
        """Says whether the source has names of several classes, in every language."""
        if self.labels == self.text:
            return
        if self.labels in data.source.modalities:
            raise EvaluationError(f"zero_shot: {self.labels!r} is no label, but a modality")
        listed = self.wording.listed(data.source)
        if listed is not None and self.target is not None and self.target not in listed:
            raise EvaluationError(
                f"zero_shot: the target {self.target!r} is no class of {self.labels!r}, such as "
                f"{listed[0]!r}"
            )
        if listed is not None and len(listed) < 2:
            raise EvaluationError(
                f"zero_shot: {self.labels!r} has one class, {str(listed[0])!r}, and no other to "
                "tell it from; set evaluators.zero_shot={} to leave this out"
            )
        for language in self.languages:
            self.wording.named(data.source, language)

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        items = embed(model, data, (self.modality,), self.alternatives, self.layers[self.modality])[
            self.modality
        ]
        keep, labels = self._labelled(items)
        classes = self.wording.classes(items, labels)
        position = {name: p for p, name in enumerate(classes)}
        truth = np.array([position[label] for label in labels])
        of_groups = self._of_groups(model, data, items, keep, truth, classes)

        results = {}
        for language in self.languages or (None,):
            prompts = self.wording.prompts(items, keep, classes, language, data)
            vectors = self._class_vectors(model, data, prompts)
            ranks = ranking.rank(items.unit[keep], vectors, truth, np.arange(len(classes)))
            best = ranking.best(ranks)
            first = ranking.hit(best, 1)
            count = np.bincount(truth)
            per_class = np.bincount(truth, first)[count > 0] / count[count > 0]
            results[language] = {
                "top_1": float(first.mean()),
                "top_5": float(ranking.hit(best, 5).mean()),
                "mean_per_class": float(per_class.mean()),
                "macro_F1": _macro_f1(items.unit[keep], vectors, truth),
            }
            if self.worst_by is not None:
                results[language]["worst_group"] = self._worst_group(items, keep, first)
            if self.target is not None:
                rate = self._target_rate(items.unit[keep], vectors, truth, position)
                results[language]["target_rate"] = rate
        metrics = {
            name: float(np.mean([part[name] for part in results.values()]))
            for name in next(iter(results.values()))
        }
        for language in self.languages:
            metrics |= {f"{language}/{name}": v for name, v in results[language].items()}
        return (
            metrics
            | of_groups
            | {
                "chance": 1 / len(classes),
                "classes": float(len(classes)),
                "examples": float(len(keep)),
                "unreadable": float(len(items.unreadable)),
                "unlabelled": float(len(items) - len(keep)),
            }
        )

    def _of_groups(
        self,
        model: Model,
        data: EvalData,
        items: Embedded,
        keep: np.ndarray,
        truth: np.ndarray,
        classes: list[Any],
    ) -> dict[str, float]:
        """The metrics of the groups of classes; the mean over the languages."""
        found: dict[str, float] = {}
        for group, members in self.groups.items():
            places = {str(name): place for place, name in enumerate(classes)}
            strange = [name for name in members if str(name) not in places]
            if strange:
                raise EvaluationError(
                    f"zero_shot: groups.{group} names the class {strange[0]!r}; the classes are "
                    f"{', '.join(list(places)[:8])}{', ...' if len(places) > 8 else ''}"
                )
            chosen = np.array(sorted({places[str(name)] for name in members}))
            own = np.isin(truth, chosen)
            if not own.any():
                raise EvaluationError(f"zero_shot: no item is of a class of the group {group!r}")
            layers = self.group_layers.get(group, self.layers)
            seen = embed(model, data, (self.modality,), self.alternatives, layers[self.modality])[
                self.modality
            ].unit[keep][own]
            top_1 = []
            for language in self.languages or (None,):
                prompts = self.wording.prompts(items, keep, classes, language, data)
                some = [prompts[place] for place in chosen]
                vectors = self._class_vectors(model, data, some, layers[self.text])
                right = np.searchsorted(chosen, truth[own])
                ranks = ranking.rank(seen, vectors, right, np.arange(len(chosen)))
                top_1.append(ranking.hit(ranking.best(ranks), 1).mean())
            found[f"{group}/top_1"] = float(np.mean(top_1))
            found[f"{group}/chance"] = 1 / len(chosen)
        if len(self.groups) > 1:
            shares = np.array([found[f"{group}/top_1"] for group in self.groups])
            mean = len(shares) / (1 / shares).sum() if shares.all() else 0.0
            found["harmonic_mean"] = float(mean)
        return found

    def _worst_group(self, items: Embedded, keep: np.ndarray, hits: np.ndarray) -> float:
        """The lowest mean of `hits`, of the items kept, over the values of a label."""
        values = [items.fields[n].get(self.worst_by) for n in keep]
        known = {value for value in values if value is not None}
        if not known:
            raise EvaluationError(f"zero_shot: no item has the label {self.worst_by!r} (worst_by)")
        rows = {value: [n for n, own in enumerate(values) if own == value] for value in known}
        return min(float(hits[own].mean()) for own in rows.values())

    def _target_rate(
        self, unit: np.ndarray, vectors: np.ndarray, truth: np.ndarray, position: dict[Any, int]
    ) -> float:
        """The share of the items of other classes that are nearest to the target's embedding."""
        if self.target not in position:
            raise EvaluationError(f"zero_shot: no class is {self.target!r}, the target")
        wanted = position[self.target]
        others = unit[truth != wanted]
        if not len(others):
            raise EvaluationError(f"zero_shot: every item is of the target {self.target!r}")
        goal = np.full(len(others), wanted)
        ranks = ranking.rank(others, vectors, goal, np.arange(len(vectors)))
        return float(ranking.hit(ranking.best(ranks), 1).mean())

    def _labelled(self, items: Embedded) -> tuple[np.ndarray, list[Any]]:
        """Positions of the items that have a label, and their labels."""
        if self.labels == self.text:
            return np.arange(len(items)), items.ids.tolist()
        keep = [n for n, fields in enumerate(items.fields) if fields.get(self.labels) is not None]
        if not keep:
            known = sorted(set().union(*items.fields) - {"id", "key"})
            raise EvaluationError(
                f"zero_shot: no record has the label {self.labels!r}; the records have "
                f"{', '.join(known) or 'no labels'}, and {self.text!r} makes every id a class"
            )
        return np.array(keep), [items.fields[n][self.labels] for n in keep]

    def _class_vectors(
        self, model: Model, data: EvalData, prompts: list[list[str]], layer: str | None = None
    ) -> np.ndarray:
        """Unit class embeddings f32[C,D], by the layer of all classes unless another is given."""
        flat = [prompt for own in prompts for prompt in own]
        owner = np.repeat(np.arange(len(prompts)), [len(own) for own in prompts])
        unit = embed_values(model, data, self.text, flat, layer or self.layers[self.text])
        return class_vectors(unit, owner, [own[0] for own in prompts])


def _macro_f1(unit: np.ndarray, vectors: np.ndarray, truth: np.ndarray, rows: int = 4096) -> float:
    """Macro F1 over the classes of `truth`; of equal scores the first class counts."""
    starts = range(0, len(unit), rows)
    nearest = np.concatenate([(unit[n : n + rows] @ vectors.T).argmax(1) for n in starts])
    right, own, taken = (
        np.bincount(of, minlength=len(vectors)) for of in (truth[truth == nearest], truth, nearest)
    )
    found = own > 0
    return float((2 * right[found] / (own + taken)[found]).mean())
