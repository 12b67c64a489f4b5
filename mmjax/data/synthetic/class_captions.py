"""Classes of images, and captions that say a class and two attributes: for matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import NonNegative, Positive

LATENT, IMAGE, TEXT, ATTRIBUTES = 16, 96, 64, 12
OTHERS, CLASSES, SHOTS, CAPTIONS, WITHIN = 100, 30, 5, 40, 9


@dataclass(kw_only=True, eq=False, repr=False)
class ClassCaptions(Generated):
    """Images of a class with two of 12 attributes, and captions of classes with any two.

    A class is C and an attribute B, both of N(0, I_16). Of what a row has, `image` f[96] is
    tanh(g [0.6 C, ΣB] V + s e) and a caption f[64] is tanh(g [0.6 C, ΣB] W), V and W ~ N(0, 1/32),
    with the gain g and the noise s.

    A row of 'pretrain' is one of 100 other classes, and `text` is its own caption + 0.1 e. The
    other splits have 30 classes. In 'train', of 5 images each, `text` are 40 captions of the class
    with random pairs of attributes, the same for all its images; `text_wrong` the same pairs with a
    random class each; `class_name` is that of ΣB = 0. In 'test', `text` is a row's own caption and
    `text_1` to `text_9` are captions of its class with other pairs.

    Args:
      split: 'pretrain' (6,000 rows), 'train' (150) or 'test' (1,200).
      examples: number of rows, if another.
      noise: of images.
      gain: by which both maps are multiplied: the larger, the more is cut off.
      seed: of everything.
    """

    split: Literal["pretrain", "train", "test"] = "pretrain"
    noise: NonNegative = 1.0
    gain: Positive = 5.0

    name = "class_captions"
    splits: ClassVar = {"pretrain": 6000, "train": CLASSES * SHOTS, "test": 1200}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        classes = 0.6 * normal(world, OTHERS + CLASSES, LATENT)
        attributes = normal(world, ATTRIBUTES, LATENT)
        to_image = normal(world, 2 * LATENT, IMAGE, scale=self.gain * (2 * LATENT) ** -0.5)
        to_text = normal(world, 2 * LATENT, TEXT, scale=self.gain * (2 * LATENT) ** -0.5)
        pairs = np.array([(a, b) for a in range(ATTRIBUTES) for b in range(a)])
        sums = attributes[pairs].sum(1)
        described = world.integers(len(pairs), size=(CLASSES, CAPTIONS))
        wrong = OTHERS + world.integers(CLASSES, size=(CLASSES, CAPTIONS))

        def seen(label: np.ndarray, total: np.ndarray) -> np.ndarray:
            found: np.ndarray = np.concatenate([classes[label], total], axis=-1)
            return found

        def caption(label: np.ndarray, total: np.ndarray) -> np.ndarray:
            said: np.ndarray = np.tanh(seen(label, total) @ to_text)
            return said

        if self.split == "pretrain":
            label = rng.integers(OTHERS, size=count)
        elif self.split == "train":
            label = OTHERS + np.arange(count) % CLASSES
        else:
            label = OTHERS + rng.integers(CLASSES, size=count)
        own = rng.integers(len(pairs), size=count)
        z = seen(label, sums[own]) @ to_image
        noise = np.float32(self.noise) * normal(rng, count, IMAGE)
        columns: dict[str, Any] = {"image": np.tanh(z + noise), "label": label}
        self.modalities = ("image", "text")
        if self.split == "pretrain":
            text = caption(label, sums[own])
            return {**columns, "text": text + 0.1 * normal(rng, *text.shape)}
        if self.split == "test":
            self.modalities += tuple(f"text_{i}" for i in range(1, WITHIN + 1))
            columns["text"] = caption(label, sums[own])
            shift = np.stack([rng.permutation(len(pairs) - 1)[:WITHIN] for _ in range(count)])
            for i in range(WITHIN):
                other = (own + 1 + shift[:, i]) % len(pairs)
                columns[f"text_{i + 1}"] = caption(label, sums[other])
            return columns
        self.modalities += ("text_wrong", "class_name")
        every = np.repeat(np.arange(CLASSES)[:, None], CAPTIONS, axis=1)
        told = caption(OTHERS + every, sums[described])
        astray = caption(wrong, sums[described])
        row = label - OTHERS
        return columns | {
            "text": [list(told[c]) for c in row],
            "text_wrong": [list(astray[c]) for c in row],
            "class_name": caption(label, np.zeros((count, LATENT), np.float32)),
        }
