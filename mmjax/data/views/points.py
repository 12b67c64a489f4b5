"""Shapes to point clouds: sample, centre, scale, rotate, jitter."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from mmjax.data.formats.shapes import read_shape, sample_surface
from mmjax.data.records import unusable
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import BelowOne, Bounds, Count, Fraction, NonNegative, Portion

Rotation = Literal["none", "up", "any"]
Axis = Literal["x", "y", "z"]


class PointsView(View):
    """A mesh or a set of points as f32[count, channels]; rows of NaN follow a smaller set.

    The value is an array [N, 3 or more], or the bytes of an OBJ, PLY, XYZ, NPY, STL, OFF or GLB
    file (see `formats.shapes`). Points of a mesh are drawn uniformly from its surface, those of a
    set without repetition; drawn again at every visit in training, always the same in evaluation.
    Coordinates are moved to the middle of the cloud and scaled to its largest distance (Qi et al.
    2017, PointNet, section 5.1: the unit sphere); further channels, such as colours, stay as they
    are.

    Args:
      count: number of points.
      channels: 3, or more where the shapes have them.
      normalize: whether to move and scale.
      rotate: in training, a random turn: `up` around the axis that points up, `any` in space.
      up: the axis that points up.
      mirror: probability, in training, of a mirror image from left to right.
      scale: in training, sizes along each axis are drawn from [1 - x, 1 + x].
      jitter: standard deviation of noise on every coordinate, in training.
      keep: in training, the smallest share of points that is kept; the others are NaN. From this
        to 1, uniform.

    Attributes:
      shape: (count, channels).
      dtype: float32.
    """

    def __init__(
        self,
        *,
        count: Count,
        channels: Annotated[int, Bounds(ge=3, le=2**24)] = 3,
        normalize: bool = True,
        rotate: Rotation = "none",
        up: Axis = "y",
        mirror: Fraction = 0.0,
        scale: BelowOne = 0.0,
        jitter: NonNegative = 0.0,
        keep: Portion = 1.0,
    ):
        self.normalize, self.rotate, self.up = normalize, rotate, "xyz".index(up)
        self.mirror, self.scale, self.jitter, self.keep = mirror, scale, jitter, keep
        self.shape, self.dtype = (count, channels), np.dtype(np.float32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        shape = read_shape(pick(value, rng, train))
        count, channels = self.shape
        if shape.points.shape[1] < channels:
            raise unusable(
                f"its points have {shape.points.shape[1]} numbers, but the view takes {channels}"
            )
        draw = required(rng) if train else np.random.default_rng(0)
        if shape.faces is not None:
            points = sample_surface(shape, count, draw)
        else:
            points = shape.points[draw.permutation(len(shape.points))[:count]]
        points = points[:, :channels].copy()
        if self.normalize:
            points[:, :3] = unit_sphere(points[:, :3])
        if train:
            points = self._augment(points, draw)
        cloud = np.full(self.shape, np.nan, np.float32)
        cloud[: len(points)] = points
        if not np.isfinite(cloud[: len(points)]).all():
            raise unusable("its coordinates are too large for 32 bits")
        return cloud

    def _augment(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        xyz = points[:, :3] * (1 + self.scale * (2 * rng.random(3) - 1))
        if rng.random() < self.mirror:
            xyz[:, (self.up + 1) % 3] *= -1
        if self.rotate != "none":
            xyz = xyz @ rotation(rng, self.up if self.rotate == "up" else None)
        if self.jitter:
            xyz = xyz + self.jitter * rng.standard_normal(xyz.shape)
        points[:, :3] = xyz
        share = self.keep + (1 - self.keep) * rng.random()
        return points[: max(1, round(share * len(points)))]  # they are in random order already


def unit_sphere(points: np.ndarray) -> np.ndarray:
    """Points f[N, 3] about their mean, the farthest at distance 1; one place alone goes to 0."""
    points = points - points.mean(axis=0)
    largest = np.sqrt((points**2).sum(axis=1).max())
    return points / largest if largest > 0 else points


def rotation(rng: np.random.Generator, axis: int | None) -> np.ndarray:
    """A random turn f64[3, 3], for rows: about one axis, or uniform in space."""
    if axis is None:
        q, r = np.linalg.qr(rng.standard_normal((3, 3)))
        q = q * np.sign(np.diagonal(r))  # now uniform among the orthogonal matrices
        proper: np.ndarray = q if np.linalg.det(q) > 0 else -q
        return proper
    angle = 2 * np.pi * rng.random()
    turn = np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[a, a] = turn[b, b] = np.cos(angle)
    turn[a, b], turn[b, a] = np.sin(angle), -np.sin(angle)
    return turn
