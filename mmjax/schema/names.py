"""Names of views: `image` is the first view of the modality `image`, and `image@2` its second.

What stands behind the `@` tells views of one modality apart and may be any word: two augmentations
of one image are `image` and `image@2`, a caption in French beside the English one `text@fr`. All
views of a modality go through its tower, and read its field of a record unless they name another.
What a tower makes of a view has the tower's name and the view's label (`mmjax.model.outputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from mmjax.errors import ConfigError
from mmjax.schema.values import shown

T = TypeVar("T")

_LONGEST = 100  # characters; a file's name has at most 255 bytes, its ending included


class ViewName(NamedTuple):
    """The two parts of the name of a view, or of what a tower makes of one.

    Attributes:
      modality: of the view, by default the field that it reads; of an output, the tower.
      label: what tells it from other views of the modality; empty for the first.
    """

    modality: str
    label: str = ""

    @classmethod
    def parse(cls, name: str) -> ViewName:
        """`image@2` is ViewName('image', '2'); `image` is ViewName('image', '')."""
        modality, _, label = name.partition("@")
        return cls(modality, label)

    def __str__(self) -> str:
        return f"{self.modality}@{self.label}" if self.label else self.modality


# What a module that holds parts by their names has for methods, which a part would hide.
_METHODS = frozenset({"clear", "get", "items", "keys", "pop", "popitem", "setdefault", "update",
                      "values"})  # fmt: skip


class Name:
    """Reads the name of a recipe or of a part of it, which folders and files are called by.

    Args:
      taken: names that no part may have.
    """

    def __init__(self, taken: frozenset[str] = frozenset()):
        self.taken = taken

    def parse(self, value: Any, where: str, file: str) -> str:
        """The name.

        Raises:
          ConfigError: for one that would lead elsewhere, that no file can have, or that is taken.
        """
        name = check_name(value, where, file)
        if name in self.taken:
            raise ConfigError(
                f"{file}: no part of {where!r} can be called {name!r}, nor any of "
                f"{', '.join(sorted(self.taken - {name}))}: choose another name"
            )
        return name


PartName = Annotated[str, Name()]
ModuleName = Annotated[str, Name(_METHODS)]


def check_name(name: Any, where: str, file: str) -> str:
    """A name, as `Name` reads it."""
    if not isinstance(name, str):
        raise ConfigError(f"{file}: {where!r} should be a string, but is {shown(name)}")
    if not _is_name(name):
        raise ConfigError(
            f"{file}: {where!r} should be a name of at most {_LONGEST} characters without '/', "
            f"'\\', control characters, or '.', '-' or a space at its beginning, not {name!r:.120}"
        )
    return name


def _is_name(name: str) -> bool:
    inside = name.isprintable() and not set(name) & set("/\\")
    ends = name == name.strip() and not name.startswith(("-", "."))
    return inside and ends and 0 < len(name) <= _LONGEST


def modality_of(name: str) -> str:
    """The modality of a view, or the tower of an output, by its name."""
    return ViewName.parse(name).modality


def views_of(modality: str, names: Iterable[str]) -> list[str]:
    """Those of the names that are views of a modality, in their order."""
    return [name for name in names if modality_of(name) == modality]


def presence_name(name: str) -> str:
    """Under which a batch says which rows have a view or an output: `image_present@2`."""
    modality, label = ViewName.parse(name)
    return str(ViewName(f"{modality}_present", label))


def presence(batch: Mapping[str, T], name: str) -> T | None:
    """Which rows have a view or an output, bool[B]; None where all have it.

    A batch says it of the name itself, or of its modality, whose views are there together.
    """
    own = batch.get(presence_name(name))
    return batch.get(presence_name(modality_of(name))) if own is None else own
