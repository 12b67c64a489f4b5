"""Sequences of actions in four modalities, and near copies of them that differ in one action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

ACTIONS, FILLERS, SHOWN, LONGEST, COPIES = 40, 20, 6, 18, 4
DIMS = {"motion": 24, "video": 16, "audio": 16}
LENGTH = 9  # words of a text
WORDS = (
    *(f"action{number}" for number in range(ACTIONS)),
    *(f"filler{number}" for number in range(FILLERS)),
)


@dataclass(kw_only=True, eq=False, repr=False)
class ActionSequences(Generated):
    """Six different actions of 40, in order, as motion, video, audio and text.

    An action has a pattern of N(0, I_24) in `motion`, f32[T, 24], a fixed projection of it in
    `video`, f32[T, 16], and a tone of N(0, I_16) in `audio`, f32[T', 16]; each lasts 1 to 3 windows
    of them, as many in motion and video, at most 18 in all, with noise of 0.5 N(0, I). `text` has
    the six words in order, among 3 of 20 fillers.

    Of 'test' every fourth row is such a sequence, and the three behind it are the same with one of
    the actions replaced, each with durations, noise and fillers of its own. `item` counts them.

    Args:
      split: 'train' (3,000 rows) or 'test' (400).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "action_sequences"
    splits: ClassVar = {"train": 3000, "test": 400}
    modalities = ("motion", "video", "audio", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        pattern = normal(world, ACTIONS, DIMS["motion"])
        seen = {
            "motion": pattern,
            "video": pattern @ normal(world, DIMS["motion"], DIMS["video"], scale=24**-0.5),
            "audio": normal(world, ACTIONS, DIMS["audio"]),
        }
        actions = np.argsort(rng.random((count, ACTIONS)), axis=1)
        item = np.arange(count)
        if self.split == "test":
            item = item // COPIES
            for row in range(count):
                if row % COPIES:
                    original = actions[row - row % COPIES, :SHOWN]
                    others = np.setdiff1d(np.arange(ACTIONS), original)
                    actions[row, :SHOWN] = original
                    actions[row, rng.integers(SHOWN)] = rng.choice(others)
        shown = actions[:, :SHOWN]
        lasts, heard = rng.integers(1, 4, size=(2, count, SHOWN))
        fields: dict[str, Any] = {}
        for name, patterns in seen.items():
            windows = (
                np.repeat(own, long)
                for own, long in zip(shown, heard if name == "audio" else lasts, strict=True)
            )
            fields[name] = [
                patterns[own] + normal(rng, len(own), DIMS[name], scale=0.5) for own in windows
            ]
        return {**fields, "text": [_text(rng, own) for own in shown], "item": item}


def _text(rng: np.random.Generator, actions: np.ndarray) -> str:
    """The words of actions in order, among fillers."""
    places = np.sort(rng.permutation(LENGTH)[:SHOWN])
    words = [f"filler{number}" for number in rng.integers(FILLERS, size=LENGTH)]
    for place, action in zip(places, actions, strict=True):
        words[place] = f"action{action}"
    return " ".join(words)
