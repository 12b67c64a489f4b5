"""Images with findings at places, and reports of two sections that say them in other words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit

FINDINGS, PLACES, FILLERS, SIDE, CODE, POSITION = 20, 9, 15, 6, 24, 8
TOKENS, DIM, LONGEST = SIDE**2, CODE + POSITION, 17
WORDS = (
    *(f"finding{number}{form}" for number, form in product(range(FINDINGS), "abc")),
    *(f"place{number}{form}" for number, form in product(range(PLACES), "ab")),
    *(f"filler{number}" for number in range(FILLERS)),
)
_SHOWN = 2  # findings of a study


@dataclass(kw_only=True, eq=False, repr=False)
class Studies(Generated):
    """Two findings of 20 at two places of 9, as an image and as a report of two sections.

    `image`, f32[36, 32]: a 6 x 6 grid of patches, 24 numbers of 0.5 N(0, I), to which a finding
    adds its code, of length 2, in the 2 x 2 patches of its place; and 8 of N(0, 1) that say which
    patch it is, the same in all images. `findings` has a sentence for each of them, of one of its
    three synonyms, one of the place's two, and 4 of 15 fillers, shuffled, and a sentence of 5
    fillers; `impression` has a synonym and a place each, drawn anew; `report` is either of both.
    After Boecking et al. 2022 (arXiv 2204.09817, BioViL).

    Rows of 'reports' have no image. Those of 'phrases' have an image, `phrase`, a synonym and place
    of one of its findings, and `region`, u8[36], the patches that show it; those of 'words' have a
    single synonym as `phrase`, all of them in random order, and its finding as the label `finding`.

    Args:
      split: 'reports' (5,000 rows), 'train' (300), 'test' (500), 'phrases' (500) or 'words' (60).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["reports", "train", "test", "phrases", "words"] = "train"

    name = "studies"
    splits: ClassVar = {"reports": 5000, "train": 300, "test": 500, "phrases": 500, "words": 60}

    def __post_init__(self) -> None:
        sections = ("findings", "impression", "report")
        of_others = {"reports": sections, "phrases": ("image", "phrase"), "words": ("phrase",)}
        self.modalities = of_others.get(self.split, ("image", *sections))
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = np.float32(2) * unit(normal(world, FINDINGS, CODE))
        places = normal(world, TOKENS, POSITION)
        if self.split == "words":
            numbers = rng.permutation(count) % (3 * FINDINGS)
            return {"phrase": [WORDS[number] for number in numbers], "finding": numbers // 3}
        shown = np.argsort(rng.random((count, FINDINGS)), axis=1)[:, :_SHOWN]
        at = np.argsort(rng.random((count, PLACES)), axis=1)[:, :_SHOWN]
        patches = 0.5 * normal(rng, count, TOKENS, CODE)
        for k in range(_SHOWN):
            patches += _region(at[:, k])[:, :, None] * codes[shown[:, k]][:, None]
        every = np.broadcast_to(places, (count, *places.shape))
        image = np.concatenate([patches, every], axis=2).astype(np.float32)
        pairs = [list(zip(a, b, strict=True)) for a, b in zip(shown, at, strict=True)]
        if self.split == "phrases":
            which = rng.integers(_SHOWN, size=count)
            phrases = [" ".join(_said(rng, *own[k])) for own, k in zip(pairs, which, strict=True)]
            region = _region(at[np.arange(count), which]).astype(np.uint8)
            return {"image": image, "phrase": phrases, "region": region}
        findings = [_findings(rng, own) for own in pairs]
        impression = [" ".join(w for pair in own for w in _said(rng, *pair)) for own in pairs]
        report = [list(both) for both in zip(findings, impression, strict=True)]
        texts = {"findings": findings, "impression": impression, "report": report}
        return texts if self.split == "reports" else {"image": image, **texts}


def _region(place: np.ndarray) -> np.ndarray:
    """bool[N, 36], the 2 x 2 patches of places i64[N]."""
    row, column = np.divmod(np.arange(TOKENS), SIDE)
    number = row // 2 * (SIDE // 2) + column // 2
    region: np.ndarray = number == place[:, None]
    return region


def _said(rng: np.random.Generator, finding: int, place: int) -> list[str]:
    """A synonym of each."""
    return [f"finding{finding}{'abc'[rng.integers(3)]}", f"place{place}{'ab'[rng.integers(2)]}"]


def _findings(rng: np.random.Generator, pairs: list[tuple[int, int]]) -> str:
    """The section in which every finding has a sentence, in random order."""
    fillers = iter(f"filler{k}" for k in rng.integers(FILLERS, size=4 * len(pairs) + 5))
    sentences = [[*_said(rng, *pair), *(next(fillers) for _ in range(4))] for pair in pairs]
    sentences = [list(rng.permutation(sentence)) for sentence in sentences] + [list(fillers)]
    return " ".join(word for k in rng.permutation(len(sentences)) for word in sentences[k])
