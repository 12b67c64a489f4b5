"""Keys and values against annotations, of a dataclass or of a constructor's arguments."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import ml_collections

from mmjax.errors import ConfigError, unknown


def plain(config: Any) -> Any:
    """A ConfigDict as plain dicts, tuples and scalars."""
    if isinstance(config, ml_collections.ConfigDict):
        config = {key: config[key] for key in config}
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return tuple(plain(value) for value in config)
    return config


def signature(make: Callable) -> dict[str, tuple[Any, Any]]:
    """The keyword arguments of a constructor, name -> (annotation, default)."""
    # Of `__init__` itself: a class whose metaclass defines `__call__`, such as an NNX module, shows
    # the signature of that.
    function = make.__init__ if inspect.isclass(make) else make
    hints = typing.get_type_hints(function)
    return {
        name: (hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def argument(value: Any, annotation: Any) -> Any:
    """A checked plain value as a constructor takes it: a section as its dataclass."""
    if dataclasses.is_dataclass(annotation) and isinstance(value, Mapping):
        return annotation(**value)
    return value


def section_of(value: Any, where: str, file: str) -> Mapping:
    """The value, which has to be a section."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{file}: {where!r} should be a dict of keys, not {value!r}")
    return value


def fill(section: type, values: Any, where: str, file: str) -> dict:
    """Checks a section against its dataclass and completes its defaults.

    Args:
      section: the dataclass.
      values: what the recipe says.
      where: path of the section in the config, for messages; empty for the top level.
      file: the recipe's file, for messages.
    """
    fields = {}
    hints = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if dataclasses.is_dataclass(default):
            default = {}
        elif default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        fields[field.name] = (hints[field.name], default)
    return match(fields, values, where, file)


def match(fields: Mapping[str, tuple[Any, Any]], values: Any, where: str, file: str) -> dict:
    """Checks values against `fields`, name -> (annotation, default), and completes the defaults."""
    for key in section_of(values, where or "config", file):
        if key not in fields:
            raise unknown(key, fields, where, file)
    done = {}
    for key, (annotation, default) in fields.items():
        path = f"{where}.{key}" if where else key
        if key not in values and default is inspect.Parameter.empty:
            raise ConfigError(f"{file}: the key {path!r} is missing ({describe(annotation)})")
        value = plain(values.get(key, default))
        if dataclasses.is_dataclass(annotation):
            if dataclasses.is_dataclass(value):  # the default of an argument: a whole section
                value = dataclasses.asdict(value)
            elif dataclasses.is_dataclass(default):
                section = section_of(value, path, file)
                value = {**dataclasses.asdict(default), **section}
            done[key] = fill(annotation, value, path, file)
        elif not fits(value, annotation):
            raise ConfigError(
                f"{file}: {path!r} should be {describe(annotation)}, but is {value!r}"
            )
        else:
            done[key] = value
    return done


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value is of an annotated type (an int is a float, a bool is not an int)."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (Any, inspect.Parameter.empty):
        return True
    if origin in (typing.Union, types.UnionType):
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


def describe(annotation: Any) -> str:
    """An annotation in words."""
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(annotation)))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(describe(arg) for arg in typing.get_args(annotation))
    if annotation is type(None):
        return "None"
    if dataclasses.is_dataclass(annotation):
        return "a section with the keys " + ", ".join(
            field.name for field in dataclasses.fields(annotation)
        )
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        return {"int": "an int", "float": "a float", "str": "a string", "bool": "a bool"}.get(
            annotation.__name__, f"a {annotation.__name__}"
        )
    return str(annotation).replace("typing.", "")
