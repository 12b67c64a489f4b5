"""Captions with slots for words, as the token ids that a view makes of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmjax.attacks.words import Grammar
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.schema.annotations import LabelRef, ViewRef

SLOT = "*"


class WordSlots:
    """A template with slots, and the words that may stand in them.

    Args:
      template: of captions, words with spaces between them: each `*` is a slot and the one `{}` is
        what the caption is of.
      words: at least two, each of one token.
      filler: the one of them that says nothing and may stand in many slots, or None.

    Raises:
      ValueError: for a template or words that cannot be.
    """

    def __init__(self, template: str, words: Sequence[str], filler: str | None):
        parts = template.split()
        if SLOT not in parts or parts.count("{}") != 1:
            raise ValueError(
                f"template={template!r} should have one '{{}}' and at least one slot '*', each "
                "with spaces around it"
            )
        if len(set(words)) != len(words) or len(words) < 2 + parts.count(SLOT):
            raise ValueError(
                f"words: {len(words)} for {parts.count(SLOT)} slots; give at least two more than "
                "slots, each of them once"
            )
        if filler is not None and filler not in words:
            raise ValueError(f"filler={filler!r} is none of the words")
        self.parts, self.words = parts, tuple(words)
        number = None if filler is None else self.words.index(filler)
        self.grammar = Grammar(parts.count(SLOT), len(words), number)

    def caption(self, of: str, choice: Sequence[int]) -> str:
        """The caption of something, with the words of these numbers."""
        said = iter(choice)
        filled = (self.words[next(said)] if part == SLOT else part for part in self.parts)
        return " ".join(filled).replace("{}", of)


class Prompts:
    """Captions of some things in all their choices of words, as token ids.

    Args:
      slots: the template.
      data: whose view makes the ids.
      text: the view.
      of: what the captions are of, Q texts.

    Raises:
      EvaluationError: for words that the view does not make one token each, and captions that it
        cuts.
    """

    def __init__(self, slots: WordSlots, data: EvalData, text: str, of: Sequence[str]):
        view, count = data.views[text], slots.grammar.slots

        def ids(thing: str, slot: int | None = None, word: int = 0) -> np.ndarray:
            choice = [0] * count
            if slot is not None:
                choice[slot] = word
            found: np.ndarray = np.asarray(view(slots.caption(thing, choice), None, False))
            return found

        base, places = [], []
        for thing in of:
            base.append(ids(thing))
            places.append(
                [_place(base[-1], ids(thing, s, 1), slots.words[1], text) for s in range(count)]
            )
        self._base, self._places = np.stack(base), np.array(places)  # i[Q, T], i[Q, S]
        first, where = base[0], places[0][0]
        self.token_ids = np.array([first[where]] * len(slots.words))
        for word in range(1, len(slots.words)):
            own = ids(of[0], 0, word)
            _place(first, own, slots.words[word], text, where)
            self.token_ids[word] = own[where]
        _, counts = np.unique(self.token_ids, return_counts=True)
        if counts.max() > 1:
            raise EvaluationError(
                f"words: the view {text!r} makes the same token of several of them; leave out "
                "those that its vocabulary does not have"
            )
        for thing, row, its in zip(of, base, places, strict=True):
            found = row[its]
            if (found != self.token_ids[0]).any():
                raise EvaluationError(
                    f"words: {slots.words[0]!r} is another token elsewhere in {thing!r}; put the "
                    "slots in the middle of the template"
                )

    def ids(self, rows: np.ndarray, choices: np.ndarray) -> np.ndarray:
        """i[N, T] of the captions of these numbers [N], with choices i[N, S]."""
        return self.put(rows, self.token_ids[choices])

    def put(self, rows: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The same with tokens i[N, S] in the slots."""
        ids: np.ndarray = self._base[rows].copy()
        np.put_along_axis(ids, self._places[rows], tokens.astype(ids.dtype), axis=1)
        return ids


def room(slots: WordSlots, data: EvalData, text: str, of: Sequence[str]) -> list[int]:
    """Which of Q texts leave the view room for their captions, up to the last slot."""
    view, count = data.views[text], slots.grammar.slots
    found = []
    for number, thing in enumerate(of):
        one, other = (
            np.asarray(view(slots.caption(thing, [0] * (count - 1) + [word]), None, False))
            for word in (0, 1)
        )
        if (one != other).any():
            found.append(number)
    return found


def _place(base: np.ndarray, other: np.ndarray, word: str, text: str, at: int | None = None) -> int:
    """The one position in which two captions differ, that of a slot."""
    differ = np.flatnonzero(base != other)
    if len(differ) != 1 or (at is not None and differ[0] != at):
        raise EvaluationError(
            f"words: with {word!r} in a slot {len(differ)} tokens of the view {text!r} are others, "
            "and it should be 1; name words of one token each and leave room for the whole caption"
        )
    return int(differ[0])


class Classes(NamedTuple):
    """Classes as a model sees them, and what the captions are of.

    Attributes:
      vectors: f32[K, D], unit mean of each class's items.
      names: [K], of the classes.
      of: Q texts that captions are made of.
      truth: i[Q], the class of each.
    """

    vectors: np.ndarray
    names: np.ndarray
    of: list[str]
    truth: np.ndarray


def classes_of(
    model: Model,
    data: EvalData,
    modality: ViewRef,
    labels: LabelRef,
    text: ViewRef,
    slots: WordSlots | None,
    who: str,
) -> Classes:
    """The classes of a label by the items of a modality.

    Args:
      model, data: of the evaluation.
      modality: of the items.
      labels: the field that holds the class.
      text: the view of captions.
      slots: where captions are of the records' own texts, the first of each; those beside which
        the view has no room for slots are left out. None where they are of the classes' names.
      who: the evaluator, for the message.

    Raises:
      EvaluationError: for fewer than two classes, and where there is room for no text.
    """
    items = embed(model, data, (modality,))[modality]
    labelled = labels_of(items.fields, labels, who)
    names, numbers = np.unique(labelled, return_inverse=True)
    if len(names) < 2:
        raise EvaluationError(f"{who}: all records are of one {labels!r}; it needs two classes")
    sums = np.zeros((len(names), items.unit.shape[1]))
    np.add.at(sums, numbers, items.unit)
    vectors = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
    if slots is None:
        return Classes(vectors, names, [str(name) for name in names], np.arange(len(names)))
    own = embed(model, data, (text,))[text]
    named = {
        str(own.raw(item)): label
        for item, label in enumerate(labels_of(own.fields, labels, who))
        if label in names
    }
    of, truth = list(named), np.searchsorted(names, list(named.values()))
    rows = room(slots, data, text, of)
    if not rows:
        raise EvaluationError(
            f"{who}: the view {text!r} has no room for slots beside any of the records' texts; "
            "make its length more"
        )
    return Classes(vectors, names, [of[row] for row in rows], truth[rows])
