"""The source `concatenated`: two sounds of another source as one, with captions of their order."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.around import Around
from mmjax.data.formats.numbers import numbers
from mmjax.data.formats.sounds import Rate, read_sound, resample
from mmjax.data.records import BadExample, Record, Source, SourceError, options, unusable
from mmjax.data.registry import SOURCES
from mmjax.schema.bounds import Count, NonNegativeInt, Positive
from mmjax.schema.registry import Spec

EIGHTHS = {"train": range(2, 8), "validation": (0,), "test": (1,), "all": range(8)}
_CACHE_BYTES = 512 * 2**20


class Concatenated(Around):
    """Pairs of sounds, one after the other or both at once, and captions that say which.

    A row is two records of the source with different texts, i and j, and has, of audio and text:

        audio             i, then j              text             "i before j", "j after i"
        audio_reversed    j, then i              text_reversed    "j before i", "i after j"
        audio_overlaid    (i + j) / √2, twice    text_overlaid    "i while j", "j while i"
        audio_single      i, twice               text_single      "i"
                                                 text_both        "i and j", "j and i"

    so all sounds are of one length, and a model that does not know the order of what it hears
    cannot tell a pair from its reverse, however many sounds it knows: the data of Test of Time
    (Bagad et al. 2023, arXiv 2301.02074) and of TeminAL (arXiv 2408.09269). Views name the `field`
    that they read. The id is the number of the unordered pair of texts; the labels `first` and
    `second` are i and j.

    Rows go through all pairs of texts in a random order, again and again; which of the two is i,
    and which record (and which of its alternatives) stands for each, is drawn by `seed`. A record's
    first text is its name. Every record is read once, when the source is opened; those that lack
    one of both are left out.

    Args:
      source: of the single sounds: waveforms in all forms that the view `audio` takes, or arrays
        of frames [T, ...] such as spectrograms.
      split: pairs of texts by their SHA-256: 6 of 8 are in 'train', 1 in 'validation', 1 in 'test'.
      examples: number of rows; each pair of texts once where None.
      length: samples or frames of i and of j: of a longer sound the beginning, and zeros behind a
        shorter one. Without, sounds are as long as they are.
      rate: samples per second, to which sound files are brought.
      normalize: whether to scale each of both to a peak of 1.
      cache_decoded: keep what has been read and cut in memory, at most about 512 MiB.
      ordered, overlaid, both: the captions, alternatives with {0} for i and {1} for j.
      audio, text: the fields of the source.
      max_seconds: a longer file is refused, since its decoding could take all memory.
      seed: of the rows.

    Raises:
      SourceError: when the source has no such fields, or no two texts in the split; and for a
        caption that does not name both once.
    """

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        split: Literal["train", "validation", "test", "all"] = "train",
        examples: Count | None = None,
        length: Count | None = None,
        rate: Rate | None = None,
        normalize: bool = False,
        cache_decoded: bool = False,
        ordered: tuple[str, ...] = ("{0} before {1}", "{1} after {0}"),
        overlaid: tuple[str, ...] = ("{0} while {1}", "{1} while {0}"),
        both: tuple[str, ...] = ("{0} and {1}", "{1} and {0}"),
        audio: str = "audio",
        text: str = "text",
        max_seconds: Positive = 1200.0,
        seed: NonNegativeInt = 0,
    ):
        super().__init__(source)
        if split not in EIGHTHS:
            known = ", ".join(map(repr, EIGHTHS))
            raise SourceError(f"concatenated: split is {split!r}; it can be {known}")
        for field in (audio, text):
            if field not in self.inner.modalities:
                raise SourceError(
                    f"concatenated: the source has no field {field!r}, but "
                    f"{', '.join(map(repr, self.inner.modalities))}"
                )
        for caption in (*ordered, *overlaid, *both):
            _check_caption(caption)
        self.split, self.length, self.rate, self.normalize = split, length, rate, normalize
        self.captions = {"": ordered, "_reversed": ordered, "_overlaid": overlaid, "_both": both}
        self.audio, self.text, self.max_seconds = audio, text, max_seconds
        self.cache_decoded = cache_decoded
        self._cache: dict[tuple[int, int], np.ndarray] = {}
        self.names, self._members = self._named()
        pairs = [
            pair
            for pair in itertools.combinations(range(len(self.names)), 2)
            if _eighth(*(self.names[which] for which in pair)) in EIGHTHS[split]
        ]
        if not pairs:
            raise SourceError(
                f"concatenated: no pair of the {len(self.names)} different texts is in the split "
                f"{split!r}"
            )
        rng = np.random.default_rng([seed, list(EIGHTHS).index(split)])
        count = len(pairs) if examples is None else examples
        rounds = [rng.permutation(len(pairs)) for _ in range(-(-count // len(pairs)))]
        drawn = np.array(pairs)[np.concatenate(rounds)[:count]]
        turned = rng.random(count) < 0.5
        self._pairs = np.where(turned[:, None], drawn[:, ::-1], drawn)
        self._drawn = rng.random((count, 2, 2))  # which record of each, and which alternative
        self.modalities = tuple(
            f"{field}{what}"
            for field in (audio, text)
            for what in ("", "_reversed", "_overlaid", "_single", "_both")
            if (field, what) != (audio, "_both")
        )
        self.label_fields, self.may_lack = ("first", "second"), ()
        self._listed, self._id_limit = None, len(self.names) ** 2

    def _named(self) -> tuple[list[str], list[list[int]]]:
        """The different texts, sorted, and the rows of each that have a sound."""
        found: dict[str, list[int]] = {}
        for row in range(len(self.inner)):
            record = self.inner[row]
            if record.get(self.audio) is not None and record.get(self.text):
                found.setdefault(options(record[self.text])[0], []).append(row)
        names = sorted(found)
        return names, [found[name] for name in names]

    def __len__(self) -> int:
        return len(self._pairs)

    def id_of(self, index: int) -> int:
        low, high = sorted(self._pairs[index].tolist())
        return int(low * len(self.names) + high)

    def labels(self, field: str, language: str = "en") -> list[str] | None:
        return list(self.names) if field in self.label_fields else None

    def __getitem__(self, index: int) -> Record:
        i, j = self._pairs[index].tolist()
        first, second = (
            self._sound(which, *draws)
            for which, draws in zip((i, j), self._drawn[index], strict=True)
        )
        names = self.names[i], self.names[j]
        sounds = {
            "": np.concatenate([first, second]),
            "_reversed": np.concatenate([second, first]),
            "_overlaid": _twice(_overlaid(first, second)),
            "_single": _twice(first),
        }
        texts: dict[str, Any] = {
            what: [c.format(*(names[::-1] if what == "_reversed" else names)) for c in captions]
            for what, captions in self.captions.items()
        }
        return {
            "id": self.id_of(index),
            "key": f"row {index} ({' and '.join(names)})",
            **{f"{self.audio}{what}": sound for what, sound in sounds.items()},
            **{f"{self.text}{what}": text for what, text in texts.items()},
            f"{self.text}_single": names[0],
            "first": names[0],
            "second": names[1],
        }

    def describe(self) -> str:
        return (
            f"{self.inner.describe()}, concatenated, {self.split}: {len(self):,} pairs of "
            f"{len(self.names):,} sounds"
        )

    def _sound(self, name: int, which: float, alternative: float) -> np.ndarray:
        """A sound of this name, by two numbers of [0, 1): f32[length, ...]."""
        rows = self._members[name]
        row = rows[int(which * len(rows))]
        record = self.inner[row]
        values = options(record[self.audio])
        number = int(alternative * len(values))
        if (row, number) in self._cache:
            return self._cache[row, number]
        try:
            sound = self._read(values[number])
        except BadExample as error:
            raise BadExample(record["key"], self.audio, error.reason) from error
        if self.cache_decoded and len(self._cache) < _CACHE_BYTES // sound.nbytes:
            self._cache[row, number] = sound
        return sound

    def _read(self, value: Any) -> np.ndarray:
        """A value, cut: f32[length, ...]."""
        if isinstance(value, np.ndarray) and value.ndim > 1:
            x = numbers(value)
        else:
            x, rate = read_sound(value, self.max_seconds)
            if rate is not None and self.rate is None:
                raise unusable(f"it is a file of {rate} Hz, and no rate is set to bring it to")
            x = x if rate is None or self.rate is None else resample(x, rate, self.rate)
        x = x[: self.length]
        if self.normalize and x.any():
            x = x / np.abs(x).max()
        return _longer(x, self.length or len(x))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}


def _overlaid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Both at once, as loud as one: f32[T, ...]."""
    length = max(len(x), len(y))
    sound: np.ndarray = (_longer(x, length) + _longer(y, length)) / np.float32(2**0.5)
    return sound


def _longer(x: np.ndarray, length: int) -> np.ndarray:
    """x and zeros behind it."""
    return np.pad(x, ((0, length - len(x)), *[(0, 0)] * (x.ndim - 1)))


def _twice(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, x])


def _eighth(a: str, b: str) -> int:
    """Which eighth of all pairs the unordered pair of two texts is in."""
    return int(hashlib.sha256("\n".join(sorted((a, b))).encode()).hexdigest(), 16) % 8


def _check_caption(caption: str) -> None:
    """Raises SourceError unless both sounds are named, each once, and no third."""
    if sorted(re.findall(r"{([^{}]*)}", caption)) != ["0", "1"]:
        raise SourceError(
            f"concatenated: the caption {caption!r} should have {{0}} and {{1}}, each once, where "
            "the names of both sounds stand"
        )


SOURCES.register("concatenated", Concatenated)
