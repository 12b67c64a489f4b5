"""Synthetic classes in two modalities: clusters, groups of classes, attributes, nuisances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal, unit
from mmjax.schema.bounds import Count, NonNegative


@dataclass(kw_only=True, eq=False, repr=False)
class FrozenClusters(Generated):
    """Clusters in a frozen embedding space, and a second modality with nuisance dimensions.

    Centroids C ~ N(0, I_8) of K classes, z = C_y + 0.3 e. `frozen` = unit(tanh(z W_q)) in R^32,
    W_q ~ N(0, 1/8); `trained` = tanh([z + 0.3 e'; n] W_u) in R^96 with n ~ N(0, nuisance² I_24),
    e' in training only, W_u ~ N(0, 1/8); `label` = y.

    The split 'classes' is laid out for zero-shot classification: its first K rows are the frozen
    vectors of the centroids, the others have `trained` alone, of the test rows; ids are classes.

    Args:
      split: 'train' (1,000 rows), 'test' (2,000) or 'classes' (2,000 and K).
      examples: number of rows, if another.
      classes: K.
      nuisance: standard deviation of n.
      seed: of everything.
    """

    split: Literal["train", "test", "classes"] = "train"
    classes: Count = 20
    nuisance: NonNegative = 1.0

    name = "frozen_clusters"
    splits: ClassVar = {"train": 1000, "test": 2000, "classes": 2000}
    streams: ClassVar = {"classes": 1}  # its rows are those of the test
    modalities = ("frozen", "trained")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        centroids = normal(world, self.classes, 8)
        frozen = normal(world, 8, 32, scale=8**-0.5)
        trained = normal(world, 8 + 24, 96, scale=8**-0.5)
        y = rng.integers(self.classes, size=count)
        z = centroids[y] + normal(rng, count, 8, scale=0.3)
        extra = normal(rng, count, 8, scale=0.3 if self.split == "train" else 0.0)
        n = normal(rng, count, 24, scale=self.nuisance)
        q = unit(np.tanh(z @ frozen))
        u = np.tanh(np.concatenate([z + extra, n], axis=1) @ trained)
        if self.split != "classes":
            return {"frozen": q, "trained": u, "label": y}
        vectors, ids = (
            unit(np.tanh(centroids @ frozen)),
            np.concatenate([np.arange(self.classes), y]),
        )
        return {
            "frozen": [*vectors, *[None] * count],
            "trained": [*[None] * self.classes, *u],
            "label": ids,
            "id": ids,
        }


@dataclass(kw_only=True, eq=False, repr=False)
class GroupedClasses(Generated):
    """Skeletons and inertial measurements of activities that come in groups of similar ones.

    K classes in K/4 groups: group mean N(0, I_16), class mean = group + 0.5 N(0, I_16), h = class +
    0.3 N(0, I_16). `skeleton` = tanh(1.2 [h; 8 private N(0,1)] W_s) + 0.1 noise in R^60, `imu`
    likewise in R^36 with privates and W of its own, W ~ N(0, 1/24); `label` is the class.

    Args:
      split: 'train' (4,000 rows), 'probe' (400, to fit a probe on) or 'test' (1,000).
      examples: number of rows, if another.
      classes: K, a multiple of 4.
      ids: `row`, or `class`, so that retrieval counts any row of the right class.
      seed: of everything.
    """

    split: Literal["train", "probe", "test"] = "train"
    classes: Count = 100
    ids: Literal["row", "class"] = "row"

    name = "grouped_classes"
    splits: ClassVar = {"train": 4000, "probe": 400, "test": 1000}
    modalities = ("skeleton", "imu")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.classes < 4 or self.classes % 4:
            raise ValueError(f"grouped_classes: classes={self.classes} must be a multiple of 4")
        means = np.repeat(normal(world, self.classes // 4, 16), 4, axis=0)
        means = means + normal(world, self.classes, 16, scale=0.5)
        y = rng.integers(self.classes, size=count)
        h = means[y] + normal(rng, count, 16, scale=0.3)
        fields = {}
        for name, size in (("skeleton", 60), ("imu", 36)):
            weights = normal(world, 24, size, scale=24**-0.5)
            seen = np.concatenate([h, normal(rng, count, 8)], axis=1)
            fields[name] = np.tanh(1.2 * seen @ weights) + normal(rng, count, size, scale=0.1)
        fields["label"] = y
        return {**fields, "id": y} if self.ids == "class" else fields


@dataclass(kw_only=True, eq=False, repr=False)
class NuisancePairs(Generated):
    """Images and texts of one class instance, each with nuisances of its own.

    Centroids C ~ N(0, I_16) of 40 classes, z = C_y + 0.5 e; `image` = tanh([z; n_i] W_i) and
    `text` = tanh([z; n_t] W_t) in R^64, nuisances in R^8, W ~ N(0, 1/16); `label` = y.

    Args:
      split: 'train' (8,000 rows), 'tune' (1,024) or 'test' (1,000).
      examples: number of rows, if another.
      classes: only the first so many of the 40 classes occur.
      seed: of everything.
    """

    split: Literal["train", "tune", "test"] = "train"
    classes: Count = 40

    name = "nuisance_pairs"
    splits: ClassVar = {"train": 8000, "tune": 1024, "test": 1000}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if not 1 <= self.classes <= 40:
            raise ValueError(f"nuisance_pairs: classes={self.classes} must be in 1..40")
        centroids = normal(world, 40, 16)
        y = rng.integers(self.classes, size=count)
        z = centroids[y] + normal(rng, count, 16, scale=0.5)
        fields = {}
        for name in ("image", "text"):
            weights = normal(world, 24, 64, scale=0.25)
            fields[name] = np.tanh(np.concatenate([z, normal(rng, count, 8)], 1) @ weights)
        fields["label"] = y
        return fields


@dataclass(kw_only=True, eq=False, repr=False)
class AttributeClasses(Generated):
    """Classes that are patterns of attributes, some of which any two of them share.

    20 classes, each a random pattern of 12 attributes ±1; x = tanh(1.5 tanh([attributes; 12
    nuisances N(0, 1)] W1) W2) + 0.3 noise in R^64, W1 ~ N(0, 1/12) to 64 and W2 ~ N(0, 1/64);
    `label` is the class, `attributes` its pattern.

    Args:
      split: 'train' (4,000 rows) or 'test' (2,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"

    name = "attribute_classes"
    splits: ClassVar = {"train": 4000, "test": 2000}
    modalities = ("x",)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        patterns = world.choice(np.array([-1, 1], np.float32), size=(20, 12))
        first, second = normal(world, 24, 64, scale=12**-0.5), normal(world, 64, 64, scale=1 / 8)
        y = rng.integers(20, size=count)
        seen = np.concatenate([patterns[y], normal(rng, count, 12)], axis=1)
        x = np.tanh(1.5 * np.tanh(seen @ first) @ second) + normal(rng, count, 64, scale=0.3)
        return {"x": x, "label": y, "attributes": patterns[y]}
