"""Parses plain values into the objects of a recipe: sections are dataclasses, words are specs.

A section is a frozen dataclass whose fields are its keys, with types and defaults. `parse` walks
any annotation: into sections, into dicts of named parts, and into what the registry in a field's
`Annotated[Spec[...], REGISTRY]` knows. Everything else is a plain value that has to be of its type.
"""

import dataclasses
import inspect
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

from mmjax.errors import ConfigError, unknown
from mmjax.schema.annotations import wrong
from mmjax.schema.values import describe, fits, form, hints, of_annotation, plain, shown


class Parser(Protocol):
    """What `Annotated` may hold to read a value its own way, such as a registry."""

    def parse(self, value: Any, where: str, file: str) -> Any:
        """The object of a plain value at the path `where` of a file."""
        ...


def section_of(value: Any, where: str, file: str) -> Mapping[str, Any]:
    """The value, which has to be a section."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{file}: {where!r} should be a dict of keys, not {shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{file}: keys of {where!r} should be strings, not {shown(key)}")
    return value


def parse(annotation: Any, value: Any, where: str, file: str) -> Any:
    """The object of a plain value, checked and with every default.

    Args:
      annotation: a section, a container of sections or specs, or a plain type.
      value: as in the recipe.
      where: path of the value in the recipe, for messages; empty for the top level.
      file: the recipe's file, for messages.

    Raises:
      ConfigError: with the path, and the nearest valid key.
    """
    kind, _, origin, arguments, union = form(annotation)
    parser = _parser(annotation)
    if parser is not None:
        return parser.parse(value, where, file)
    if union:
        own = [arg for arg in arguments if structured(arg)]
        if own and value is None and type(None) in arguments:
            return None
        if own:
            return parse(own[0], value, where, file)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return section(kind, value, where, file)
    if structured(kind):
        if origin is dict:
            # A part that an override sets to None is left out.
            return {
                parse(arguments[0], key, where, file): parse(
                    arguments[1], each, f"{where}.{key}" if where else key, file
                )
                for key, each in section_of(value, where, file).items()
                if each is not None
            }
        if not isinstance(value, tuple | list):
            raise ConfigError(f"{file}: {where!r} should be a tuple, but is {shown(value)}")
        return tuple(
            parse(arguments[0], each, f"{where}[{i}]", file) for i, each in enumerate(value)
        )
    value = plain(value)
    if not fits(value, kind):
        raise ConfigError(
            f"{file}: {where!r} should be {describe(annotation)}, but is {shown(value)}"
        )
    for sentence in wrong(value, annotation, where):
        raise ConfigError(f"{file}: {sentence}")
    return value


@of_annotation
def structured(annotation: Any) -> bool:
    """Whether a value of this type is, or holds, a section or a spec."""
    kind, _, origin, arguments, union = form(annotation)
    if _parser(annotation) is not None or dataclasses.is_dataclass(kind):
        return True
    if union:
        return any(map(structured, arguments))
    if origin is dict:
        return structured(arguments[1])
    return origin is tuple and len(arguments) == 2 and structured(arguments[0])


@of_annotation
def _parser(annotation: Any) -> Parser | None:
    kind, extras, *_ = form(annotation)
    for each in extras:
        if hasattr(each, "parse"):  # which `isinstance` would take long to find of a protocol
            return cast(Parser, each)
    own = getattr(kind, "parse", None) if inspect.isclass(kind) else None
    return kind if inspect.ismethod(own) else None  # a section that reads itself


def section(kind: type, values: Any, where: str, file: str) -> Any:
    """A section from its keys: an instance of the dataclass `kind`."""
    found = match(fields_of(kind), values, where, file)
    try:
        return kind(**found)
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{file}: {where!r}: {error}") from error


def fields_of(kind: type) -> dict[str, tuple[Any, Any]]:
    """The keys of a section, name -> (annotation, default)."""
    kinds, found = hints(kind), {}
    for field in dataclasses.fields(kind):
        default: Any = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        elif default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        found[field.name] = (kinds[field.name], default)
    return found


def match(
    fields: Mapping[str, tuple[Any, Any]],
    values: Any,
    where: str,
    file: str,
    beside: Collection[str] = (),
) -> dict[str, Any]:
    """Objects of `values` by `fields`, defaults completed.

    Args:
      fields: name -> (annotation, default).
      values: the section.
      where: path of the section, for messages.
      file: of the recipe, for messages.
      beside: keys that the caller has read already, which are valid there, too, for messages.
    """
    for key in section_of(values, where or "config", file):
        if key not in fields:
            raise unknown(key, [*fields, *beside], where, file)
    done = {}
    for key, (annotation, default) in fields.items():
        path = f"{where}.{key}" if where else key
        if key not in values:
            if default is inspect.Parameter.empty:
                raise ConfigError(f"{file}: the key {path!r} is missing ({describe(annotation)})")
            # A plain default may be what a spec is made of; an object is one already.
            value = default if _is_object(default) else parse(annotation, default, path, file)
        else:
            value = values[key]
            if _is_section(default) and isinstance(value, Mapping):
                # The default of an argument may differ from those of its section's fields. Options
                # of one word are none of another's.
                own = plain(default)
                if value.get("type") in (None, own.get("type")):
                    value = {**own, **value}
            value = parse(annotation, value, path, file)
        done[key] = value
    return done


def _is_section(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_object(value: Any) -> bool:
    return _is_section(value) or hasattr(value, "plain")
