"""Scenes of four regions, and prompts of two kinds that say, in part or whole, what one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

SHAPES, COLOURS, CODE, REGIONS = 10, 10, 16, 4
DIM, LENGTH = 2 * CODE, 2
ANY = ("any-shape", "any-colour")
WORDS = (
    *(f"shape{number}" for number in range(SHAPES)),
    *(f"colour{number}" for number in range(COLOURS)),
    *ANY,
)


@dataclass(kw_only=True, eq=False, repr=False)
class PromptedRegions(Generated):
    """Regions with a shape of 10 and a colour of 10, and prompts that leave one of both open.

    An identity is a shape and a colour, each with a code of N(0, I_16); it looks like tanh(1.5
    [shape, colour] M) + 0.2 N(0, I_32), M f[32, 32] of N(0, 1/32). `image`, f32[4, 32], has four
    regions in random order: the target, one that has its shape, one that has its colour, and one
    that has neither. `text` is a word for the shape and one for the colour, `visual`, f32[32], the
    identity drawn anew; where the prompt leaves a factor open, its word is another, and its code 0.
    `fits`, f32[4], says which regions fit the prompt, `region`, u8[4], which is the target.

    Rows of 'train' have one of the prompts, in turn; it leaves out the shape, or the colour, with
    probability 1/4 each. Those of 'test' have a text without the shape and a visual prompt without
    the colour, those of 'conflict' a visual prompt of a colour that no region has, and 'identities'
    has both prompts, whole, of each of the 100 identities, without a scene. After the prompts of
    Zou et al. 2023 (arXiv 2304.06718, SEEM).

    Args:
      split: 'train' (20,000 rows), 'test' (1,000), 'conflict' (1,000) or 'identities' (100).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "test", "conflict", "identities"] = "train"

    name = "prompted_regions"
    splits: ClassVar = {"train": 20_000, "test": 1000, "conflict": 1000, "identities": 100}

    def __post_init__(self) -> None:
        self.modalities = ("text", "visual") if self.split == "identities" else (
            "image", "text", "visual")  # fmt: skip
        super().__post_init__()

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        codes = (normal(world, SHAPES, CODE), normal(world, COLOURS, CODE))
        mixing = normal(world, DIM, DIM, scale=DIM**-0.5)

        def seen(identity: np.ndarray) -> np.ndarray:
            """Features f32[..., 32] of (shape, colour) i[..., 2], where -1 is an open factor."""
            parts = [
                np.where(number[..., None] < 0, 0, code[number])
                for code, number in zip(codes, np.moveaxis(identity, -1, 0), strict=True)
            ]
            features = np.tanh(1.5 * np.concatenate(parts, axis=-1) @ mixing)
            noisy: np.ndarray = features + 0.2 * rng.standard_normal(features.shape)
            return noisy.astype(np.float32)

        if self.split == "identities":
            every = np.stack(np.divmod(np.arange(count) % (SHAPES * COLOURS), COLOURS), axis=1)
            return {"text": _said(every), "visual": seen(every)}
        target, other, last = (_identities(rng, count) for _ in range(3))
        other, last = (_apart(rng, each, target) for each in (other, last))
        regions = np.stack([target, target, target, last], axis=1)
        regions[:, 1, 1], regions[:, 2, 0] = other[:, 1], other[:, 0]
        order = np.argsort(rng.random((count, REGIONS)), axis=1)
        regions = np.take_along_axis(regions, order[..., None], axis=1)
        fields = {"image": seen(regions), "region": (order == 0).astype(np.uint8)}
        if self.split == "train":
            draw = rng.random(count)
            prompt = target.copy()
            prompt[draw < 0.25, 0] = -1
            prompt[draw >= 0.75, 1] = -1
            fits = ((prompt[:, None] < 0) | (prompt[:, None] == regions)).all(-1)
            texts, shown = _said(prompt), seen(prompt)
            even = np.arange(count) % 2 == 0
            return {
                **fields,
                "text": [text if own else None for text, own in zip(texts, even, strict=True)],
                "visual": [None if own else each for each, own in zip(shown, even, strict=True)],
                "fits": fits.astype(np.float32),
            }
        by_text, by_look = target.copy(), target.copy()
        by_text[:, 0] = -1
        by_look[:, 1] = -1 if self.split == "test" else _absent(rng, regions[..., 1])
        return {**fields, "text": _said(by_text), "visual": seen(by_look)}


def _identities(rng: np.random.Generator, count: int) -> np.ndarray:
    """(shape, colour) i[N, 2]."""
    return np.stack([rng.integers(SHAPES, size=count), rng.integers(COLOURS, size=count)], axis=1)


def _apart(rng: np.random.Generator, identity: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Identities i[N, 2], both factors of which differ from those of `other`."""
    shifts = rng.integers(1, (SHAPES, COLOURS), size=identity.shape)
    return np.where(identity == other, (identity + shifts) % (SHAPES, COLOURS), identity)


def _absent(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    """Colours i[N], none of those of the regions i[N, 4]."""
    draw = rng.random((len(colours), COLOURS))
    np.put_along_axis(draw, colours, -1.0, axis=1)
    return np.asarray(draw.argmax(1))


def _said(identity: np.ndarray) -> list[str]:
    return [
        f"{ANY[0] if shape < 0 else f'shape{shape}'} {ANY[1] if colour < 0 else f'colour{colour}'}"
        for shape, colour in identity
    ]
