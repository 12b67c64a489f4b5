"""Plain values of a recipe, and whether they are of an annotated type."""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Unpack

import ml_collections

from mmjax.schema.bounds import Bounds, Length

T = TypeVar("T")
_SCALARS = frozenset((str, int, float, bool))
_SHOWN = 200  # characters of a value in a message


def plain(value: Any) -> Any:
    """A config, a section or a spec as plain dicts, tuples and scalars."""
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, ml_collections.ConfigDict):
        value = {key: value[key] for key in value}
    elif hasattr(value, "plain"):  # of sections and specs
        return value.plain()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    return value


def signature(make: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """The keyword arguments of a constructor, name -> (annotation, default)."""
    return dict(_signature(make))


# To read annotations is most of the work of checking a recipe, and they do not change.
hints = functools.cache(functools.partial(typing.get_type_hints, include_extras=True))


@functools.cache
def _signature(make: Callable[..., Any]) -> Mapping[str, tuple[Any, Any]]:
    # Of `__init__` itself: a class whose metaclass defines `__call__`, such as an NNX module, shows
    # the signature of that.
    function = make.__init__ if inspect.isclass(make) else make
    # Fields that a dataclass inherits are annotated in the terms of the module that has its base.
    annotated = make if dataclasses.is_dataclass(make) else function
    kinds = hints(annotated)
    shared = _shared(make, function, kinds)
    return {
        name: (kinds.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    } | shared


def _shared(
    make: Callable[..., Any], function: Callable[..., Any], kinds: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Options that several constructors share: `**name: Unpack[Options]`, a TypedDict.

    Their defaults are the attributes of the class's `<name>_defaults`.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD and typing.get_origin(kinds.get(name)) is Unpack:
            (options,) = typing.get_args(kinds[name])
            defaults = getattr(make, f"{name}_defaults")
            return {key: (kind, getattr(defaults, key)) for key, kind in hints(options).items()}
    return {}


def of_annotation(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """Keeps what a function gives of every annotation.

    By identity, since to compare annotations takes as long as to read them. They are those of
    constructors, of which there are as many as there are words.
    """
    kept: dict[int, tuple[Any, T]] = {}  # with the annotation, so that no other one has its id

    @functools.wraps(function)
    def found(annotation: Any) -> T:
        known = kept.get(id(annotation))
        if known is None:
            known = kept[id(annotation)] = annotation, function(annotation)
        return known[1]

    return found


class Form(NamedTuple):
    """What an annotation consists of.

    Attributes:
      kind: without what `Annotated` adds.
      extras: what that is.
      origin, arguments: of the kind, as `typing` has them: `tuple` and `(int, ...)`.
      union: whether it is a choice of types.
    """

    kind: Any
    extras: tuple[Any, ...]
    origin: Any
    arguments: tuple[Any, ...]
    union: bool


@of_annotation
def form(annotation: Any) -> Form:
    """What an annotation consists of."""
    kind, extras = annotation, ()
    if typing.get_origin(annotation) is Annotated:
        kind, *added = typing.get_args(annotation)
        extras = tuple(added)
    origin = typing.get_origin(kind)
    union = origin in (typing.Union, types.UnionType)
    return Form(kind, extras, origin, typing.get_args(kind), union)


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value is of an annotated type (an int is a float, a bool is not an int)."""
    annotation, _, origin, args, union = form(annotation)
    if annotation in (Any, inspect.Parameter.empty):
        return True
    if union:
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is bool or isinstance(value, bool):
        return annotation is bool and isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, tuple | list):
            return False
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            return len(value) == len(args) and all(map(fits, value, args))
        return all(fits(item, args[0]) for item in value)
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return isinstance(value, Mapping) and (
            not args or all(fits(k, args[0]) and fits(v, args[1]) for k, v in value.items())
        )
    if annotation in (tuple, list):
        return isinstance(value, tuple | list)
    return isinstance(value, annotation)


def shown(value: Any) -> str:
    """A value as Python writes it, for messages: shortened where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python is willing to write
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def describe(annotation: Any) -> str:
    """An annotation in words."""
    annotation, extras, *_ = form(annotation)
    for each in extras:
        if hasattr(each, "kind"):  # a registry
            return f"a dict with the 'type' of the {each.kind}"
    return _described(annotation) + _bounds(extras)


def _described(annotation: Any) -> str:
    _, _, origin, arguments, union = form(annotation)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if union:
        return " or ".join(map(describe, arguments))
    if annotation is type(None):
        return "None"
    if dataclasses.is_dataclass(annotation):
        return "a section with the keys " + ", ".join(
            field.name for field in dataclasses.fields(annotation)
        )
    if inspect.isclass(annotation) and origin is None:
        return {"int": "an int", "float": "a float", "str": "a string", "bool": "a bool"}.get(
            annotation.__name__, f"a {annotation.__name__}"
        )
    return _written(annotation)


def _bounds(extras: tuple[Any, ...]) -> str:
    said = [str(each) for each in extras if isinstance(each, Bounds | Length)]
    return f" ({' and '.join(said)})" if said else ""


def _written(annotation: Any) -> str:
    """An annotation as Python writes it, with the bounds of numbers."""
    annotation, extras, origin, args, union = form(annotation)
    if origin in (tuple, list, dict, Mapping, Sequence) and args:
        said = ", ".join("..." if arg is ... else _written(arg) for arg in args)
        return f"{getattr(origin, '__name__', origin)}[{said}]{_bounds(extras)}"
    if union:
        return " | ".join(map(_written, args))
    if annotation is type(None):
        return "None"
    name = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    return name.replace("typing.", "") + _bounds(extras)
