"""Spectrograms of single sounds with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds, NonNegative

FRAMES, BINS = 16, 32


@dataclass(kw_only=True, eq=False, repr=False)
class NamedSounds(Generated):
    """A sound of two trembling tones as a spectrogram, and its name.

    A sound c has centres u, v ~ U(2, 30) and a speed w ~ U(0.5, 4), the same in all splits. `audio`
    f32[16, 32] is, at time t and frequency f = 0, 1, ...,

        g (exp(-(f - u)² / (2 0.8²)) + exp(-(f - v)² / (2 0.8²))) (1 + 0.5 sin(w t + p)) + noise e,

    with a gain g ~ U(0.6, 1.4), a phase p ~ U(0, 2π) and e ~ N(0, 1) of each row. `text` is
    "sound7" of sound 7. What the source `concatenated` makes longer sounds of.

    Args:
      split: 'train' (4,000 rows), 'validation' or 'test' (1,000 each).
      examples: number of rows, if another.
      sounds: how many there are; rows go through them in turn.
      noise: see above.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    sounds: Annotated[int, Bounds(ge=2)] = 50
    noise: NonNegative = 0.3

    name = "named_sounds"
    splits: ClassVar = {"train": 4000, "validation": 1000, "test": 1000}
    modalities = ("audio", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        centres = world.uniform(2, 30, (self.sounds, 2))
        speeds = world.uniform(0.5, 4, self.sounds)
        which = np.arange(count) % self.sounds
        off = (np.arange(BINS) - centres[which][:, :, None]) / 0.8
        tones = np.exp(-(off**2) / 2).sum(axis=1)
        phases = rng.uniform(0, 2 * np.pi, (count, 1))
        trembling = 1 + 0.5 * np.sin(speeds[which][:, None] * np.arange(FRAMES) + phases)
        gains = rng.uniform(0.6, 1.4, (count, 1, 1))
        clean = (gains * trembling[:, :, None] * tones[:, None]).astype(np.float32)
        return {
            "audio": clean + normal(rng, count, FRAMES, BINS, scale=self.noise),
            "text": [f"sound{number}" for number in which],
        }
