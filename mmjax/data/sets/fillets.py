"""Spoken lines of the game Fish Fillets, with what is said, in Czech or Dutch.

From the Debian packages fillets-ng-data and, for the speech, fillets-ng-data-cs or -nl: some 1,750
and 1,530 lines, each with its English original and, mostly, translations into ten more languages.
The packages are under the GPL, so nothing of them is in mmjax: they are read where Debian puts
them, or from a copy.

The split is by level of the game: lines of one level are one conversation. A level is held out
(split `test`) if and only if ``int(sha256(level).hexdigest(), 16) % 5 == 0``, and so is every other
line of the same English words, which then is in no split but 'all': "Yes." is said in many levels.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from mmjax.data.records import Record, Source, SourceError

ROOT = "/usr/share/games/fillets-ng"
_LINE = re.compile(
    r'dialogId\(\s*"([^"]+)"\s*,\s*"[^"]*"\s*,\s*"((?:[^"\\]|\\.)*)"\s*\)\s*'
    r'(?:dialogStr\(\s*"((?:[^"\\]|\\.)*)"\s*\))?'
)

Split = Literal["train", "test", "all"]


def is_held_out(level: str) -> bool:
    """Whether the lines of this level are in the split `test`."""
    return int(hashlib.sha256(level.encode()).hexdigest(), 16) % 5 == 0


class FilletsSource(Source):
    """Spoken lines: ``{'id', 'key', 'audio': bytes, 'text': ['Co je to?', ...], 'level': 'cave'}``.

    The sound is OGG, mono, 22.05 kHz, three seconds in the mean; the view `audio` decodes it with
    the extra `audio`. Lines of equal English words have one id.

    Args:
      path: of the game's data.
      split: 'train', 'test' or 'all'.
      speech: 'cs' (Czech) or 'nl' (Dutch).
      languages: of the texts, in order; None takes the language that is spoken. A line without a
        text in any of them is left out.

    Raises:
      SourceError: if there are no such lines; the message says what to install.
    """

    modalities = ("audio", "text")
    label_fields = ("level",)

    def __init__(
        self,
        *,
        path: str = ROOT,
        split: Split = "train",
        speech: Literal["cs", "nl"] = "cs",
        languages: tuple[str, ...] | None = None,
    ):
        if split not in ("train", "test", "all"):
            raise SourceError(f"fillets: split is {split!r}; it can be 'train', 'test' or 'all'")
        self.path, self.split, self.speech = str(path), split, speech
        self.languages = (speech,) if languages is None else tuple(languages)
        lines = _lines(self.path, speech)
        known = {language for line in lines for language in line["text"]}
        if unknown := [language for language in self.languages if language not in known]:
            raise SourceError(
                f"fillets: no line is in {unknown[0]!r}; there are {', '.join(sorted(known))}"
            )
        first: dict[str, int] = {}
        self._ids = [first.setdefault(_plain(s["text"]["en"]), n) for n, s in enumerate(lines)]
        tested = {i for i, s in zip(self._ids, lines, strict=True) if is_held_out(s["level"])}
        self._rows = [
            row
            for row, line in enumerate(lines)
            if self._texts(line)
            and (
                split == "all"
                or (split == "test" and is_held_out(line["level"]))
                or (split == "train" and self._ids[row] not in tested)
            )
        ]
        self.id_limit = len(lines)

    def __len__(self) -> int:
        return len(self._rows)

    def id_of(self, index: int) -> int:
        return self._ids[self._rows[index]]

    def __getitem__(self, index: int) -> Record:
        row = self._rows[index]
        line = _lines(self.path, self.speech)[row]
        return {
            "id": self._ids[row],
            "key": f"fillets {line['sound']}",
            "audio": (Path(self.path) / line["sound"]).read_bytes(),
            "text": self._texts(line),
            "level": line["level"],
        }

    def _texts(self, line: dict[str, Any]) -> list[str]:
        return list(dict.fromkeys(line["text"][c] for c in self.languages if c in line["text"]))

    def describe(self) -> str:
        return (
            f"fillets, {self.split}: {len(self):,} lines spoken in {self.speech}, written in "
            f"{', '.join(self.languages)}, at {self.path}"
        )


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


@functools.cache
def _lines(path: str, speech: str) -> tuple[dict[str, Any], ...]:
    """All lines with speech and an original: {sound, level, text: {language: words}}."""
    root = Path(path)
    found = []
    for script in sorted((root / "script").glob(f"*/dialogs_{speech}.lua")):
        level = script.parent.name
        texts: dict[str, dict[str, str]] = {}
        for other in sorted(script.parent.glob("dialogs_*.lua")):
            language = other.stem.removeprefix("dialogs_")
            for name, english, words in _LINE.findall(other.read_text("utf-8", "replace")):
                line = texts.setdefault(name, {})
                for key, value in (("en", english), (language, words)):
                    if value.strip():
                        line[key] = " ".join(re.sub(r"\\(.)", r"\1", value).split())
        for name, text in sorted(texts.items()):
            sound = Path("sound", level, speech, f"{name}.ogg")
            if "en" in text and (root / sound).is_file():
                found.append({"sound": sound.as_posix(), "level": level, "text": text})
    if not found:
        raise SourceError(
            f"there are no lines spoken in {speech!r} at {path}: install the Debian packages "
            f"fillets-ng-data and fillets-ng-data-{speech}, or set path to a copy of their "
            "usr/share/games/fillets-ng"
        )
    return tuple(found)
