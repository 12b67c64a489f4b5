"""Config errors and suggestions: the base class of errors that users can fix."""

import difflib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """An error that the user can fix; its message is one sentence, shown without a traceback.

    Attributes:
      exit_code: how a command ends: 2 for wrong configs and data, 1 for what failed on the way;
        None where the message is a trace after all.
    """

    exit_code: int | None = 2


class ConfigError(UserError, ValueError):
    """An invalid config; the message names key, file and remedy."""


class NoVariant(ConfigError):
    """The recipe has no variant of that name."""


def exit_code(error: BaseException) -> int | None:
    """The exit code of a command for an error that the user can fix.

    Returns:
      2 for a wrong config or wrong data, 1 for what failed on the way, None for any other error,
      whose trace is needed.
    """
    if isinstance(error, UserError):
        return error.exit_code
    return 1 if isinstance(error, OSError) else None


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
    near = nearest(str(name), valid)
    hint = f"; did you mean {near!r}?" if near else ""
    named = f"{path!r}" if what == "key" else f"{name!r} of {where!r}"
    return ConfigError(f"{file}: unknown {what} {named}{hint} (valid: {', '.join(valid)})")


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that was probably meant: spelled alike, abbreviated, or a part of it; or None.

    `lr` and `rate` are `learning_rate`, though as strings they have little in common with it.
    """
    valid = list(valid)
    words = {key: key.split("_") for key in valid}
    near = difflib.get_close_matches(name, valid, 1, 0.8)
    near += [key for key in valid if "".join(word[:1] for word in words[key]) == name]
    near += [key for key in valid if len(name) > 2 and name in words[key]]
    near += difflib.get_close_matches(name, valid, 1, 0.5)
    near += [key for key in valid if len(name) > 2 and (name in key or key in name)]
    return near[0] if near else None
