"""Stamps of Tux Paint: images, captions and sounds, of Debian's tuxpaint-stamps-default.

Cut-out photographs and drawings of animals, food, vehicles and the like, each with a sentence in
English ("A chick hatched from an egg.") and translations into up to 77 languages. The package is
under the GPL, so nothing of it is in mmjax: it is read where Debian puts it, or from a copy.

A record is one English caption, with all images that have it, mirrored or in other colours: a
caption on both sides of a split would be no new one. The folder `symbols`, letters and chess
pieces, is left out. Of version 2025.03.31-1 that leaves 702 images with 627 captions.

The split is by the number ``int(sha256(caption).hexdigest(), 16) % 5``, where ``caption`` is the
English one in lower case with single blanks: 0 is `test` (123 captions), 1 `validation` (126), and
all others are `train` (374). Four held-out captions are in none of them, near-twins (`TWINS`): a
brown eye looks nearly like a green one, and the lamps of a traffic light like each other.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from mmjax.data.records import Record, Source, SourceError

ROOT = "/usr/share/tuxpaint/stamps"
LEFT_OUT = ("symbols",)

# Captions whose pictures look nearly like others, found by `tools/tux_paint_twins.py`.
TWINS = frozenset(
    {
        '"shin" stands for "shtel arayn," or "put in." if the dreidel lands on "shin," put an '
        "object into the middle.",
        "a brown eye.",
        "the green light means you can go if it is safe to do so.",
        "the yellow light means you should stop if it is safe to do so.",
    }
)

Split = Literal["train", "validation", "test", "all"]


def by_number(caption: str) -> str:
    """The split by the number of the caption alone, be it a near-twin or not."""
    number = int(hashlib.sha256(_plain(caption).encode()).hexdigest(), 16) % 5
    return {0: "test", 1: "validation"}.get(number, "train")


def part_of(caption: str) -> str:
    """Which split the records with this English caption are in; `twin` is in none but `all`."""
    return "twin" if _plain(caption) in TWINS else by_number(caption)


class TuxPaintSource(Source):
    """Stamps with their captions; one record is one caption, so no batch holds a caption twice.

    ``source[i]`` is ``{'id', 'key', 'image': [bytes, ...], 'text': ['A red apple.'], 'category':
    'food'}``, with encoded PNG images, mostly with a transparent background. Where it is asked
    for, `audio` holds sounds of the thing (a dog barks), and `speech` the caption read aloud, both
    as OGG or WAV, which the view `audio` decodes with the extra `audio`.

    Args:
      path: of the folder of stamps.
      split: 'train', 'validation', 'test' or 'all'.
      languages: of the captions, as the package names them (`en`, `de`, `pt_BR`, ...). A record
        without a caption in any of them has no ``'text'``.
      effects: whether records have ``'audio'``; some 100 do, all others lack it.
      speech: languages of ``'speech'``, such as `fr` and `es`; a record without has none.

    Raises:
      SourceError: if there are no stamps; the message says what to install.
    """

    label_fields = ("category",)

    def __init__(
        self,
        *,
        path: str = ROOT,
        split: Split = "train",
        languages: tuple[str, ...] = ("en",),
        effects: bool = False,
        speech: tuple[str, ...] = (),
    ):
        if split not in ("train", "validation", "test", "all"):
            raise SourceError(
                f"tux_paint: split is {split!r}; it can be 'train', 'validation', 'test' or 'all'"
            )
        if isinstance(languages, str) or not languages:
            raise SourceError(f"tux_paint: languages={languages!r} should be codes: ('en', 'de')")
        self.path, self.split, self.languages = str(path), split, tuple(languages)
        stamps = _stamps(self.path)
        known = {language for stamp in stamps for language in stamp["text"]}
        if unknown := [language for language in languages if language not in known]:
            raise SourceError(
                f"tux_paint: no caption is in {unknown[0]!r}; there are {', '.join(sorted(known))}"
            )
        self.effects, self.speech = effects, tuple(speech)
        spoken = {language for stamp in stamps for language in stamp["speech"]}
        if unknown := [language for language in speech if language not in spoken]:
            raise SourceError(
                f"tux_paint: nothing is read aloud in {unknown[0]!r}; there are "
                f"{', '.join(sorted(spoken)) or 'none'}"
            )
        heard = ("audio",) * effects + ("speech",) * bool(speech)
        self.modalities = ("image", "text", *heard)
        self._ids = [i for i, s in enumerate(stamps) if split in ("all", part_of(s["text"]["en"]))]
        self.id_limit = len(stamps)
        has_text = all(map(self._captions, self._ids))
        self.may_lack = (*(() if has_text else ("text",)), *heard)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Record:
        number = self._ids[index]
        stamp = _stamps(self.path)[number]
        names = stamp["pictures"]
        record: Record = {
            "id": number,
            "key": f"tux_paint {names[0].removesuffix('.png')}",
            "image": [(Path(self.path) / name).read_bytes() for name in names],
            "category": names[0].split("/")[0],
        }
        sounds = {
            "audio": stamp["effects"] if self.effects else [],
            "speech": [stamp["speech"][c] for c in self.speech if c in stamp["speech"]],
        }
        for field, files in sounds.items():
            if files:
                record[field] = [(Path(self.path) / name).read_bytes() for name in files]
        captions = self._captions(number)
        return {**record, "text": captions} if captions else record

    def _captions(self, number: int) -> list[str]:
        texts = _stamps(self.path)[number]["text"]
        return list(dict.fromkeys(texts[c] for c in self.languages if c in texts))

    def labels(self, field: str, language: str = "en") -> list[str]:
        """The class names of `category`, for zero-shot classification."""
        if field not in self.label_fields or language != "en":
            raise SourceError(
                f"tux_paint: the classes of {field!r} in {language!r} are not named; those of "
                "'category' in 'en' are"
            )
        return sorted({s["pictures"][0].split("/")[0] for s in _stamps(self.path)})

    def describe(self) -> str:
        return (
            f"tux_paint, {self.split}: {len(self)} captions in {', '.join(self.languages)}, of "
            f"stamps at {self.path}"
        )


def _spoken(picture: Path) -> dict[str, Path]:
    """Language -> the file that reads the caption aloud: `dog_desc.ogg` or `dog_desc_fr.ogg`."""
    found: dict[str, Path] = {}
    for sound in sorted(picture.parent.glob(f"{glob.escape(picture.stem)}_desc*")):
        match = re.fullmatch(r"_desc(?:_([\w@]+))?\.(?:ogg|wav)", sound.name[len(picture.stem) :])
        if match:
            found.setdefault(match[1] or "en", sound)
    return found


def _plain(caption: str) -> str:
    return " ".join(caption.lower().split())


@functools.cache
def _stamps(path: str) -> tuple[dict[str, Any], ...]:
    """All captions in order, {images, effects: names below `path`, text, speech: by language}."""
    root = Path(path)
    found: dict[str, dict[str, Any]] = {}
    for picture in sorted(root.rglob("*.png")):
        name = picture.relative_to(root).as_posix()
        captions = picture.with_suffix(".txt")
        if name.split("/")[0] in LEFT_OUT or not captions.is_file():
            continue
        first, *others = captions.read_text(encoding="utf-8").splitlines() or [""]
        if not first.strip():
            continue
        texts = {"en": " ".join(first.split())}
        for line in others:
            if match := re.fullmatch(r"([\w@]+)\.utf8=(.*\S.*)", line):
                texts[match[1]] = " ".join(match[2].split())
        new = {"pictures": [], "effects": [], "text": texts, "speech": {}}
        stamp = found.setdefault(_plain(first), new)
        stamp["pictures"].append(name)
        for suffix in (".ogg", ".wav"):
            if picture.with_suffix(suffix).is_file():
                stamp["effects"].append(name.removesuffix(".png") + suffix)
        for language, sound in _spoken(picture).items():
            stamp["speech"].setdefault(language, sound.relative_to(root).as_posix())
    if not found:
        raise SourceError(
            f"there are no stamps of Tux Paint at {path}: install the Debian package "
            "tuxpaint-stamps-default (apt-get install tuxpaint-stamps-default), or set path to a "
            "copy of its usr/share/tuxpaint/stamps"
        )
    return tuple(found[caption] for caption in sorted(found))
