"""Emoji with their names: the image-text data set that is part of the package.

1,834 concepts ("dog face", "flag: Japan", "woman pilot"), each drawn in up to six styles as a
64-pixel WebP, transparent around it, named in 106 languages (English names are complete and unique,
80 languages name every concept), with keywords, and sorted into 9 groups and 98 subgroups. No skin
tone variants. What is in the files and under which licences: `assets/emoji/NOTICE`; how they are
made again, byte for byte: `tools/build_emoji.py`.

===================  ============================  ==========  ========================
style                of                            licence     concepts
===================  ============================  ==========  ========================
``fluent``           Fluent Emoji 3D               MIT         1,569; no country flags
``google``           Noto Emoji                    Apache-2.0  1,834
``twitter``          Twemoji                       CC-BY-4.0   1,834
``fluent_flat``      Fluent Emoji, flat            MIT         1,568; no country flags
``noto_v1``          Noto Emoji 1, the "blobs"     Apache-2.0  1,156, of Unicode 9
``emojione``         EmojiTwo, after EmojiOne 2.3  CC-BY-4.0   1,282, of Unicode 9
===================  ============================  ==========  ========================

The splits are fixed by two rules:

* A concept is *new* if and only if ``int(sha256(family).hexdigest(), 16) % 10 == 0``. There
  ``family`` is its code points in lower-case hexadecimal (four digits or more) joined by ``-``,
  without the variation selector FE0F, as UTF-8 (``1f436``, ``0023-20e3``), written for a person
  without gender who faces left (see `family`). So new concepts, 161 of them, are held out in every
  style, and together with those that differ by gender or direction only: "man astronaut", "woman
  astronaut" and "astronaut" are all new or all trained. They are new, not unrelated: flags
  of three stripes are on both sides.
* A split has styles of its own: ``fluent`` and ``google`` to train on, ``twitter`` as the new one.
  The option `styles` names others, as to train on all styles but one and to measure on that one.

New concepts are in two halves, by the same number: *validation*, to choose settings on, where it is
even without its last digit (``// 10 % 2 == 0``), and *test*, to report. 23 of them are left out:
near-twins, which look nearly like a trained concept ("flag: Nicaragua" and "flag: Honduras"), as
`emoji_twins` lists them. So each half has 69.

=============================  ================  ===================
split                          styles            concepts
=============================  ================  ===================
train                          fluent, google    not new
new_concepts                   fluent, google    new, both halves
validation_concepts            fluent, google    new, validation
test_concepts                  fluent, google    new, test
new_style                      twitter           all, near-twins too
new_style_train_concepts       twitter           not new
new_style_new_concepts         twitter           new, both halves
new_style_validation_concepts  twitter           new, validation
new_style_test_concepts        twitter           new, test
=============================  ================  ===================
"""

from __future__ import annotations

import bz2  # noqa: F401  (names.zip needs it; a Python built without it should say so here)
import difflib
import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from mmjax.data.records import Source
from mmjax.data.sets.emoji_twins import TWINS
from mmjax.data.sets.packaged import packaged

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "emoji"

Split = Literal[
    "train",
    "new_concepts",
    "validation_concepts",
    "test_concepts",
    "new_style",
    "new_style_train_concepts",
    "new_style_new_concepts",
    "new_style_validation_concepts",
    "new_style_test_concepts",
]

Style = Literal["fluent", "google", "twitter", "fluent_flat", "noto_v1", "emojione"]
STYLES: tuple[str, ...] = get_args(Style)
_NEW = ("validation", "test")
_ALL = ("train", *_NEW, "twin")
# split -> (styles, parts of the concepts, see `part_of`)
SPLITS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (("fluent", "google"), ("train",)),
    "new_concepts": (("fluent", "google"), _NEW),
    "validation_concepts": (("fluent", "google"), ("validation",)),
    "test_concepts": (("fluent", "google"), ("test",)),
    "new_style": (("twitter",), _ALL),
    "new_style_train_concepts": (("twitter",), ("train",)),
    "new_style_new_concepts": (("twitter",), _NEW),
    "new_style_validation_concepts": (("twitter",), ("validation",)),
    "new_style_test_concepts": (("twitter",), ("test",)),
}
LABELS = ("group", "subgroup")


# The code points that Unicode has for people of either gender -> the one without gender.
_PEOPLE = {
    **{"1f468": "1f9d1", "1f469": "1f9d1"},  # man, woman: person
    **{"1f466": "1f9d2", "1f467": "1f9d2"},  # boy, girl: child
    **{"1f474": "1f9d3", "1f475": "1f9d3"},  # old man, old woman: older person
}
_VARIANTS = ("2640", "2642", "27a1")  # female sign, male sign, facing right


