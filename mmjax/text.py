"""Text that may come from anyone, as it is shown: control characters are escaped."""

import re
import string
from collections.abc import Sequence

# Of terminals (C0, DEL, C1), of lines and of the direction of text; halves of surrogate pairs,
# which no encoding can write. Line feeds and tabs are text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    """A text for a terminal or a log: `\\x1b[2J` is seen, not obeyed; line feeds and tabs stay."""
    return _CONTROL.sub(lambda found: _escaped(found[0]), str(text))


def one_line(text: object) -> str:
    """The same for a name, which may hold line feeds and tabs and must not look like two."""
    return printable(re.sub("[\n\t]", lambda found: _escaped(found[0]), str(text)))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def is_template(text: str) -> bool:
    """Whether a text has exactly one `{}`, for another one to be put in."""
    try:
        parsed = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        return False
    return parsed == [("", "", None)]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of columns, the first with a rule under it."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
