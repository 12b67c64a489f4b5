"""Synthetic data of named concepts: scenes with captions, pairs of concepts, actions with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit


@dataclass(kw_only=True, eq=False, repr=False)
class ConceptPairs(Generated):
    """Two concepts in an image and in its text, a strong one and a weak one.

    12 concepts with random unit codes u_k for images and w_k for texts, in R^32; a sample has two
    different ones, k1 and k2. `image` = tanh(1.5 tanh(1.5 (0.6 u_k1 + 0.4 u_k2 + 0.1 n) A) B) + 0.2
    noise, A 32 x 64 of N(0, 1), B 64 x 64 of N(0, 1/64); `text` likewise with w and matrices of its
    own. `label` = k1, `concepts` has a 1 for both.

    Args:
      split: 'train' (600 rows) or 'test' (2,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "concept_pairs"
    splits: ClassVar = {"train": 600, "test": 2000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        first = rng.integers(12, size=count)
        second = (first + rng.integers(1, 12, size=count)) % 12
        fields = {}
        for name in ("image", "text"):
            codes = unit(normal(world, 12, 32))
            a, b = normal(world, 32, 64), normal(world, 64, 64, scale=1 / 8)
            mixed = 0.6 * codes[first] + 0.4 * codes[second] + normal(rng, count, 32, scale=0.1)
            seen = np.tanh(1.5 * np.tanh(1.5 * mixed @ a) @ b)
            fields[name] = seen + normal(rng, count, 64, scale=0.2)
        fields["label"] = first
        fields["concepts"] = np.eye(12, dtype=np.float32)[first] + np.eye(12)[second]
        return fields


@dataclass(kw_only=True, eq=False, repr=False)
class NamedActions(Generated):
    """Utterances of actions that three corpora name differently.

    20 actions; e_a unit in R^16, and the name of action a in corpus s = 1..3 is embedded as
    unit(e_a + 0.1 eps): 60 labels, of which synonyms are near-duplicates. Utterance `x` =
    tanh([Z_a + 0.7 eps; 2 S_s + 0.3 eps; n] W) in R^128, Z and S in R^8, n in R^24, all N(0, 1),
    W ~ N(0, 1/16). `name` is the embedded name, `label` the number of action and corpus, `action`
    that of the action.

    In the split 'train' a record's `x` is the list of all utterances of its label, so that a view
    takes one of them at random, and the views `x` and `x@2` are a pair of one label.

    Args:
      split: 'train' (3,000 rows), 'test' (2,000, of the three corpora) or 'unseen' (2,000, of a
        fourth one).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test", "unseen"] = "train"

    name = "named_actions"
    splits: ClassVar = {"train": 3000, "test": 2000, "unseen": 2000}
    modalities = ("x", "name")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        meaning, style = normal(world, 20, 8), normal(world, 4, 8)
        actions = unit(normal(world, 20, 16))
        names = unit(actions[:, None] + normal(world, 20, 4, 16, scale=0.1))
        weights = normal(world, 8 + 8 + 24, 128, scale=0.25)
        a = rng.integers(20, size=count)
        s = np.full(count, 3) if self.split == "unseen" else rng.integers(3, size=count)
        parts = (
            meaning[a] + normal(rng, count, 8, scale=0.7),
            2 * style[s] + normal(rng, count, 8, scale=0.3),
            normal(rng, count, 24),
        )
        x = np.tanh(np.concatenate(parts, axis=1) @ weights)
        label = 3 * a + s if self.split != "unseen" else 60 + a
        values = list(x)
        if self.split == "train":
            by_label: dict[int, list[np.ndarray]] = {}
            for row, own in zip(x, label, strict=True):
                by_label.setdefault(int(own), []).append(row)
            values = [by_label[int(own)] for own in label]
        return {"x": values, "name": names[a, s], "label": label, "action": a}


@dataclass(kw_only=True, eq=False, repr=False)
class ConceptSets(Generated):
    """Three concepts in patches of a scene and in words of a caption, among clutter and fillers.

    64 concepts, of which a sample has 3. `image`, f32[16, 32]: each concept in 1 to 5 patches
    (uniform) that are different, as e_c + 0.5 N(0, I), the other patches N(0, I). `text`, f32[3..6,
    32]: a token for each concept, in random order, and 0 to 3 fillers of a list of 20 at random
    places. Vectors of concepts (one table for each modality) and fillers are N(0, I_32) and fixed.
    `concepts` is the sorted triple; the id is that of the triple, so equal ones are equally right.

    Args:
      split: 'train' (6,000 rows) or 'test' (1,000 of different triples).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "concept_sets"
    splits: ClassVar = {"train": 6000, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        seen, said, fillers = normal(world, 64, 32), normal(world, 64, 32), normal(world, 20, 32)
        triples: list[tuple[int, ...]] = []
        images, texts, taken = [], [], set()
        while len(triples) < count:
            triple = tuple(sorted(rng.choice(64, 3, replace=False).tolist()))
            if self.split == "test" and triple in taken:
                continue
            taken.add(triple)
            triples.append(triple)
            images.append(self._image(rng, seen[list(triple)]))
            texts.append(self._text(rng, said[list(triple)], fillers))
        ids = np.array([(a * 64 + b) * 64 + c for a, b, c in triples])
        return {"image": images, "text": texts, "concepts": triples, "id": ids}

    @staticmethod
    def _image(rng: np.random.Generator, vectors: np.ndarray) -> np.ndarray:
        patches, free = normal(rng, 16, 32), rng.permutation(16)
        start = 0
        for vector in vectors:
            places = free[start : start + rng.integers(1, 6)]
            patches[places] = vector + 0.5 * patches[places]
            start += len(places)
        return patches

    @staticmethod
    def _text(rng: np.random.Generator, words: np.ndarray, fillers: np.ndarray) -> np.ndarray:
        extra = fillers[rng.integers(20, size=rng.integers(4))]
        return rng.permutation(np.concatenate([words, extra]), axis=0)
