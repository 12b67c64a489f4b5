"""Regions of scans with terms that have synonyms: concepts that a batch repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

ORGANS, REGIONS, SIDE, HEAD = 24, 4, 24, 4
SYNONYMS = {f"organ{i}a": (f"organ{i}b", f"organ{i}c") for i in range(ORGANS)}
MODALITIES = ("ct", "mr")
# What a definition says of an organ: where it is along each axis, how large, and how bright.
ATTRIBUTES = (("left", "right"), ("low", "high"), ("front", "back"), ("small", "large"),
              ("dark", "bright"))  # fmt: skip
WORDS = (
    *(word for name, others in SYNONYMS.items() for word in (name, *others)),
    *MODALITIES,
    *(word for pair in ATTRIBUTES for word in pair),
)


@dataclass(kw_only=True, eq=False, repr=False)
class OrganRegions(Generated):
    """One row is an organ in a scan: features of its region, and its name.

    24 organs have a place, U(6, 18) along each axis of a volume of 24 voxels, radii of U(2, 3.5)
    and a brightness of U(0.4, 1.2). A scan, of four rows one after the other, has four of them,
    drawn in proportion to 1 / rank, at their places plus N(0, 2²); in one of the two modalities
    they are half as bright; to each region N(0, 0.1²) is added and to each voxel N(0, 0.3²).
    `region`, f32[9], has of its voxels the mean and deviation of the brightness, the means and
    deviations of the three coordinates, from -1 to 1, and the logarithm of their number.

    `text`, one of three synonyms and the modality, has all three as alternatives;
    `text@definition` says place, size and brightness in five words. `id` and `concept` number the
    organ, whatever the modality, and `organ` is its first name. After the anatomy terms of Zhao et
    al. 2023 (arXiv 2312.17183, SAT).

    Args:
      split: 'train' (4,000 rows), 'validation' or 'test' (1,600 each).
      examples: number of rows, if another.
      part: 'all', or only rows of the 4 most frequent organs, 'head', or of the 12 least, 'tail'.
      scans: 'all', or only rows of one modality, 'ct' or 'mr'.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    part: Literal["all", "head", "tail"] = "all"
    scans: Literal["all", "ct", "mr"] = "all"

    name = "organ_regions"
    splits: ClassVar = {"train": 4000, "validation": 1600, "test": 1600}
    modalities = ("region", "text", "text@definition")
    _id_limit = ORGANS

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        places = world.uniform(6, 18, size=(ORGANS, 3))
        radii = world.uniform(2, 3.5, size=(ORGANS, 3))
        brightness = world.uniform(0.4, 1.2, size=ORGANS)
        share = 1 / np.arange(1, ORGANS + 1)
        scans = -(-count // REGIONS)
        organs = np.concatenate(
            [rng.choice(ORGANS, REGIONS, replace=False, p=share / share.sum())
             for _ in range(scans)]
        )[:count]  # fmt: skip
        modality = np.repeat(rng.integers(2, size=scans), REGIONS)[:count]
        centres = places[organs] + normal(rng, count, 3, scale=2.0)
        levels = brightness[organs] * (1 - 0.5 * modality) + normal(rng, count, scale=0.1)
        traits = np.concatenate([places, radii.prod(1, keepdims=True), brightness[:, None]], axis=1)
        above = traits > np.median(traits, axis=0)
        names = list(SYNONYMS)
        fields = {
            "region": [
                _features(centre, radii[organ], level, rng)
                for centre, organ, level in zip(centres, organs, levels, strict=True)
            ],
            "text": [
                [f"{word} {MODALITIES[m]}" for word in (names[k], *SYNONYMS[names[k]])]
                for k, m in zip(organs, modality, strict=True)
            ],
            "text@definition": [
                " ".join(pair[int(side)] for pair, side in zip(ATTRIBUTES, above[k], strict=True))
                for k in organs
            ],
            "concept": organs.astype(np.int64).tolist(),
            "organ": [names[k] for k in organs],
        }
        kept = {"all": organs >= 0, "head": organs < HEAD, "tail": organs >= ORGANS // 2}[self.part]
        if self.scans != "all":
            kept &= modality == MODALITIES.index(self.scans)
        rows = np.flatnonzero(kept)
        found: dict[str, Any] = {name: [v[i] for i in rows] for name, v in fields.items()}
        return {**found, "id": organs[rows].astype(np.int64)}

    def labels(self, field: str, language: str = "en") -> list[str] | None:
        return list(SYNONYMS) if field == "organ" else super().labels(field, language)


def _features(
    centre: np.ndarray, radii: np.ndarray, level: float, rng: np.random.Generator
) -> np.ndarray:
    """f32[9] of the voxels of an ellipsoid; at least one of them, the nearest, is inside."""
    axes = [((np.arange(SIDE) - c) / r) ** 2 for c, r in zip(centre, radii, strict=True)]
    away = axes[0][:, None, None] + axes[1][:, None] + axes[2]
    voxels = np.argwhere(away <= max(1.0, away.min()))
    seen = level + normal(rng, len(voxels), scale=0.3)
    where = 2 * voxels / (SIDE - 1) - 1
    return np.array(
        [seen.mean(), seen.std(), *where.mean(0), *where.std(0), np.log(len(voxels))], np.float32
    )
