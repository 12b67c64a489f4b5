"""Values of a recipe's file that no source gives, as the file marks them."""

import re
import tokenize
from pathlib import Path

_MARK = re.compile(r"#\s*assumed(?::\s*(?P<reason>\S.*))?$")
_MEANT = re.compile(r"#\s*assum", re.IGNORECASE)


def assumed(file: Path) -> list[tuple[str, str]]:
    """The marked lines of a Python file, in order.

    A value is marked at the end of its line, with or without a reason:

        steps=100_000,  # assumed
        b1=0.9,  # assumed: the paper's for ImageNet-1K

    Args:
      file: of a recipe.

    Returns:
      (the code of the line, without a final comma; the reason or an empty string) for each mark.

    Raises:
      ValueError: for a comment that begins like a mark but is none, or has no code before it.
    """
    found = []
    with tokenize.open(file) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            if token.type != tokenize.COMMENT or not _MEANT.match(token.string):
                continue
            mark = _MARK.fullmatch(token.string.rstrip())
            code = token.line[: token.start[1]].strip() if mark else ""
            if not mark or not code:
                raise ValueError(
                    f"{file}, line {token.start[0]}: {token.string!r} should be '# assumed' or "
                    "'# assumed: why', behind the value on its line"
                )
            found.append((code.rstrip(","), mark["reason"] or ""))
    return found
