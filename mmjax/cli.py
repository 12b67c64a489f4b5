"""Shared by the commands: `--config` with overrides beside absl flags, and errors as sentences."""

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags
from absl import logging as absl_logging

from mmjax.errors import ConfigError, exit_code
from mmjax.text import printable


def split_config(argv: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """Takes `--config=FILE[:VARIANT]` and `--config.key=value` out of a command line.

    Both may also be given as two words, `--config FILE`.

    Returns:
      (the other arguments, the config's path or None, the overrides `key=value`).
    """
    rest, path, overrides = [], None, []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        name = name.removeprefix("-").removeprefix("-") if name.startswith("-") else ""
        if name == "config" or name.startswith("config."):
            if not equals:
                following = next(words, None)
                if following is None:
                    raise ConfigError(f"{word} needs a value: {word}=...")
                value = following
            if name == "config":
                path = value
            else:
                overrides.append(f"{name.removeprefix('config.')}={value}")
        else:
            rest.append(word)
    return rest, path, overrides


def needed(flag: flags.FlagHolder[str | None]) -> str:
    """The value of a flag that the command cannot do without.

    Raises:
      ConfigError: when it is not given.
    """
    if flag.value is None:
        raise ConfigError(f"give --{flag.name}=... ({flags.FLAGS[flag.name].help})")
    return flag.value


def fail(error: BaseException | str, code: int = 2) -> NoReturn:
    """Ends the process with a sentence."""
    print(printable(f"mmjax: {error}"), file=sys.stderr, flush=True)
    sys.exit(code)


def say(text: object) -> None:
    """Prints what may hold names of files or records, with control characters escaped."""
    print(printable(text))


def run(main: Callable[[str | None, list[str]], None]) -> None:
    """Runs a command's `main(config path, overrides)` after parsing its absl flags.

    An error that the user can fix ends the process with its sentence and a code, see `exit_code`,
    without a trace. In a run of many processes any error ends this one at once, so that the others
    do not wait for it.
    """
    found: dict[str, Any] = {}

    def parse(argv: Sequence[str]) -> list[str]:
        try:
            rest, found["path"], found["overrides"] = split_config(argv)
            left = flags.FLAGS(rest)
        except (ConfigError, flags.Error) as error:
            fail(error)
        if len(left) > 1:
            fail(f"{left[1]!r} is not understood: options look like --name=value")
        return left

    def body(_: Sequence[str]) -> None:
        from mmjax.parallel import distributed

        # Storage and device libraries log at INFO what is no news to the person at the terminal.
        absl_logging.set_verbosity(absl_logging.ERROR)
        try:
            main(found["path"], found["overrides"])
        except KeyboardInterrupt:  # the second Ctrl-C, or one before a run had begun
            said = "interrupted; the same command resumes from the last checkpoint"
            print(f"mmjax: {said}", file=sys.stderr, flush=True)
            distributed.leave(130)
            sys.exit(130)
        except Exception as error:
            lost, code = distributed.lost(error), exit_code(error)
            if lost or code is not None:
                print(printable(f"mmjax: {lost or error}"), file=sys.stderr, flush=True)
            elif distributed.many():
                traceback.print_exc()
            else:
                raise
            distributed.leave(code or 1)
            sys.exit(code or 1)

    app.run(body, flags_parser=parse)
