"""Annotations of options beyond their type: bounds of numbers, and references to other parts.

    learning_rate: NonNegative
    pairs: tuple[tuple[ViewRef, ViewRef], ...]

A type checker sees `float` and `str`; the walk over a recipe (`mmjax.schema.sections`) reads the
rest, so that a word says itself which numbers make sense and what it reads.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from mmjax.schema.bounds import Bounds, Length
from mmjax.schema.values import fits, form, of_annotation, shown


@dataclasses.dataclass(frozen=True)
class Refers:
    """A reference: the value is the name of another part of the recipe.

    Attributes:
      to: `view`, a key of `data.views`; `label`, a field of records that is one; `gallery`, a key
        of `data.galleries`; `term`, a key of `objectives` whose term scores all pairs; `match`,
        of one that scores them one by one at least; `numbers`, of one that predicts numbers; or
        `caption`, of one that generates texts.
    """

    to: Literal["view", "label", "gallery", "term", "match", "numbers", "caption"]


ViewRef = Annotated[str, Refers("view")]
LabelRef = Annotated[str, Refers("label")]
GalleryRef = Annotated[str, Refers("gallery")]
TermRef = Annotated[str, Refers("term")]
MatchRef = Annotated[str, Refers("match")]
PredictionRef = Annotated[str, Refers("numbers")]
CaptionRef = Annotated[str, Refers("caption")]


@dataclasses.dataclass(frozen=True)
class Regex:
    """The value is a regular expression."""


Pattern = Annotated[str, Regex()]  # of whole paths of parameters


class Part(NamedTuple):
    """A part of a value: the value itself, an element of it, an element of that.

    Attributes:
      where: path of the key that it stands under.
      value: plain.
      kind: type that the annotation gives it.
      extras: what `Annotated` adds to that type.
    """

    where: str
    value: Any
    kind: Any
    extras: tuple[Any, ...]


def parts(value: Any, annotation: Any, where: str, extras: tuple[Any, ...] = ()) -> Iterator[Part]:
    """Every part of a value.

    Args:
      value: plain, and of the annotated type.
      annotation: of it.
      where: path of the key.
      extras: of the choice of types that the annotation is one of.
    """
    kind, own, _, arguments, union = form(annotation)
    extras = (*extras, *own)
    if union:
        for option in arguments:
            if fits(value, option):
                yield from parts(value, option, where, extras)
        return
    yield Part(where, value, kind, extras)
    if isinstance(value, Mapping):
        of_key, of_value = arguments if len(arguments) == 2 else (Any, Any)
        for key, each in value.items():
            yield from parts(key, of_key, where)
            yield from parts(each, of_value, f"{where}.{key}")
    elif isinstance(value, tuple):
        alike = len(arguments) != len(value) or ... in arguments
        for i, each in enumerate(value):
            yield from parts(each, (arguments or (Any,))[0 if alike else i], where)


def names(value: Any, annotation: Any, to: str, where: str) -> Iterator[tuple[str, str]]:
    """(path of the key, name) of every part of a kind that a value names.

    Args:
      value: plain, and of the annotated type.
      annotation: of it.
      to: which kind, as `Refers.to`.
      where: path of the key.
    """
    if not _refers(annotation):
        return
    for part in parts(value, annotation, where):
        refers = any(isinstance(each, Refers) and each.to == to for each in part.extras)
        if refers and isinstance(part.value, str):
            yield part.where, part.value


@of_annotation
def _refers(annotation: Any) -> bool:
    """Whether a part of a value of this type can be a reference."""
    own = form(annotation)
    return any(isinstance(each, Refers) for each in own.extras) or any(map(_refers, own.arguments))


def wrong(value: Any, annotation: Any, where: str) -> Iterator[str]:
    """Sentences on numbers out of their bounds, and on what is empty or no pattern and should not.

    Args:
      value: plain, and of the annotated type.
      annotation: of it.
      where: path of the key.
    """
    for part in parts(value, annotation, where):
        if isinstance(part.value, int | float) and not isinstance(part.value, bool):
            bounds = [each for each in part.extras if isinstance(each, Bounds)] or [Bounds()]
            for each in bounds:
                if said := each.said_of(part.value, whole=part.kind is int):
                    yield f"{part.where!r} {said}, {_found(part, value)}"
        for each in part.extras:
            if isinstance(each, Length) and len(part.value) < each.least:
                yield f"{part.where!r} should be {each}, {_found(part, value)}"
            if isinstance(each, Regex) and (said := _no_pattern(part.value)):
                found = _found(part, value)
                yield f"{part.where!r} should be a regular expression ({said}), {found}"


def _found(part: Part, value: Any) -> str:
    """What is wrong of a value: a part of it, or all."""
    of = f" in {shown(value)}" if part.value is not value and isinstance(value, tuple) else ""
    return f"but is {shown(part.value)}{of}"


def _no_pattern(text: str) -> str | None:
    """Why a text is no regular expression; None where it is one."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return None
