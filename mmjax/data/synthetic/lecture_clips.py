"""Clips of lectures with two noisy transcripts: one knows the tools, the other the verbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

TOOLS, VERBS, STEPS, SIZE = 8, 10, 40, 64
NAMES = tuple(f"tool{i}" for i in range(TOOLS)), tuple(f"verb{i}" for i in range(VERBS))
FILLERS = tuple(f"filler{i}" for i in range(30))
WORDS = (*NAMES[0], *NAMES[1], *FILLERS)


@dataclass(kw_only=True, eq=False, repr=False)
class LectureClips(Generated):
    """A clip shows one of 40 steps, a tool and a verb; two transcripts of it err in other ways.

    `video` is f32[4, 64]: in each frame e_tool + f_verb, of N(0, I / 64), and noise of N(0, I / 4).
    `text`, eight words, has the tool with probability .9 and the verb with .1. `text@2` and
    `text@3`, sentences of six words, are each about the step with probability .3 and otherwise
    about any step; they have the tool of what they are about with .3 and the verb with .9. All
    other words say nothing, and words are in a random order. `step`, the class, is named by both.
    After the two speech recognizers of Yuan et al. 2023 (arXiv 2307.15220, SurgVLP).

    Args:
      split: 'train' (3,000 rows), 'validation' or 'test' (1,000 each).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "lecture_clips"
    splits: ClassVar = {"train": 3000, "validation": 1000, "test": 1000}
    modalities = ("video", "text", "text@2", "text@3")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        known = world.permutation(TOOLS * VERBS)[:STEPS]
        tools, verbs = (normal(world, size, SIZE, scale=SIZE**-0.5) for size in (TOOLS, VERBS))
        steps = rng.choice(known, size=count)
        seen = tools[steps // VERBS] + verbs[steps % VERBS]
        sentences = []
        for _ in range(2):
            other = rng.choice(known, size=count)
            about = np.where(rng.random(count) < 0.3, steps, other)
            sentences.append([_words(step, (0.3, 0.9), 6, rng) for step in about])
        return {
            "video": seen[:, None] + normal(rng, count, 4, SIZE, scale=0.5),
            "text": [_words(step, (0.9, 0.1), 8, rng) for step in steps],
            "text@2": sentences[0],
            "text@3": sentences[1],
            "step": [" ".join(_named(step)) for step in steps],
        }


def _named(step: int) -> tuple[str, str]:
    return NAMES[0][step // VERBS], NAMES[1][step % VERBS]


def _words(step: int, kept: tuple[float, float], length: int, rng: np.random.Generator) -> str:
    """`length` words: tool and verb of a step, each with a probability, and words of no meaning."""
    named = _named(step)
    own = [word for word, share in zip(named, kept, strict=True) if rng.random() < share]
    rest = rng.choice(FILLERS, length - len(own))
    return " ".join(rng.permutation(np.array([*own, *rest])))
