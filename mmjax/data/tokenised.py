"""The source `tokenised`: fields of another source as discrete tokens of many modalities."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image

from mmjax.data.around import Around
from mmjax.data.formats.images import MOST_PIXELS, EncodedImage
from mmjax.data.formats.product_codes import ProductCodes
from mmjax.data.records import BadExample, Record, Source, SourceError, options
from mmjax.data.registry import SOURCES
from mmjax.schema.bounds import Count, NonNegativeInt
from mmjax.schema.names import PartName
from mmjax.schema.registry import Spec

MISSING = -1
_PIXELS = 8  # side of a patch
_LEVELS = 4  # of each colour of a palette
_MOST_FIT = 50_000  # patches that k-means sees

# Tokens i64[N, T] of N values, of which some are None.
Tokeniser = Callable[[list[Any]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Tokens:
    """One modality: a field of the source, and what its tokens are.

    Attributes:
      field: of the records; the first of several alternatives.
      kind: `patches` of 8 x 8 pixels of an image, by k-means of their colours, row by row; a
        `palette` of its most frequent colours, of 4 x 4 x 4; the first `words` of a text, by how
        often each is there, the rarest ones left out; a `label`; or `vector`, by product
        quantization into so many parts, each with its share of the codes.
      tokens: how many; of patches a square number, of a label 1. What a record lacks is -1.
      codes: below what the numbers are; of a palette 64, of a vector a multiple of `tokens`.
    """

    field: str
    kind: Literal["patches", "palette", "words", "label", "vector"]
    tokens: Count
    codes: Count


class Tokenised(Around):
    """Records of another source with `slots`, the tokens of many modalities side by side.

    The tokenisers are made of the records of `fit`, so that splits have the same. All records are
    read, and their tokens kept, when the source is opened: it is for some thousands.

    Args:
      source: of the records.
      fit: of those that the tokenisers are made of, such as the training split.
      parts: modality -> what its tokens are, in their order.
      vectors: a further source; its first field, of the same id, is the field `vector`, of vectors.
      fit_vectors: that of the records of `fit`; needed with `vectors`.
      seed: of k-means.

    Raises:
      SourceError: for fields that are not there or cannot be read, and numbers that do not fit.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        fit: Annotated[Spec[Source], SOURCES],
        parts: dict[PartName, Tokens],
        vectors: Annotated[Spec[Source], SOURCES] | None = None,
        fit_vectors: Annotated[Spec[Source], SOURCES] | None = None,
        seed: NonNegativeInt = 0,
    ):
        super().__init__(source)
        if not parts:
            raise SourceError("tokenised: 'parts' names no modality")
        if (vectors is None) != (fit_vectors is None):
            raise SourceError("tokenised: 'vectors' and 'fit_vectors' go together")
        known = learned = self._records(self.inner, vectors)
        if (fit, fit_vectors) != (source, vectors):
            learned = self._records(fit.build(), fit_vectors)
        found = []
        for number, (name, part) in enumerate(parts.items()):
            values, given = (
                [options(r[part.field])[0] if part.field in r else None for r in records]
                for records in (known, learned)
            )
            if all(value is None for value in given):
                raise SourceError(
                    f"tokenised: no record of 'fit' has parts.{name}.field={part.field!r}"
                )
            try:
                made = _KINDS[part.kind](given, part, np.random.default_rng([seed, number]))
                found.append(made(values))
            except (ValueError, BadExample) as error:
                raise SourceError(f"tokenised: parts.{name}: {error}") from error
        self._slots = np.concatenate(found, axis=1)
        self._vectors = None if vectors is None else [record.get("vector") for record in known]
        own = () if vectors is None else ("vector",)
        self.modalities = (*self.inner.modalities, "slots", *own)
        if any(record.get("vector") is None for record in known) and own:
            self.may_lack = (*self.inner.may_lack, *own)

    def _records(self, source: Source, vectors: Spec[Source] | None) -> list[Record]:
        """All of a source, with their vectors."""
        records = [source[row] for row in range(len(source))]
        if vectors is not None:
            built = vectors.build()
            (field,) = built.modalities[:1]
            rows = (built[row] for row in range(len(built)))
            by_id = {row["id"]: np.float32(options(row[field])[0]) for row in rows if field in row}
            for record in records:
                if record["id"] in by_id:
                    record["vector"] = by_id[record["id"]]
        return records

    def __getitem__(self, index: int) -> Record:
        record = {**self.inner[index], "slots": self._slots[index]}
        if self._vectors is not None and self._vectors[index] is not None:
            record["vector"] = self._vectors[index]
        return record

    def describe(self) -> str:
        return f"{self.inner.describe()}, as {self._slots.shape[1]} tokens each"


