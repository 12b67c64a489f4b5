"""Scenes of facts with captions that spell each fact in one of two unrelated ways."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit

ATTRIBUTES, VALUES, FACTS, DIM, LENGTH, CAPTIONS, FILLERS = 8, 6, 3, 128, 40, 3, 4


@dataclass(kw_only=True, eq=False, repr=False)
class SpelledFacts(Generated):
    """One row is a scene of three facts, as an image feature and captions; or two captions.

    A fact is one of 6 values of one of 8 attributes; the three of a scene are of different
    attributes. `image`, f32[128], is the mean of their codes, random unit vectors, plus N(0,
    0.01²). A caption says them in random order, each in one of its two spellings of 4 to 7 random
    letters, each followed with probability 1/2 by one of four filler words, and is cut at 40
    characters; `text` has three of them as alternatives.

    Rows of 'pairs' have no image, but `text` in first spellings, `text_2` in second ones, and
    `score`, the share of facts that both have, even in 0, 1/3, 2/3, 1: what only scenes can tell.
    After Merkx and Frank 2019 (arXiv 1903.11393).

    Args:
      split: 'train' (2,000 rows), 'test' (200) or 'pairs' (1,000).
      examples: number of rows, if another.
      permuted: whether images are those of other rows, a control.
      seed: of everything.
    """

    split: Literal["train", "test", "pairs"] = "train"
    permuted: bool = False

    name = "spelled_facts"
    splits: ClassVar = {"train": 2000, "test": 200, "pairs": 1000}

    def __post_init__(self) -> None:
        self.modalities = ("text", "text_2") if self.split == "pairs" else ("image", "text")
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = unit(normal(world, ATTRIBUTES, VALUES, DIM))
        taken: set[str] = set()
        spellings = [
            [[word(world, 4, 7, taken) for _ in range(2)] for _ in range(VALUES)]
            for _ in range(ATTRIBUTES)
        ]
        fillers = [word(world, 2, 4, taken) for _ in range(FILLERS)]

        def caption(facts: list[tuple[int, int]], spelling: int | None = None) -> str:
            said = []
            for at in rng.permutation(FACTS):
                both = spellings[facts[at][0]][facts[at][1]]
                said.append(both[rng.integers(2) if spelling is None else spelling])
                if rng.random() < 0.5:
                    said.append(fillers[rng.integers(FILLERS)])
            return " ".join(said)[:LENGTH].rstrip()

        if self.split == "pairs":
            rows = []
            for shared in rng.integers(FACTS + 1, size=count):
                one = facts_of(rng)
                other = one[:shared] + facts_of(rng, one)[: FACTS - shared]
                rows.append((caption(one, 0), caption(other, 1), shared / FACTS))
            text, text_2, score = map(list, zip(*rows, strict=True))
            return {"text": text, "text_2": text_2, "score": np.array(score, np.float32)}
        scenes = [facts_of(rng) for _ in range(count)]
        seen = np.stack([np.mean([codes[fact] for fact in scene], axis=0) for scene in scenes])
        seen = seen + normal(rng, count, DIM, scale=0.01)
        text = [[caption(scene) for _ in range(CAPTIONS)] for scene in scenes]
        return {"image": seen[rng.permutation(count)] if self.permuted else seen, "text": text}


def word(rng: np.random.Generator, least: int, most: int, taken: set[str]) -> str:
    """A word of random letters that is not taken yet."""
    while True:
        made = "".join(rng.choice(list(ascii_lowercase), rng.integers(least, most + 1)))
        if made not in taken:
            taken.add(made)
            return made


def facts_of(
    rng: np.random.Generator, without: list[tuple[int, int]] | None = None
) -> list[tuple[int, int]]:
    """Facts of different attributes, and of other ones than some have."""
    used = {attribute for attribute, _ in without or ()}
    free = [attribute for attribute in range(ATTRIBUTES) if attribute not in used]
    chosen = rng.choice(free, FACTS, replace=False)
    return [(int(attribute), int(rng.integers(VALUES))) for attribute in chosen]
