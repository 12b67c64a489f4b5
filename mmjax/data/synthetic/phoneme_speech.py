"""Frames of speech by many speakers, with the phoneme that each frame says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import NonNegative

PHONEMES, SPEAKERS, BANDS, FRAMES, SHORTEST, LONGEST = 20, 30, 24, 48, 3, 6


@dataclass(kw_only=True, eq=False, repr=False)
class PhonemeSpeech(Generated):
    """Utterances of phonemes, frame by frame: what is said, and by whom.

    Each of 20 phonemes has a template of N(0, I_24), each of 30 speakers an offset of
    N(0, offset² I_24). An utterance is of phonemes that last 3 to 6 frames each, as many as 48
    frames hold, so that it has 43 to 48. A frame of `speech`, f32[T, 24], is template + offset +
    0.2 N(0, I); one of `phonemes`, f32[T, 20], is 1 at its phoneme, as a text whose durations are
    known. `phoneme`, i64[T], what is said, and `speaker` are labels.

    With `text='shuffled'` the frames of `phonemes` are those of another utterance, drawn at random
    and cut or repeated to the length of the speech. With `centred` the mean of its frames is taken
    from the speech of each utterance, the simplest way to forget its speaker. After the codec that
    SecoustiCodec aligns with text (Qiang et al. 2025, arXiv 2508.02849).

    Args:
      split: 'train' (3,000 rows), 'fit' (600), 'validation' or 'test' (300 each).
      examples: number of rows, if another.
      offset: standard deviation of the speakers' offsets, beside 1 of the templates.
      text: of the own utterance, or 'shuffled'.
      centred: whether the mean of an utterance is taken from its frames of speech.
      seed: of everything.
    """

    split: Literal["train", "fit", "validation", "test"] = "train"
    offset: NonNegative = 1.0
    text: Literal["own", "shuffled"] = "own"
    centred: bool = False

    name = "phoneme_speech"
    splits: ClassVar = {"train": 3000, "fit": 600, "validation": 300, "test": 300}
    modalities = ("speech", "phonemes")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        templates = normal(world, PHONEMES, BANDS)
        offsets = normal(world, SPEAKERS, BANDS, scale=self.offset)
        speaker = rng.integers(SPEAKERS, size=count)
        said = [_said(rng) for _ in range(count)]
        speech = [
            templates[own] + offsets[who] + normal(rng, len(own), BANDS, scale=0.2)
            for own, who in zip(said, speaker, strict=True)
        ]
        if self.centred:
            speech = [own - own.mean(0) for own in speech]
        text = said
        if self.text == "shuffled":
            other = (np.arange(count) + rng.integers(1, max(count, 2), size=count)) % count
            text = [np.resize(said[j], len(own)) for j, own in zip(other, said, strict=True)]
        return {
            "speech": speech,
            "phonemes": [np.eye(PHONEMES, dtype=np.float32)[own] for own in text],
            "phoneme": said,
            "speaker": speaker.tolist(),
        }


def _said(rng: np.random.Generator) -> np.ndarray:
    """i64[T], the phoneme of each frame."""
    most = FRAMES // SHORTEST
    lasts = rng.integers(SHORTEST, LONGEST + 1, size=most)
    whole = int((lasts.cumsum() <= FRAMES).sum())
    return np.repeat(rng.integers(PHONEMES, size=whole), lasts[:whole])
