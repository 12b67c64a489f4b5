"""Several modalities of one latent, each with a nuisance of its own: a general generator."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Bounds, Count, CountOrZero, Moderate, NonNegative
from mmjax.schema.names import PartName


@dataclasses.dataclass(frozen=True)
class LatentView:
    """What one modality sees of a latent z: `gain * f([z_of, n] M) + noise * e`.

    Attributes:
      dim: size of the vector; of the form `identity` that of the latent.
      form: f, `tanh` or `linear`; `identity` hands z on, without M and n.
      nuisance: size of n ~ N(0, nuisance_scale^2), which no other modality sees.
      nuisance_scale: its standard deviation.
      of: how many of the latent's first numbers it sees; None for all.
      gain: factor of what it sees.
      noise: standard deviation of e ~ N(0, 1).
      repeats: how often it sees each z, with other n and e each time; alternatives of the record.
    """

    dim: Count = 64
    form: Literal["tanh", "linear", "identity"] = "tanh"
    nuisance: CountOrZero = 0
    nuisance_scale: NonNegative = 1.0
    of: Count | None = None
    gain: Moderate = 1.0
    noise: NonNegative = 0.0
    repeats: Count = 1

    def draw(self, z: np.ndarray, world: np.random.Generator, rng: np.random.Generator) -> Any:
        """f32[N, dim] of z f32[N, L]; with `repeats` N lists of so many f32[dim]."""
        if self.repeats > 1:
            once = dataclasses.replace(self, repeats=1)
            drawn = once.draw(np.repeat(z, self.repeats, axis=0), world, rng)
            return [list(each) for each in drawn.reshape(len(z), self.repeats, -1)]
        seen = z[:, : self.of]
        if self.form != "identity":
            n = normal(rng, len(z), self.nuisance, scale=self.nuisance_scale)
            both = np.concatenate([seen, n], axis=1)
            seen = both @ normal(world, both.shape[1], self.dim, scale=both.shape[1] ** -0.5)
            seen = np.tanh(seen) if self.form == "tanh" else seen
        noise = np.float32(self.noise) * normal(rng, *seen.shape)
        return np.float32(self.gain) * seen + noise


@dataclass(kw_only=True, eq=False, repr=False)
class LatentViews(Generated):
    """Modalities that each see a latent z f32[latent] in a way of their own.

    z = c + spread e, c one of `clusters` centres of N(0, I) and e ~ N(0, I); without clusters z ~
    N(0, I). Each modality is as its `LatentView` says, with a matrix M ~ N(0, 1 / fan-in) that all
    splits share. `label` is the cluster (0 without), `quadrant` in 0..3 says the signs of z_0 and
    z_1.

    Args:
      split: 'train' (4,096 rows), 'probe' (2,000), 'paired' (2,000), 'validation' (1,000) or
        'test' (1,000).
      examples: number of rows, if another.
      latent: size of z, at least 2.
      clusters: number of centres; 0 for none.
      spread: standard deviation of z around its centre.
      views: modality -> what it sees.
      seed: of everything.
    """

    split: Literal["train", "probe", "paired", "validation", "test"] = "train"
    latent: Annotated[int, Bounds(ge=2, le=2**24)] = 16
    clusters: CountOrZero = 0
    spread: NonNegative = 0.5
    views: dict[PartName, LatentView] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(("a", "b"), LatentView())
    )

    name = "latent_views"
    splits: ClassVar = {
        "train": 4096, "probe": 2000, "paired": 2000, "validation": 1000, "test": 1000,
    }  # fmt: skip

    def __post_init__(self) -> None:
        if not self.views:
            raise ValueError("latent_views: 'views' names no modality")
        for name, view in self.views.items():
            if view.of is not None and view.of > self.latent:
                raise ValueError(
                    f"latent_views: views.{name}.of={view.of} is more than latent={self.latent}"
                )
        self.modalities = tuple(self.views)
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        label = np.zeros(count, np.int64)
        z = normal(rng, count, self.latent)
        if self.clusters:
            centres = normal(world, self.clusters, self.latent)
            label = rng.integers(self.clusters, size=count)
            z = centres[label] + np.float32(self.spread) * z
        fields = {name: view.draw(z, world, rng) for name, view in self.views.items()}
        return {**fields, "label": label, "quadrant": 2 * (z[:, 0] > 0) + (z[:, 1] > 0)}
