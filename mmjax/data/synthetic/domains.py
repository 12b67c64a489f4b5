"""Domain shift over time: one latent, seen through views that rotate away from the first ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Count, CountOrZero


@dataclass(kw_only=True, eq=False, repr=False)
class DomainPairs(Generated):
    """Images and texts of one latent in two domains, the second of which comes later, in parts.

    z ~ N(0, I_8); domain a: `image` = tanh(z W_a) + 0.1 noise in R^64, `text` = tanh(z U_a) + 0.1
    noise in R^48, W, U ~ N(0, 1/8); domain b: W_b = 0.6 W_a + 0.8 R and U_b = 0.6 U_a + 0.8 R' with
    R and R' fresh. `label` is 0 in a and 1 in b.

    Args:
      split: 'train' (4,000 rows of a domain) or 'test' (500).
      domain: 'a', 'b', or 'both', one after the other.
      part: number of a part of the rows, from 0.
      parts: into how many equal, consecutive parts the rows of the split are cut.
      examples: number of rows of a domain before it is cut, if another.
      seed: of everything.
    """

    split: Literal["train", "test"] = "train"
    domain: Literal["a", "b", "both"] = "a"
    part: CountOrZero = 0
    parts: Count = 1

    name = "domain_pairs"
    splits: ClassVar = {"train": 4000, "test": 500}
    modalities = ("image", "text")

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        if self.domain not in ("a", "b", "both"):
            raise ValueError(f"domain_pairs: domain={self.domain!r} must be 'a', 'b' or 'both'")
        if not 0 <= self.part < self.parts <= count:
            raise ValueError(
                f"domain_pairs: part={self.part} must be one of {self.parts} parts of {count} "
                "rows, from 0"
            )
        maps: dict[str, list[np.ndarray]] = {}
        for name, size in (("image", 64), ("text", 48)):
            first, turned = (normal(world, 8, size, scale=8**-0.5) for _ in range(2))
            maps[name] = [first, np.float32(0.6) * first + np.float32(0.8) * turned]
        fields: dict[str, list[np.ndarray]] = {"image": [], "text": [], "label": []}
        size = count // self.parts
        rows = slice(self.part * size, (self.part + 1) * size)
        for number in {"a": (0,), "b": (1,), "both": (0, 1)}[self.domain]:
            # Of this domain and split alone, so that a domain is the same with and without another.
            rng = np.random.default_rng([self.seed, self.stream, number])
            z = normal(rng, count, 8)
            for name in ("image", "text"):
                x = np.tanh(z @ maps[name][number])
                fields[name].append((x + normal(rng, *x.shape, scale=0.1))[rows])
            fields["label"].append(np.full(size, number))
        return {name: np.concatenate(values) for name, values in fields.items()}
