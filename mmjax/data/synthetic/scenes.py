"""Compositional scenes of two coloured shapes, with captions, and hard negatives of both.

What bags of words cannot tell: "a red circle left of a blue square" and "a blue circle left of a
red square" have the same words, and their images the same colours and shapes (Yuksekgonul et al.
2023, "When and why vision-language models behave like bags-of-words", arXiv 2210.01936).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated
from mmjax.schema.bounds import Count, Fraction

SHAPES = ("circle", "square", "triangle", "cross", "ring")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (50, 80, 220),
    "yellow": (235, 205, 40),
    "purple": (150, 60, 180),
    "black": (30, 30, 30),
}
RELATIONS = ("left of", "right of", "above", "below")
CONVERSE = np.array([1, 0, 3, 2])  # "a left of b" is "b right of a"
_WAY = np.array(
    [[-1, 0], [1, 0], [0, -1], [0, 1]], np.float32
)  # of the first, seen from the second
KINDS = ("colours", "shapes", "places")  # what is exchanged in the hard negatives


@dataclass(kw_only=True, eq=False, repr=False)
class CompositionalScenes(Generated):
    """Images u8[size, size, 3] of two shapes, and captions: "a red ring above a blue cross".

    A scene is (shape s1, colour c1, shape s2, colour c2, relation r) with s1 ≠ s2 and c1 ≠ c2, each
    uniform. Sides are counted from 0 to 1: radii R1, R2 ~ U(0.12, 0.18); with the relation's way w,
    such as (-1, 0), the centres are m ± 0.22 w + U(-0.05, 0.05)² each, m = (0.5, 0.5), moved by
    U(-0.1, 0.1) across the way. On white; the second shape would lie over the first, if they met.
    At (x, y) from its centre, in radii: a circle is |p| ≤ 1, a ring 0.55 ≤ |p| ≤ 1, a square
    max(|x|, |y|) ≤ 0.88, a cross that and min(|x|, |y|) ≤ 0.3, a triangle -1 ≤ y ≤ 0.75 and
    |x| ≤ 0.55 (y + 1). Every pixel is the mean of 2 x 2 points.

    `text` has two alternatives that say the same: "a A left of a B" and "a B right of a A". The id
    is the number of the scene without its places, the same for both sayings, so that retrieval
    takes every image of a scene as right. With `negatives`, `image_negative` and `text_negative`
    have three alternatives each: the scene with its colours, its shapes, or its places exchanged,
    at the same centres and with the same radii. `scene` is i64[5].

    With `described`, a noisy captioner tells what is in the image: `description` lists both shapes
    with their places, "red ring above ; blue cross below", in random order, and redraws every
    colour and shape and exchanges both places with the probability `errors` each (that of "vision-
    free" retrieval by descriptions: Ntinou et al. 2025, LexiCLIP, arXiv 2509.19203). And
    `text_colours`, `text_shapes` and `text_places` are the captions of the hard negatives, one by
    one.

    The split 'hard' has each scene and its three negatives as rows, so that retrieval in it is
    against them. In 'new_pairs' at least one shape has a colour, and in all other splits none has,
    for which (shape + colour) % 6 == 0: every shape and every colour is trained, but one of six of
    their pairs is not.

    Args:
      split: 'train' (4,000 rows), 'test' (1,000), 'new_pairs' (1,000) or 'hard' (1,000, by fours).
      examples: number of rows, if another.
      size: side of an image in pixels.
      negatives: whether records have the hard negatives.
      described: whether records have descriptions, and captions to tell apart from the right one.
      errors: of the descriptions.
      phrasing: of the descriptions: the 'colour' first, as in captions, or the 'shape', "ring : red
        , above".
      seed: of everything.
    """

    split: Literal["train", "test", "new_pairs", "hard"] = "train"
    size: Count = 32
    negatives: bool = False
    described: bool = False
    errors: Fraction = 0.05
    phrasing: Literal["colour", "shape"] = "colour"

    name = "compositional_scenes"
    splits: ClassVar = {"train": 4000, "test": 1000, "new_pairs": 1000, "hard": 1000}

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.size < 8:
            raise ValueError(f"compositional_scenes: size={self.size} must be at least 8")
        if self.split == "hard" and count % 4:
            raise ValueError(f"compositional_scenes: examples={count} of 'hard' go by fours")
        drawn = count // 4 if self.split == "hard" else count
        scenes = draw_scenes(rng, drawn, new=self.split == "new_pairs")
        centres, radii = place(rng, scenes)
        worse = [exchange(scenes, kind) for kind in KINDS]
        if self.split == "hard":
            scenes = np.stack([scenes, *worse], axis=1).reshape(-1, 5)
            # Where places are exchanged, so are the centres: what is left is at the left.
            centres, radii = np.repeat(centres, 4, axis=0), np.repeat(radii, 4, axis=0)
            centres[3::4], radii[3::4] = centres[3::4, ::-1], radii[3::4, ::-1]
            worse = [exchange(scenes, kind) for kind in KINDS]
        fields: dict[str, Any] = {
            "image": render(scenes, centres, radii, self.size),
            "text": [[caption(s), caption(converse(s))] for s in scenes],
        }
        if self.negatives:
            other = [
                render(w, *_moved(centres, radii, k), self.size)
                for w, k in zip(worse, KINDS, strict=True)
            ]
            fields["image_negative"] = [list(images) for images in zip(*other, strict=True)]
            fields["text_negative"] = [
                list(map(caption, rows)) for rows in zip(*worse, strict=True)
            ]
        if self.described:
            fields["description"] = self._described(scenes, rng)
            fields |= {
                f"text_{k}": list(map(caption, w)) for k, w in zip(KINDS, worse, strict=True)
            }
        self.modalities = tuple(fields)
        self.id_limit = len(SHAPES) ** 2 * len(COLOURS) ** 2 * len(RELATIONS)
        return {**fields, "scene": scenes, "id": number(scenes)}

    def _described(self, scenes: np.ndarray, rng: np.random.Generator) -> list[str]:
        """What a captioner that errs says of scenes i64[N, 5]."""
        counts = (len(SHAPES), len(COLOURS)) * 2
        said = scenes.copy()
        said[:, :4] = np.where(
            rng.random((len(scenes), 4)) < self.errors,
            np.stack([rng.integers(n, size=len(scenes)) for n in counts], axis=1),
            scenes[:, :4],
        )
        flipped = rng.random(len(scenes)) < self.errors
        said[:, 4] = np.where(flipped, CONVERSE[scenes[:, 4]], scenes[:, 4])
        turned = rng.random(len(scenes)) < 0.5
        said = np.where(turned[:, None], converse(said), said)
        return [description(scene, self.phrasing) for scene in said]


def draw_scenes(rng: np.random.Generator, count: int, new: bool) -> np.ndarray:
    """Scenes i64[count, 5], all of trained pairs or, if `new`, with at least one that is not."""
    found = np.empty((0, 5), np.int64)
    while len(found) < count:
        s1, s2 = rng.integers(len(SHAPES), size=(2, 4 * count + 64))
        c1, c2 = rng.integers(len(COLOURS), size=(2, 4 * count + 64))
        r = rng.integers(len(RELATIONS), size=4 * count + 64)
        scenes = np.stack([s1, c1, s2, c2, r], axis=1)
        # Exchanged colours make other pairs, which have to be of the split as well.
        pairs = np.stack([held_out(a, b) for a in (s1, s2) for b in (c1, c2)])
        right = pairs[[0, 3]].any(axis=0) if new else ~pairs.any(axis=0)
        found = np.concatenate([found, scenes[(s1 != s2) & (c1 != c2) & right]])
    return found[:count]


def held_out(shape: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Whether training never shows this shape in this colour, bool."""
    never: np.ndarray = (shape + colour) % 6 == 0
    return never


def place(rng: np.random.Generator, scenes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres f32[N, 2, 2] (x, y) and radii f32[N, 2] of both shapes, of a side of 1."""
    way = _WAY[scenes[:, 4]]
    across = 1 - np.abs(way)
    middle = 0.5 + 0.1 * across * rng.uniform(-1, 1, way.shape)
    ends = np.stack([middle + 0.22 * way, middle - 0.22 * way], axis=1)
    centres = ends + rng.uniform(-0.05, 0.05, ends.shape)
    return centres.astype(np.float32), rng.uniform(0.12, 0.18, centres.shape[:2]).astype(np.float32)


def exchange(scenes: np.ndarray, kind: str) -> np.ndarray:
    """Scenes with the `colours`, the `shapes` or the `places` of their two things exchanged."""
    order = {"colours": [0, 3, 2, 1, 4], "shapes": [2, 1, 0, 3, 4], "places": [0, 1, 2, 3, 4]}[kind]
    scenes = scenes[:, order].copy()
    if kind == "places":
        scenes[:, 4] = CONVERSE[scenes[:, 4]]
    return scenes


def _moved(centres: np.ndarray, radii: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    return (centres[:, ::-1], radii[:, ::-1]) if kind == "places" else (centres, radii)


def converse(scene: np.ndarray) -> np.ndarray:
    """The same scene, said the other way round: i64[..., 5]."""
    said = scene[..., [2, 3, 0, 1, 4]].copy()
    said[..., 4] = CONVERSE[said[..., 4]]
    return said


def number(scenes: np.ndarray) -> np.ndarray:
    """i64[N], one number for a scene, however it is said."""
    base = np.array(
        [
            len(COLOURS) * len(SHAPES) * len(COLOURS) * len(RELATIONS),
            len(SHAPES) * len(COLOURS) * len(RELATIONS),
            len(COLOURS) * len(RELATIONS),
            len(RELATIONS),
            1,
        ]
    )
    first = scenes[:, 4] % 2 == 0  # left of and above, not right of and below
    numbers: np.ndarray = np.where(first[:, None], scenes, converse(scenes)) @ base
    return numbers


def caption(scene: np.ndarray) -> str:
    """ "a red circle left of a blue square"."""
    s1, c1, s2, c2, r = scene
    colours = tuple(COLOURS)
    return f"a {colours[c1]} {SHAPES[s1]} {RELATIONS[r]} a {colours[c2]} {SHAPES[s2]}"


def description(scene: np.ndarray, phrasing: str) -> str:
    """ "red circle left ; blue square right", or "circle : red , left ; square : blue , right"."""
    s1, c1, s2, c2, r = scene
    colours = tuple(COLOURS)
    items = []
    for shape, colour, place in ((s1, c1, r), (s2, c2, CONVERSE[r])):
        what, tint, where = SHAPES[shape], colours[colour], RELATIONS[place].removesuffix(" of")
        told = f"{tint} {what} {where}" if phrasing == "colour" else f"{what} : {tint} , {where}"
        items.append(told)
    return " ; ".join(items)


def render(scenes: np.ndarray, centres: np.ndarray, radii: np.ndarray, size: int) -> np.ndarray:
    """Images u8[N, size, size, 3] of scenes i64[N, 5]."""
    at = (np.arange(2 * size, dtype=np.float32) + 0.5) / (2 * size)
    tints = np.array(list(COLOURS.values()), np.float32)
    pictures = np.empty((len(scenes), size, size, 3), np.uint8)
    step = max(1, 2**22 // (4 * size * size))  # some megabytes at a time
    for start in range(0, len(scenes), step):
        part = slice(start, start + step)
        canvas = np.full((len(scenes[part]), 2 * size, 2 * size, 3), 255, np.float32)
        for k in (0, 1):
            x = (at - centres[part, k, 0, None]) / radii[part, k, None]
            y = (at - centres[part, k, 1, None]) / radii[part, k, None]
            inside = _inside(scenes[part, 2 * k], x[:, None, :], y[:, :, None])
            tint = tints[scenes[part, 2 * k + 1]][:, None, None]
            canvas = np.where(inside[..., None], tint, canvas)
        means = canvas.reshape(-1, size, 2, size, 2, 3).mean(axis=(2, 4))
        pictures[part] = np.rint(means).astype(np.uint8)
    return pictures


def _inside(shapes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points are in the shape of their scene: i64[N], f32[N, 1, P], f32[N, P, 1] -> bool."""
    square = np.maximum(np.abs(x), np.abs(y))
    length = np.sqrt(x**2 + y**2)
    masks = (
        length <= 1,
        square <= 0.88,
        (y >= -1) & (y <= 0.75) & (np.abs(x) <= 0.55 * (y + 1)),
        (square <= 0.88) & (np.minimum(np.abs(x), np.abs(y)) <= 0.3),
        (length >= 0.55) & (length <= 1),
    )
    return np.select([(shapes == i)[:, None, None] for i in range(len(SHAPES))], masks)