def _there(values: list[Any], tokens: int, of: Callable[[list[Any]], np.ndarray]) -> np.ndarray:
    """i64[N, tokens] of the values that are there, -1 of others."""
    found = np.full((len(values), tokens), MISSING)
    rows = [row for row, value in enumerate(values) if value is not None]
    if rows:
        found[rows] = of([values[row] for row in rows])
    return found


def _images(values: list[Any], side: int) -> np.ndarray:
    """f32[N, side, side, 4] in [0, 1], colours times opacity."""
    images = [EncodedImage(value, MOST_PIXELS).decode().convert("RGBA") for value in values]
    scaled = [image.resize((side, side), Image.Resampling.BOX) for image in images]
    x = np.stack([np.asarray(image, np.float32) for image in scaled]) / 255
    x[..., :3] *= x[..., 3:]
    return x


def _patches(given: list[Any], part: Tokens, rng: np.random.Generator) -> Tokeniser:
    grid = round(part.tokens**0.5)
    if grid**2 != part.tokens:
        raise ValueError(f"tokens={part.tokens} of patches should be a square number")

    def cut(values: list[Any]) -> np.ndarray:
        x = _images(values, grid * _PIXELS).reshape(-1, grid, _PIXELS, grid, _PIXELS, 4)
        return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, _PIXELS * _PIXELS * 4)

    seen = cut([value for value in given if value is not None])
    some = rng.permutation(len(seen))[:_MOST_FIT]
    codes = ProductCodes(seen[some], 1, part.codes, rng)
    return lambda values: _there(
        values, part.tokens, lambda own: codes(cut(own)).reshape(len(own), -1)
    )


def _palette(given: list[Any], part: Tokens, rng: np.random.Generator) -> Tokeniser:
    if part.codes < _LEVELS**3:
        raise ValueError(f"codes={part.codes} of a palette should be {_LEVELS**3}")

    def frequent(values: list[Any]) -> np.ndarray:
        found = np.full((len(values), part.tokens), MISSING)
        for row, image in enumerate(_images(values, 4 * _PIXELS)):
            opaque = image[image[..., 3] > 0.5]
            levels = np.minimum(np.int64(_LEVELS * opaque[:, :3]), _LEVELS - 1)
            count = np.bincount(levels @ (_LEVELS**2, _LEVELS, 1), minlength=_LEVELS**3)
            order = np.argsort(-count, kind="stable")[: part.tokens]
            order = order[count[order] > 0]
            found[row, : len(order)] = order
        return found

    return lambda values: _there(values, part.tokens, frequent)


def _words(given: list[Any], part: Tokens, rng: np.random.Generator) -> Tokeniser:
    def split(text: str) -> list[str]:
        return re.findall(r"\w+", text.lower())

    counts = Counter(word for text in given if text is not None for word in split(text))
    numbers = {word: i for i, (word, _) in enumerate(counts.most_common(part.codes))}

    def numbered(values: list[Any]) -> np.ndarray:
        found = np.full((len(values), part.tokens), MISSING)
        for row, text in enumerate(values):
            ids = [numbers[word] for word in split(text) if word in numbers][: part.tokens]
            found[row, : len(ids)] = ids
        return found

    return lambda values: _there(values, part.tokens, numbered)


def _label(given: list[Any], part: Tokens, rng: np.random.Generator) -> Tokeniser:
    names = sorted({value for value in given if value is not None})
    if part.tokens != 1 or len(names) > part.codes:
        raise ValueError(
            f"a label of {len(names)} values needs tokens=1 and as many codes, not "
            f"tokens={part.tokens} and codes={part.codes}"
        )
    numbers = {name: i for i, name in enumerate(names)}
    return lambda values: _there(
        values, 1, lambda own: np.array([[numbers.get(value, MISSING)] for value in own])
    )


def _vector(given: list[Any], part: Tokens, rng: np.random.Generator) -> Tokeniser:
    if part.codes % part.tokens:
        raise ValueError(
            f"codes={part.codes} of a vector should be a multiple of tokens={part.tokens}: each of "
            "its parts has its own"
        )
    seen = np.stack([value for value in given if value is not None]).astype(np.float32)
    codes = ProductCodes(seen, part.tokens, part.codes // part.tokens, rng)
    return lambda values: _there(values, part.tokens, lambda own: codes(np.stack(own)))


_KINDS: dict[str, Callable[[list[Any], Tokens, np.random.Generator], Tokeniser]] = {
    "patches": _patches,
    "palette": _palette,
    "words": _words,
    "label": _label,
    "vector": _vector,
}

SOURCES.register("tokenised", Tokenised)
