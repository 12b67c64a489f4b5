"""Furniture with its image, its surface and its name: the image-3D-text set of the package.

175 pieces of the catalogue that Sweet Home 3D offers from Blend Swap, all given away under CC0:
a rendered image of 64 pixels, 512 points of the surface with the colour of the material there,
the name in 21 languages, one of 11 categories, and the size in centimetres. What is in the files
and whose work it is: `assets/furniture/NOTICE`; how they are made: `tools/build_furniture.py`.

The split is by the number ``int(sha256(piece).hexdigest(), 16)``, where ``piece`` is the short name
in the catalogue, such as ``oakChair``: a piece is in `test` (36 pieces) if and only if ``number % 4
== 0``, in `validation` (28) if ``number % 8 == 1``, and in `train` (111) otherwise. A chair that is
held out is new, and other chairs are trained on.

175 pieces are few: enough to see that three modalities meet far above chance, not enough to tell
two good objectives apart.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmjax.data.records import Record, Source
from mmjax.data.sets.packaged import packaged

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "furniture"

Split = Literal["train", "validation", "test", "all"]


def part_of(piece: str) -> str:
    """Which split the piece with this short name is in."""
    number = int(hashlib.sha256(piece.encode()).hexdigest(), 16)
    return "test" if number % 4 == 0 else "validation" if number % 8 == 1 else "train"


class FurnitureSource(Source):
    """Pieces of furniture: an image, points of the surface, names in 21 languages.

    ``source[i]`` is::

        {'id': 25, 'key': 'furniture oakChair (Oak chair)',
         'image': bytes,               # WebP, 64 x 64 RGBA
         'points': f32[512, 6],        # x, y (up), z in the unit sphere; red, green, blue in [0, 1]
         'text': ['Oak chair', ...],   # the name in each of `languages` that has one
         'category': 'Living room', 'piece': 'oakChair'}

    Args:
      split: 'train', 'validation', 'test' or 'all'.
      languages: of the names: 'en' and 20 more.

    Raises:
      ValueError: for another split, or a language that no piece is named in.
    """

    modalities = ("image", "points", "text")
    label_fields = ("category", "piece")

    def __init__(self, *, split: Split = "train", languages: tuple[str, ...] = ("en",)):
        if split not in ("train", "validation", "test", "all"):
            raise ValueError(
                f"furniture: split is {split!r}; it can be 'train', 'validation', 'test' or 'all'"
            )
        known = _languages()
        for language in languages:
            if language not in known:
                raise ValueError(
                    f"furniture: there are no names in {language!r}; there are in "
                    f"{', '.join(known)}"
                )
        if not languages:
            raise ValueError("furniture: languages=() names no language; give one such as 'en'")
        self.split, self.languages = split, tuple(languages)
        self._rows = [
            row for row, piece in enumerate(_pieces()) if split in ("all", part_of(piece["piece"]))
        ]
        self.id_limit = len(_pieces())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Record:
        row = self._rows[index]
        piece = _pieces()[row]
        names = [piece["names"][k] for k in self.languages if k in piece["names"]]
        names = names or [piece["names"]["en"]]
        return {
            "id": row,
            "key": f"furniture {piece['piece']} ({piece['names']['en']})",
            "image": _icons()[piece["piece"]],
            "points": _points()[row],
            "text": list(dict.fromkeys(names)),
            "category": piece["category"],
            "piece": piece["piece"],
        }

    def labels(self, field: str, language: str = "en") -> list[str]:
        """The names of all classes of a label field, for zero-shot classification."""
        if field != "category" or language != "en":
            raise ValueError(
                f"furniture: the classes of {field!r} in {language!r} are not named; those of "
                "'category' in 'en' are"
            )
        return sorted({piece["category"] for piece in _pieces()})

    def describe(self) -> str:
        return (
            f"furniture, {self.split}: {len(self)} pieces with image, points and names in "
            f"{', '.join(self.languages)}"
        )


def _file(name: str) -> Path:
    return packaged(ASSETS / name, "The furniture is", "build_furniture.py")


@functools.cache
def _pieces() -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]]
    pieces = json.loads(_file("pieces.json").read_text(encoding="utf-8"))
    return pieces


@functools.cache
def _languages() -> tuple[str, ...]:
    return tuple(dict.fromkeys(k for piece in _pieces() for k in piece["names"]))


@functools.cache
def _points() -> np.ndarray:
    """f32[175, 512, 6]."""
    with np.load(_file("points.npz"), allow_pickle=False) as table:
        places, colours = table["points"], table["colours"]
    return np.concatenate([places.astype(np.float32), colours.astype(np.float32) / 255], axis=2)


@functools.cache
def _icons() -> dict[str, bytes]:
    with zipfile.ZipFile(_file("icons.zip")) as archive:
        return {name.removesuffix(".webp"): archive.read(name) for name in archive.namelist()}
