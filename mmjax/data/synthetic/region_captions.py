"""Features of captions and of regions of images, with a gap between them: for caption decoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit

WORDS = tuple(f"word{number}" for number in range(50))
DIM, SAID, REGIONS, SALIENT = 64, 4, 9, 5
READINGS = ("image", "salient", "mean", "drawn")
_OTHER, _GAP = 0.7, 0.11


@dataclass(kw_only=True, eq=False, repr=False)
class RegionCaptions(Generated):
    """Captions of 4 words of 50, and features of them and of images with 9 regions.

    A word w has E_w of N(0, I_64). `caption` is 4 different words, in the order of their numbers;
    `text`, f32[64], its feature unit(tanh(Σ E_w / 2)). Of the regions of an image 4 show a word of
    the caption, with weight 1, and 5 a random word, with weight .7; a region's feature is
    unit(tanh(E_w / 2)), and F = unit(Σ weight · feature). What keeps images from texts is one
    vector n of .11 N(0, I_64) an image, shared by all that is read of it:
      `image`: unit(F + n), what a global feature says;
      `salient`: unit(image + r), r = unit(unit(mean of regions) + n), over the 5 most salient
        regions, the 4 of the caption and one other;
      `mean`, `drawn`: the same with r of all 9 regions, and of 5 random ones.
    After Qiu et al. 2024 (arXiv 2401.02347, MacCap).

    Args:
      split: 'train' (800 rows), 'validation' (1,000) or 'test' (1,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "region_captions"
    splits: ClassVar = {"train": 800, "validation": 1000, "test": 1000}
    modalities = ("text", "caption", *READINGS)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        words = normal(world, len(WORDS), DIM)
        said = np.sort(np.argsort(rng.random((count, len(WORDS))), axis=1)[:, :SAID], axis=1)
        others = rng.integers(len(WORDS), size=(count, REGIONS - SAID))
        regions = unit(np.tanh(words[np.concatenate([said, others], axis=1)] / 2))
        weight = np.where(np.arange(REGIONS) < SAID, np.float32(1), np.float32(_OTHER))
        gap = normal(rng, count, DIM, scale=_GAP)
        image = unit(unit((weight[:, None] * regions).sum(1)) + gap)
        drawn = np.argsort(rng.random((count, REGIONS)), axis=1)[:, :SALIENT]
        chosen = {
            "salient": regions[:, :SALIENT],
            "mean": regions,
            "drawn": np.take_along_axis(regions, drawn[:, :, None], axis=1),
        }
        read = {name: unit(image + unit(unit(of.mean(1)) + gap)) for name, of in chosen.items()}
        return {
            "text": unit(np.tanh(words[said].sum(1) / 2)),
            "caption": [" ".join(WORDS[k] for k in own) for own in said],
            "image": image,
            **read,
        }
