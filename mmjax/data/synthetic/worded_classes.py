"""Classes seen in images with a strong nuisance, and captions with words of the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

CLASSES, OWN_WORDS = 40, 4
FILLERS = tuple(f"filler{i}" for i in range(20))
WORDS = (*(f"class{k}word{i}" for k in range(CLASSES) for i in range(OWN_WORDS)), *FILLERS)
_DRAWS = 8


@dataclass(kw_only=True, eq=False, repr=False)
class WordedClasses(Generated):
    """40 classes: an image of a class and a nuisance, a caption of words of the class and fillers.

    `image` = tanh(tanh([c_k; 2 n] A) B) + 0.1 e in R^64, with a code c_k and a nuisance n of N(0,
    I_16), A 32 x 64 and B 64 x 64 of N(0, 1 / fan-in). In the split 'train' it is a list of 8 draws
    of n and e, of which the views `image` and `image@2` take one each. `text` has six words in a
    random order: three of the four of its class, and three of 20 that say nothing. `name`, the
    class, is its four words.

    Args:
      split: 'train' (4,000 rows), 'validation' or 'test' (1,000 each).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "worded_classes"
    splits: ClassVar = {"train": 4000, "validation": 1000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = normal(world, CLASSES, 16)
        first, second = normal(world, 32, 64, scale=32**-0.5), normal(world, 64, 64, scale=1 / 8)
        label = rng.integers(CLASSES, size=count)

        def seen() -> np.ndarray:
            both = np.concatenate([codes[label], 2 * normal(rng, count, 16)], axis=1)
            noise = normal(rng, count, 64, scale=0.1)
            images: np.ndarray = np.tanh(np.tanh(both @ first) @ second) + noise
            return images

        draws = [seen() for _ in range(_DRAWS if self.split == "train" else 1)]
        captions = []
        for k in label:
            own = [f"class{k}word{i}" for i in rng.choice(OWN_WORDS, 3, replace=False)]
            words = np.array([*own, *rng.choice(FILLERS, 3, replace=False)])
            captions.append(" ".join(rng.permutation(words)))
        images = list(map(list, zip(*draws, strict=True))) if len(draws) > 1 else draws[0]
        names = [" ".join(f"class{k}word{i}" for i in range(OWN_WORDS)) for k in label]
        return {"image": images, "text": captions, "name": names}