def family(code: str) -> str:
    """The code that stands for a concept and its variants of gender and direction.

    Man and woman become person, also of other ages, wherever they are in the code, and the signs
    "male", "female" and "facing right" go, with the joiner (200D) before them:
    ``1f468-200d-1f680`` gives ``1f9d1-200d-1f680``, and ``1f6b6-200d-2642-200d-27a1`` ``1f6b6``.
    """
    units = code.split("-200d-")
    kept = units[:1] + [unit for unit in units[1:] if unit not in _VARIANTS]
    return "-200d-".join(_PEOPLE.get(unit, unit) for unit in kept)


def half_of(code: str) -> str:
    """``train``, or the half that a new concept with this code is in, be it a near-twin or not."""
    number = int(hashlib.sha256(family(code).encode()).hexdigest(), 16)
    return "train" if number % 10 else _NEW[number // 10 % 2]


def part_of(code: str) -> str:
    """The part of the concept with this code: ``train``, ``validation``, ``test`` or ``twin``."""
    return "twin" if code in TWINS else half_of(code)


def is_new(code: str) -> bool:
    """Whether the concept with this code (``1f468-200d-1f680``) is held out from training."""
    return half_of(code) != "train"


class EmojiSource(Source):
    """The concepts of one split; one record is one concept, so no batch holds a concept twice.

    ``source[i]`` is::

        {'id': 511,                             # place in the table of all concepts, all splits
         'key': 'emoji 1f436 (dog face)',
         'image': [bytes, ...],                 # encoded WebP, 64 x 64 RGBA, one per style
         'text': ['dog face', ...],             # names in the order of `languages`, then keywords
         'group': 'Animals & Nature', 'subgroup': 'animal mammal'}

    The images are in the order of the styles above, the ones that the concept has. A concept that
    has no name in any of `languages` has no ``'text'`` (English names are complete, the others
    nearly). `labels` lists the class names for zero-shot classification.

    The object is small and picklable; files are read once per process, on first use.

    Args:
        split: which images of which concepts; see the table in this module's docstring.
        styles: instead of those of the split; concepts that none of them draws are left out.
        languages: codes of Unicode CLDR, such as ``en``, ``de``, ``zh-Hant``; see `languages`.
        keywords: whether the keywords of the languages follow the names in ``'text'``.
        apart: whether records also have every style and every language as a field of its own,
            such as ``'image_google'``, ``'text_de'`` (the name) and ``'keywords_de'`` (all of them,
            joined by commas), where there is one.
        families: whether records have the label ``'family'``, see the function of that name.

    Raises:
        ValueError: unknown split, style or language, or no style or language at all.
    """

    modalities: tuple[str, ...] = ("image", "text")
    label_fields: tuple[str, ...] = LABELS

    def __init__(
        self,
        *,
        split: Split = "train",
        styles: tuple[Style, ...] | None = None,
        languages: tuple[str, ...] = ("en",),
        keywords: bool = False,
        apart: bool = False,
        families: bool = False,
    ):
        if split not in SPLITS:
            raise ValueError(_unknown("emoji split", split, SPLITS))
        if isinstance(languages, str) or not languages:
            raise ValueError(
                f"languages of the emoji source must be one or more codes such as ('en', 'de'), "
                f"got {languages!r}."
            )
        for language in languages:
            _check_language(language)
        self.split, self.languages, self.keywords = split, tuple(languages), keywords
        self.apart, self.families = apart, families
        self.label_fields = (*LABELS, "family") if families else LABELS
        of_split, parts = SPLITS[split]
        self._given = None if styles is None else _known_styles(styles)
        self.styles: tuple[str, ...] = self._given or of_split
        self._ids = [
            i
            for i, concept in enumerate(_concepts())
            if part_of(concept["code"]) in parts and self._drawn(concept["code"])
        ]
        self.id_limit = len(_concepts())
        self.may_lack = () if all(map(self._captions, self._ids)) else ("text",)
        if apart:
            own = [f"image_{style}" for style in self.styles]
            own += [f"{kind}_{c}" for c in self.languages for kind in ("text", "keywords")]
            self.modalities, self.may_lack = (*self.modalities, *own), (*self.may_lack, *own)

    def __reduce__(self) -> tuple[Any, ...]:
        options: dict[str, Any]
        options = {"split": self.split, "styles": self._given}
        options |= {"languages": self.languages, "keywords": self.keywords}
        options |= {"apart": self.apart, "families": self.families}
        return functools.partial(type(self), **options), ()

    def __len__(self) -> int:
        return len(self._ids)

    def id_of(self, index: int) -> int:
        return self._ids[index]

    def __getitem__(self, index: int) -> dict[str, Any]:
        number = self._ids[index]
        concept = _concepts()[number]
        code = concept["code"]
        pictures = (_pictures(style).get(code) for style in self.styles)
        record = {
            "id": number,
            "key": f"emoji {code} ({concept['name']})",
            "image": [picture for picture in pictures if picture is not None],
            "group": concept["group"],
            "subgroup": concept["subgroup"],
        }
        if captions := self._captions(number):
            record["text"] = captions
        if self.apart:
            own: dict[str, Any] = {f"image_{s}": _pictures(s).get(code) for s in self.styles}
            for c in self.languages:
                own[f"text_{c}"] = texts(c)["names"][number]
                own[f"keywords_{c}"] = ", ".join(texts(c)["keywords"][number]) or None
            record |= {field: value for field, value in own.items() if value is not None}
        if self.families:
            record["family"] = family(code)
        return record

    def _drawn(self, code: str) -> bool:
        """Whether a style draws the concept; those of the splits draw all together."""
        return self._given is None or any(code in _pictures(style) for style in self._given)

    def describe(self) -> str:
        *others, last = self.styles
        styles = f"{', '.join(others)} and {last}" if others else last
        return (
            f"emoji, {self.split}: {len(self):,} concepts in {styles}, named in "
            f"{', '.join(self.languages)}{' with keywords' if self.keywords else ''}"
        )

    def _captions(self, number: int) -> list[str]:
        tables = [texts(language) for language in self.languages]
        captions = [table["names"][number] for table in tables]
        if self.keywords:
            captions += [word for table in tables for word in table["keywords"][number]]
        # The same word may be the name in two languages: one alternative, not two.
        return [caption for caption in dict.fromkeys(captions) if caption is not None]

    def labels(self, field: str, language: str = "en") -> list[str]:
        """The class names of a label field, for zero-shot classification.

        The order is the same in every language, and the English names are the values that records
        carry: the class of a record is ``source.labels('group').index(record['group'])``. English
        names are Unicode's own; those of 25 other languages were translated by the emojibase
        project, and are not all good.

        Args:
            field: ``'group'`` (9 classes) or ``'subgroup'`` (98 classes).
            language: one of the languages that the labels are translated to.

        Raises:
            ValueError: unknown field, or a language that the labels are not translated to.
        """
        if field not in LABELS:
            raise ValueError(_unknown("label field of the emoji source", field, LABELS))
        translations = _labels()[field]
        if language not in translations:
            raise ValueError(_unknown(f"language of the {field} labels", language, translations))
        return list(translations[language])


@functools.cache
def languages() -> tuple[str, ...]:
    """The codes of all languages that have names (for at least 1,523 of the concepts)."""
    with zipfile.ZipFile(_file("names.zip")) as archive:
        return tuple(name.removesuffix(".json") for name in archive.namelist())


def _known_styles(styles: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(styles, str) or not styles or len(set(styles)) < len(styles):
        raise ValueError(
            f"styles of the emoji source must be one or more of {', '.join(STYLES)}, each once, "
            f"got {styles!r}."
        )
    for style in styles:
        if style not in STYLES:
            raise ValueError(_unknown("emoji style", style, STYLES))
    return tuple(styles)


def _check_language(language: str) -> None:
    if language not in languages():
        raise ValueError(_unknown("language of emoji names", language, languages()))


def _unknown(what: str, value: object, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {what} {value!r}; known are {', '.join(known)}.{hint}"


def _file(name: str) -> Path:
    return packaged(ASSETS / name, "The emoji data is", "build_emoji.py")


# The functions below are caches: two threads may both read a file on first use, with one result.


@functools.cache
def _concepts() -> list[dict[str, str]]:
    concepts: list[dict[str, str]]
    concepts = json.loads(_file("concepts.json").read_text(encoding="utf-8"))
    return concepts


@functools.cache
def _labels() -> dict[str, dict[str, list[str]]]:
    labels: dict[str, dict[str, list[str]]]
    labels = json.loads(_file("labels.json").read_text(encoding="utf-8"))
    return labels


@functools.cache
def texts(language: str) -> dict[str, list[Any]]:
    with zipfile.ZipFile(_file("names.zip")) as archive:
        names: dict[str, list[Any]] = json.loads(archive.read(f"{language}.json"))
    return names


@functools.cache
def _pictures(style: str) -> dict[str, bytes]:
    """code -> encoded image; all of a style in memory (5 MB), so that reads share no file."""
    with zipfile.ZipFile(io.BytesIO(_file(f"{style}.zip").read_bytes())) as archive:
        return {name.removesuffix(".webp"): archive.read(name) for name in archive.namelist()}
