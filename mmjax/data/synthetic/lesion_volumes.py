"""Volumes with lesions in regions, and reports in sentences that name them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

SIDE, REGIONS, MOST, PATCH = 16, 4, 3, 4
SIZES, KINDS = {"small": 3, "large": 5}, {"hypo": -1.5, "hyper": 1.5}
LESIONS = tuple(product(SIZES, KINDS))  # of one region; 0 in a code is none
FILLERS = ("technique", "comparison", "motion", "contrast")
SENTENCES, LONGEST = 5, 5
_NAMES = tuple(f"R{number}" for number in range(REGIONS))
WORDS = (*SIZES, *KINDS, "lesion", "in", "no", *_NAMES, *FILLERS)


@dataclass(kw_only=True, eq=False, repr=False)
class LesionVolumes(Generated):
    """A volume with one to three lesions in different regions, and a report in shuffled sentences.

    `volume`, f32[16, 16, 16, 1]: a smooth background, eight numbers of N(0, 0.4^2), each over a
    block of 8^3, plus noise N(0, 0.3^2); a lesion is a cube of side 5 (large) or 3 (small), 1.5
    brighter (hyper) or darker (hypo), at a random place inside its region, one of the four
    quadrants of the last two axes. `text` has a line, a sentence, for each lesion, such as "large
    hyper lesion in R2"; one that says of a region without, if there is one, "no lesion in R3"; and
    one of four words that say nothing. The order is random.

    `sentence` is the line of one of the lesions. Labels: `lesions`, the number of the set of
    lesions, equal for volumes with the same ones; `holding`, the numbers of all sets that hold the
    lesion of `sentence`; and `mask`, f32[64], the share of each patch of 4^3 that lesions cover,
    the last axis fastest.

    Args:
      split: 'train' (600 rows), 'fit' (20, for probes) or 'test' (300).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "fit", "test"] = "train"

    name = "lesion_volumes"
    splits: ClassVar = {"train": 600, "fit": 20, "test": 300}
    modalities = ("volume", "text", "sentence")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {
            name: [] for name in (*self.modalities, "lesions", "holding", "mask")
        }
        sets = np.array(list(product(range(len(LESIONS) + 1), repeat=REGIONS)))
        sets = sets[((sets > 0).sum(1) > 0) & ((sets > 0).sum(1) <= MOST)]
        for _ in range(count):
            lesions = np.zeros(REGIONS, int)
            regions = rng.permutation(REGIONS)[: rng.integers(1, MOST + 1)]
            lesions[regions] = rng.integers(1, len(LESIONS) + 1, len(regions))
            mask = np.zeros((SIDE, SIDE, SIDE), np.float32)
            volume = np.kron(normal(rng, 2, 2, 2, scale=0.4), np.ones((8, 8, 8), np.float32))
            volume += normal(rng, SIDE, SIDE, SIDE, scale=0.3)
            for region in regions:
                size, kind = LESIONS[lesions[region] - 1]
                place = _place(int(region), SIZES[size], rng)
                volume[place] += KINDS[kind]
                mask[place] = 1
            said = int(regions[0])
            own = {
                "volume": volume[..., None],
                "text": _report(lesions, rng),
                "sentence": _said(said, int(lesions[said])),
                "lesions": _number(lesions),
                "holding": [_number(s) for s in sets[sets[:, said] == lesions[said]]],
                "mask": _shares(mask),
            }
            for name, value in own.items():
                columns[name].append(value)
        return columns


def _place(region: int, side: int, rng: np.random.Generator) -> tuple[slice, ...]:
    """A cube at a random place of a quadrant of the last two axes."""
    half = SIDE // 2
    corner = [rng.integers(SIDE - side + 1)]
    corner += [half * k + rng.integers(half - side + 1) for k in divmod(region, 2)]
    return tuple(slice(int(start), int(start) + side) for start in corner)


def _shares(mask: np.ndarray) -> np.ndarray:
    """The share of each patch, f32[64]."""
    grid = SIDE // PATCH
    means: np.ndarray = mask.reshape(grid, PATCH, grid, PATCH, grid, PATCH).mean((1, 3, 5))
    return means.reshape(-1)


def _said(region: int, lesion: int) -> str:
    return f"{' '.join(LESIONS[lesion - 1])} lesion in {_NAMES[region]}"


def _report(lesions: np.ndarray, rng: np.random.Generator) -> str:
    free = np.flatnonzero(lesions == 0)
    lines = [_said(r, k) for r, k in enumerate(lesions.tolist()) if k]
    lines += [f"no lesion in {_NAMES[rng.choice(free)]}", FILLERS[rng.integers(len(FILLERS))]]
    return "\n".join(lines[k] for k in rng.permutation(len(lines)))


def _number(lesions: np.ndarray) -> int:
    """The set of lesions as digits of base 5."""
    return int((lesions * (len(LESIONS) + 1) ** np.arange(REGIONS)).sum())
