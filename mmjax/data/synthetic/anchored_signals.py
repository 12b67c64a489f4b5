"""Images and ECG-like signals that share some factors, and a text that names all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

LEVELS = 8
# Factors u_0, u_1 and u_2 of both signals, p of the image and q of the ECG.
WORDS = tuple(f"{factor}{level}" for factor in ("u", "v", "w", "p", "q") for level in range(LEVELS))
SIDE, LEADS, SAMPLES = 16, 12, 100


@dataclass(kw_only=True, eq=False, repr=False)
class AnchoredSignals(Generated):
    """An image and an ECG of one row share three of eight levels each, and have a fourth of their
    own; the text names all five, one word for each.

    `xray`, f32[16, 16], has a blob of standard deviation 1.2 in columns 2, 6 and 10, each in row 1
    + 2 u_k, and one in column 14 in row 1 + 2 p; and noise of 0.2. `ecg`, f32[12, 100], is a gain
    of U(0.5, 1.5) for each lead times (0.5 + 0.2 u_2) sin(2 pi (1 + u_1) t + 2 pi u_0 / 8), with a
    spike of height 3 on samples 6 + 12 q and the next; and noise of 0.2. `shared` are the three
    words of the factors that both have. After the triples of chest X-ray, ECG and report of Thapa
    et al. 2024 (arXiv 2410.16239, MoRE).

    Args:
      split: 'train' (6,000 rows), 'validation' or 'test' (500 each).
      examples: number of rows, if another.
      flat: image and ECG as vectors, f32[256] and f32[1200].
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    flat: bool = False

    name = "anchored_signals"
    splits: ClassVar = {"train": 6000, "validation": 500, "test": 500}
    modalities = ("xray", "ecg", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        levels = rng.integers(LEVELS, size=(count, 5))
        places = np.arange(SIDE, dtype=np.float32)
        across = np.exp(-((places - np.array([[2], [6], [10], [14]])) ** 2) / (2 * 1.2**2))
        rows = 1 + 2 * levels[:, :4, None]
        down = np.exp(-((places - rows) ** 2) / (2 * 1.2**2))
        xray = np.einsum("nkr,kc->nrc", down, across) + normal(rng, count, SIDE, SIDE, scale=0.2)
        u, q = levels[:, :3, None], levels[:, 4, None]
        t = np.arange(SAMPLES) / SAMPLES
        wave = (0.5 + 0.2 * u[:, 2]) * np.sin(
            2 * np.pi * (1 + u[:, 1]) * t + 2 * np.pi * u[:, 0] / LEVELS
        )
        gain = world.uniform(0.5, 1.5, size=(LEADS, 1))
        ecg = gain * wave[:, None] + normal(rng, count, LEADS, SAMPLES, scale=0.2)
        first = 6 + 12 * q
        ecg += 3 * ((np.arange(SAMPLES) == first) | (np.arange(SAMPLES) == first + 1))[:, None]
        words = np.array(WORDS).reshape(5, LEVELS)[np.arange(5), levels]
        fields = {"xray": xray.astype(np.float32), "ecg": ecg.astype(np.float32)}
        if self.flat:
            fields = {name: value.reshape(count, -1) for name, value in fields.items()}
        text = [" ".join(row) for row in words]
        return {**fields, "text": text, "shared": words[:, :3].tolist()}
