"""Replies that a context and an image determine together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

CONTEXTS, IMAGES, SIZE, DIM = 20, 30, 8, 64


@dataclass(kw_only=True, eq=False, repr=False)
class ComposedQueries(Generated):
    """A context, an image, and the text that stands for the image in that context.

    There are 20 contexts c and 30 images i of N(0, I_8), the same in all splits. The text says
    both, the image in the light of the context: [c; i sign(c_1 c_2)]. Each is seen as f32[64],
    tanh([z; 0.4 n] W) with n ~ N(0, I_8) of its own and W of N(0, 1/9). The label `pair` says which
    context and image a row has, `context_class` and `image_class` which of each. After dialogues in
    which an image takes the place of an utterance (Moskvoretskii et al. 2023, arXiv 2305.10512).

    Args:
      split: 'train' (6,000 rows), 'validation' or 'test' (1,000 each).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"

    name = "composed_queries"
    splits: ClassVar = {"train": 6000, "validation": 1000, "test": 1000}
    modalities = ("context", "image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        contexts, images = normal(world, CONTEXTS, SIZE), normal(world, IMAGES, SIZE)
        a, b = rng.integers(CONTEXTS, size=count), rng.integers(IMAGES, size=count)
        context, image = contexts[a], images[b]
        sign = np.sign(context[:, :1] * context[:, 1:2])
        said = {"context": context, "image": image,
                "text": np.concatenate([context, image * sign], axis=1)}  # fmt: skip
        fields: dict[str, Any] = {}
        for name, z in said.items():
            both = np.concatenate([z, normal(rng, count, SIZE, scale=0.4)], axis=1)
            fields[name] = np.tanh(both @ normal(world, both.shape[1], DIM, scale=1 / 3))
        return {**fields, "pair": a * IMAGES + b, "context_class": a, "image_class": b}
