"""What is said when a recipe cannot be."""

import difflib
from collections.abc import Iterable
from typing import Any


class ConfigError(ValueError):
    """A recipe says something it may not; the message names the key, the file and what to do."""


class NoVariant(ConfigError):
    """The recipe has no variant of that name."""


def unknown(
    name: Any, valid: Iterable[str], where: str, file: str, what: str = "key"
) -> ConfigError:
    """The error for a name that is not one of `valid`, with the nearest that is.

    Args:
      name: as the recipe gives it.
      valid: the names that could be meant.
      where: path of the section that the key is in, or of the key whose value it is.
      file: the recipe's file.
      what: 'key', or what else it is a name of.
    """
    valid = [str(each) for each in valid]
    path = f"{where}.{name}" if where and what == "key" else where or name
    near = difflib.get_close_matches(str(name), valid, 1, 0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    named = f"{path!r}" if what == "key" else f"{name!r} of {where!r}"
    return ConfigError(f"{file}: unknown {what} {named}{hint} (valid: {', '.join(valid)})")
