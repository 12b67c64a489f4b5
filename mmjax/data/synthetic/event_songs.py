"""Long sounds of many segments, of which a long text names some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds

EVENTS, CODE, DIM, NAMED = 400, 24, 48, 3
WORDS = tuple(f"event{number}" for number in range(EVENTS))


@dataclass(kw_only=True, eq=False, repr=False)
class EventSongs(Generated):
    """A song of segments, each of one of 400 events, and a text that names three of them.

    `audio`, f32[segments, 48]: a segment of event k is tanh(1.5 e_k M / sqrt(24)) + 0.3 N(0, I),
    with codes e_k of N(0, I_24) and one matrix M of N(0, 1) for all; events are drawn evenly.
    `text` names the events of three segments at random places, in random order, and no others.

    Args:
      split: 'train' (6,000 rows) or 'test' (500).
      examples: number of rows, if another.
      segments: of a song, at least 3.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"
    segments: Annotated[int, Bounds(ge=NAMED, le=2**12)] = 16

    name = "event_songs"
    splits: ClassVar = {"train": 6000, "test": 500}
    modalities = ("audio", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = normal(world, EVENTS, CODE)
        heard = np.tanh(1.5 * codes @ normal(world, CODE, DIM, scale=CODE**-0.5))
        events = rng.integers(EVENTS, size=(count, self.segments))
        named = rng.permuted(events, axis=1)[:, :NAMED]
        return {
            "audio": heard[events] + normal(rng, count, self.segments, DIM, scale=0.3),
            "text": [" ".join(WORDS[number] for number in own) for own in named],
        }
