"""Pairs of a text and an image, a sound or code: modalities that may be in each other's way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal

LATENT, PLACES, CODES = 16, 8, 64
OTHERS = ("image", "sound", "code")
WORDS = (*(f"t{number}" for number in range(CODES)), *(f"c{number}" for number in range(CODES)))
_NOISE = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class SkillPairs(Generated):
    """Two modalities of a latent z ~ N(0, I_16): `text`, and one of `image`, `sound`, `code`.

    `text` has eight words: z P_j + 0.1 e, P_j f[16, 2] of N(0, 1/4), is quantized to the nearest of
    64 codewords of N(0, 1.44 I_2), each place j with a P and codewords of its own. `code` is the
    same with others, and other words. `image`, f32[8, 8], is eight patches of tanh(4 tanh(1.5 z
    W1) W2) + 0.1 e, W1 f[16, 64] of N(0, 1/16) and W2 f[64, 64] of N(0, 1/64); `sound`, f32[16, 8],
    sixteen frames of sin(1.5 z W) + 0.1 e, W f[16, 128] of N(0, 1/16). The rows of the three kinds
    of pairs are different ones. After the tasks of Dai et al. 2022 (arXiv 2205.06126, SkillNet).

    Args:
      split: 'train' (3,000 rows), 'validation' (500) or 'test' (500).
      pair: what there is beside the text.
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "validation", "test"] = "train"
    pair: Literal["image", "sound", "code"] = "image"

    name = "skill_pairs"
    splits: ClassVar = {"train": 3000, "validation": 500, "test": 500}

    def __post_init__(self) -> None:
        self.modalities = (self.pair, "text")
        super().__post_init__()

    @property
    def stream(self) -> int:
        return super().stream + len(self.splits) * OTHERS.index(self.pair)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        said = [(normal(world, PLACES, LATENT, 2, scale=0.5), normal(world, PLACES, CODES, 2))
                for _ in range(2)]  # fmt: skip
        first, second = normal(world, LATENT, 64, scale=0.25), normal(world, 64, 64, scale=1 / 8)
        heard = normal(world, LATENT, 128, scale=0.25)
        z = normal(rng, count, LATENT)

        def words(of: int, letter: str) -> list[str]:
            maps, codewords = said[of]
            seen = np.einsum("nl,jld->njd", z, maps)
            seen = seen + np.float32(_NOISE) * normal(rng, *seen.shape)
            gaps = seen[:, :, None] - np.float32(1.2) * codewords[None]
            nearest = (gaps**2).sum(-1).argmin(-1)
            return [" ".join(f"{letter}{number}" for number in row) for row in nearest]

        def noisy(x: np.ndarray, *shape: int) -> np.ndarray:
            noisy: np.ndarray = x + np.float32(_NOISE) * normal(rng, *x.shape)
            return noisy.reshape(count, *shape)

        text = words(0, "t")
        other: Any
        if self.pair == "code":
            other = words(1, "c")
        elif self.pair == "image":
            other = noisy(np.tanh(4 * np.tanh(1.5 * z @ first) @ second), 8, 8)
        else:
            other = noisy(np.sin(1.5 * z @ heard), 16, 8)
        return {"text": text, self.pair: other}
