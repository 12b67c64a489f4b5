"""Registries of components: the words that `type` may be, their options, and their classes.

A registry is one explicit dict of a package, name -> class. The constructor's signature is the
schema of a word: its keyword arguments are the options that there are, their annotations the types,
and their defaults what may be left out. Arguments that the framework passes are no options.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Generic, TypeVar

from mmjax.errors import ConfigError, UserError, unknown
from mmjax.schema import annotations
from mmjax.schema.sections import match, section_of
from mmjax.schema.values import plain, signature

T = TypeVar("T")


class Registry(Mapping[str, Callable[..., T]], Generic[T]):
    """A registry: the words for one kind of component.

    Args:
      kind: what they are, such as `encoder`, for messages.
      base: the class that each of them inherits.
      words: name -> class.
      provided: names of arguments that the framework passes and a recipe may not.
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        words: Mapping[str, Callable[..., T]],
        provided: tuple[str, ...] = (),
    ):
        self.kind, self.base, self.provided = kind, base, provided
        self._words: dict[str, Callable[..., T]] = {}
        for name, word in words.items():
            self.register(name, word)

    def __getitem__(self, name: str) -> Callable[..., T]:
        return self._words[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self._words)})"

    def register(self, name: str, word: Callable[..., T]) -> None:
        """Adds a word, as a recipe's own file or a module that it imports may.

        The same word may be registered again by a file that is read again.

        Raises:
          ConfigError: for a name that another word has, and for a class of another base.
        """
        known = self._words.get(name)
        if known is not None and _origin(known) != _origin(word):
            raise ConfigError(f"there is another {self.kind} {name!r}: {_origin(known)}")
        if not (isinstance(word, type) and issubclass(word, self.base)):
            raise ConfigError(
                f"the {self.kind} {name!r} has to inherit {self.base.__module__}."
                f"{self.base.__qualname__}"
            )
        if getattr(word, "word", None) == "":  # of bases whose words know what they are called
            word.word = name  # type: ignore[attr-defined]
        self._words[name] = word

    @contextlib.contextmanager
    def registered(self, name: str, word: Callable[..., T]) -> Iterator[None]:
        """Knows a word between `with` and its end, for notebooks and tests."""
        self.register(name, word)
        try:
            yield
        finally:
            del self._words[name]

    def options(self, name: str) -> dict[str, tuple[Any, Any]]:
        """The options of a word, name -> (annotation, default)."""
        fields = signature(self._words[name])
        return {key: field for key, field in fields.items() if key not in self.provided}

    def version(self, name: str) -> int:
        """The version of a word: its class says `version = 2` once the same options mean others."""
        return int(getattr(self._words[name], "version", 1))

    def parse(self, value: Any, where: str, file: str, beside: Collection[str] = ()) -> "Spec[T]":
        """The spec of a component, checked against its constructor and completed.

        Args:
          value: a dict with `type` and the constructor's keyword arguments.
          where: path of the spec in the recipe, for messages.
          file: the recipe's file, for messages.
          beside: keys that may stand beside the options, which the caller has read, for messages.
        """
        if isinstance(value, Spec):
            value = value.plain()
        section_of(value, where, file)
        if "type" not in value:
            raise ConfigError(f"{file}: {where!r} misses the key 'type' (one of {sorted(self)})")
        name = value["type"]
        if not isinstance(name, str) or name not in self:
            raise unknown(name, self, f"{where}.type", file, "value")
        rest = {key: each for key, each in value.items() if key != "type"}
        options = match(self.options(name), rest, where, file, beside)
        return Spec(self, name, options, where)

    def parse_with(
        self, beside: Mapping[str, tuple[Any, Any]], value: Any, where: str, file: str
    ) -> tuple["Spec[T]", dict[str, Any]]:
        """The spec of a component, and the keys that stand beside its options.

        Args:
          beside: those keys, name -> (annotation, default).
          value, where, file: see `parse`.
        """
        value = section_of(value, where, file)
        own = {key: each for key, each in value.items() if key in beside}
        rest = {key: each for key, each in value.items() if key not in beside}
        return self.parse(rest, where, file, beside), match(beside, own, where, file)

    def spec(self, type: str, **options: Any) -> "Spec[T]":
        """The spec of a word and its options, checked and completed."""
        return self.parse({"type": type, **options}, type, f"this {self.kind}")


@dataclasses.dataclass(frozen=True)
class Spec(Generic[T]):
    """One component of a recipe, checked but not built.

    Attributes:
      registry: that knows the word.
      type: the word.
      options: every option, given or by default; a section among them is its dataclass.
      where: path in the recipe, for messages.
    """

    registry: Registry[T] = dataclasses.field(repr=False, compare=False)
    type: str
    options: Mapping[str, Any]
    where: str = dataclasses.field(default="", compare=False)

    @property
    def word(self) -> Callable[..., T]:
        """The class."""
        return self.registry[self.type]

    def build(self, **provided: Any) -> T:
        """The component; what is provided and it does not take is left out.

        Raises:
          ConfigError: when the constructor refuses the options.
        """
        takes = signature(self.word)
        given = {key: value for key, value in provided.items() if key in takes}
        try:
            return self.word(**self.options, **given)
        except (ValueError, ArithmeticError, MemoryError) as error:
            if isinstance(error, UserError) and str(error).startswith(self.where or "\0"):
                raise
            alone = self.where in ("", self.type)  # in no recipe
            where = self.type if alone else f"{self.where!r} ({self.type})"
            said = str(error) or "its options ask for more memory than there is"
            raise ConfigError(f"{where}: {said}") from error

    def plain(self) -> dict[str, Any]:
        """The spec as plain values of a recipe, with all options."""
        return {"type": self.type, **plain(dict(self.options))}

    def changed(self, **options: Any) -> "Spec[T]":
        """The spec with other options, checked."""
        return self.registry.parse({**self.plain(), **options}, self.where, f"this {self.type}")

    def reads(
        self, to: str = "view", options: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, str]]:
        """(path of the option, name) of every view, or label, that options name.

        Args:
          to: `view` or `label`.
          options: some of them, or parts of their values; None means all.
        """
        options = self.options if options is None else options
        for key, (annotation, _) in self.registry.options(self.type).items():
            where = f"{self.where}.{key}" if self.where else key
            if key in options:
                yield from annotations.names(plain(options[key]), annotation, to, where)


def _origin(word: Callable[..., Any]) -> str:
    return f"{word.__module__}.{getattr(word, '__qualname__', word)}"
