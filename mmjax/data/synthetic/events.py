"""Synthetic sounds of three events in a row, with captions of their order and images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.records import Record
from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import BelowOne

KINDS = ("tone", "buzz", "rise", "fall")
PITCHES = {"low": 250.0, "middle": 600.0, "high": 1450.0}  # Hz
EVENTS = tuple(f"{pitch} {kind}" for pitch in PITCHES for kind in KINDS)
RATE, SECONDS = 8000, 1.0
_COLOURS = np.array([[220, 40, 40], [40, 170, 70], [50, 80, 220], [235, 205, 40]], np.uint8)


def part_of(number: int) -> str:
    """Which split the set of this number is in."""
    return "test" if number % 5 == 0 else "validation" if number % 10 == 1 else "train"


def sequences(split: str) -> np.ndarray:
    """All orders of the sets of three events of a split: i64[S, 3].

    The 220 sets are numbered as `itertools.combinations` gives them. Every fifth is in `test` (44
    sets, 264 sequences), the one after every tenth in `validation` (22 sets, 132 sequences), and
    all others in `train` (154 sets, 924 sequences).
    """
    sets = [s for n, s in enumerate(combinations(range(12), 3)) if part_of(n) == split]
    return np.array([order for each in sets for order in permutations(each)])


@dataclass(kw_only=True, eq=False, repr=False)
class EventAudio(Generated):
    """Three different events in a second of sound, f32[8000] at 8 kHz, and captions of the order.

    An event is a kind of sound (a tone, a buzz, a rise, a fall) at a pitch (low, middle, high: f0 =
    250, 600, 1450 Hz). Event k = 0, 1, 2 of a sound begins at 0.3 k + U(0, 0.06) s and lasts
    d ~ U(0.18, 0.28) s, with f = f0 2^U(-1/6, 1/6), amplitude A ~ U(0.3, 1) and, t after its
    begin, the envelope e(t) = A min(1, t / 0.01, (d - t) / 0.03). In it are sin φ(t) for a tone, a
    rise and a fall, and tanh(4 sin φ(t)) for a buzz, where φ' / 2 pi is f, but f 2^(t/d) for a rise
    and f 2^(-t/d) for a fall. Noise of 0.01 N(0, 1) lies over all.

    `text` has three alternatives: "a low tone then a high buzz then a middle fall", "a middle fall
    after a high buzz after a low tone", and "first a low tone, second a high buzz, last a middle
    fall". A bag of events cannot tell the six orders of a set apart: of `test`, which holds all six
    orders of 44 sets that were never trained on in any order, it finds at most 1/6 at R@1. The id
    is the number of the sequence. With `image`, there is a score, u8[24, 24, 3]: a block of 6 x 6
    for each event, on white, with U(-1, 1) pixels of jitter; from left to right the order, from the
    bottom up the pitch, the colour is the kind.

    Args:
      split: 'train' (4,000 rows of 924 sequences), 'validation' (each of 132 sequences once) or
        'test' (each of 264 sequences once).
      examples: number of rows, if another.
      image: whether records have the score.
      missing: share of the rows without sound.
      disjoint: no row has both a sound and a text: those with a sound have no text.
      seed: of everything.
    """

    split: Literal["train", "test", "validation"] = "train"
    image: bool = False
    missing: BelowOne = 0.0
    disjoint: bool = False

    name = "event_audio"
    splits: ClassVar = {"train": 4000, "test": 264, "validation": 132}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if not 0 <= self.missing < 1:
            raise ValueError(f"event_audio: missing={self.missing} must be in [0, 1)")
        if self.disjoint and not (self.image and self.missing):
            raise ValueError(
                "event_audio: with disjoint=True rows need an image, image=True, and some of them "
                "no sound, such as missing=0.5"
            )
        known = sequences(self.split)
        rows = rng.integers(len(known), size=count) if self.split == "train" else np.arange(count)
        order = known[rows % len(known)]
        self.begins = 0.3 * np.arange(3) + 0.06 * rng.random((count, 3))
        self.lasts = 0.18 + 0.1 * rng.random((count, 3))
        self.bends = 2 ** ((2 * rng.random((count, 3)) - 1) / 6)
        self.loud = 0.3 + 0.7 * rng.random((count, 3))
        self.heard = rng.random(count) >= self.missing
        fields = {"audio": order, "text": [captions(row) for row in order], "order": order}
        self.modalities = ("audio", "text")
        if self.image:
            fields["image"] = scores(order, rng.integers(-1, 2, (count, 3, 2)))
            self.modalities = ("audio", "text", "image")
        self.id_limit = 12**3
        if self.missing:
            self.may_lack = ("audio", "text") if self.disjoint else ("audio",)
        return {**fields, "id": (order @ (144, 12, 1)).astype(np.int64)}

    def __getitem__(self, index: int) -> Record:
        record = super().__getitem__(index)
        if not self.heard[index]:
            del record["audio"]
            return record
        if self.disjoint:
            del record["text"]
        return {**record, "audio": self._sound(index)}

    def _sound(self, row: int) -> np.ndarray:
        """The waveform of a row, f32[8000]."""
        noise = np.random.default_rng([self.seed, self.stream, row])
        x = 0.01 * noise.standard_normal(int(RATE * SECONDS))
        pitches = list(PITCHES.values())
        for k, event in enumerate(self.fields["order"][row]):
            kind, base = KINDS[event % 4], pitches[event // 4] * self.bends[row, k]
            start, d = int(RATE * self.begins[row, k]), self.lasts[row, k]
            t = np.arange(int(RATE * d)) / RATE
            bend = {"rise": np.log(2) / d, "fall": -np.log(2) / d}.get(kind)
            cycles = base * (t if bend is None else np.expm1(bend * t) / bend)
            wave = np.sin(2 * np.pi * cycles)
            if kind == "buzz":
                wave = np.tanh(4 * wave)
            envelope = np.minimum(1, np.minimum(t / 0.01, (d - t) / 0.03))
            x[start : start + len(t)] += self.loud[row, k] * envelope * wave
        return x.astype(np.float32)


def captions(events: np.ndarray) -> list[str]:
    """Three ways to say which events follow each other."""
    a, b, c = (f"a {EVENTS[event]}" for event in events)
    return [
        f"{a} then {b} then {c}",
        f"{c} after {b} after {a}",
        f"first {a}, second {b}, last {c}",
    ]


def scores(order: np.ndarray, jitter: np.ndarray) -> np.ndarray:
    """Images of sequences: i64[N, 3], i64[N, 3, 2] of (down, right) -> u8[N, 24, 24, 3]."""
    pictures = np.full((len(order), 24, 24, 3), 255, np.uint8)
    top = 1 + 8 * (2 - order // 4) + jitter[..., 0]
    left = 1 + 8 * np.arange(3) + jitter[..., 1]
    row, pixel = np.arange(len(order)), np.arange(6)
    for k in range(3):
        down, right = top[:, k, None] + pixel, left[:, k, None] + pixel
        colours = _COLOURS[order[:, k] % 4][:, None, None]
        pictures[row[:, None, None], down[:, :, None], right[:, None, :]] = colours
    return pictures
