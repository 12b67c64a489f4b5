"""Dialog turns with annotated trees, whose likeness is a matter of degree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated

# The levels of a tree, by the letters of their nodes: domain, intent, slot, value.
LEVELS = {"D": 5, "I": 6, "S": 8, "V": 20}
VIEWS = ("D", "I", "S", "V", "DI", "IS", "SV", "DIS", "ISV", "DISV")
SIZES = {view: int(np.prod([LEVELS[level] for level in view])) for view in VIEWS}
SYNONYMS, FILLERS, MOST = 3, tuple(f"filler{number}" for number in range(300)), 20
WORDS = (
    *(f"{level}{i}{'abc'[k]}" for level, n in LEVELS.items() for i in range(n) for k in range(3)),
    *FILLERS,
)
_DROPPED = 0.3


@dataclass(kw_only=True, eq=False, repr=False)
class DialogTrees(Generated):
    """Turns of a dialog as words, and the sets of nodes and paths of their trees.

    A tree is one of 5 domains, one of 6 intents, and 0 to 3 different slots of 8, each with one of
    20 values. Numbers of slots are drawn evenly, everything else in proportion to 1 / rank. `text`
    has a word for each node, one of three synonyms, each left out with probability 0.3, among 8 of
    300 filler words, in random order.

    What is annotated is said by ten vectors of 0 and 1: `D`, `I`, `S`, `V`, which nodes of a level
    there are, and `DI`, `IS`, `SV`, `DIS`, `ISV`, `DISV`, which paths over several levels. `intent`
    and `tree` are labels, equal trees having one number; `labelled` is 1, or 0 in the split
    'unlabelled', whose sets are all empty. After He et al. 2022 (arXiv 2209.06638, SPACE-2).

    Args:
      split: 'train' (4,000 rows), 'unlabelled' (4,000), 'shots' (60, 10 of each intent) or 'test'
        (1,000).
      examples: number of rows, if another.
      seed: of everything.
    """

    split: Literal["train", "unlabelled", "shots", "test"] = "train"

    name = "dialog_trees"
    splits: ClassVar = {"train": 4000, "unlabelled": 4000, "shots": 60, "test": 1000}
    modalities = ("text",)

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        del world  # the words of a label are the same in all worlds
        share = {level: _zipf(n) for level, n in LEVELS.items()}
        trees, texts = [], []
        for number in range(count):
            domain, intent = (int(rng.choice(LEVELS[k], p=share[k])) for k in "DI")
            if self.split == "shots":
                intent = number % LEVELS["I"]
            many = int(rng.integers(4))
            slots = np.sort(rng.choice(LEVELS["S"], many, replace=False, p=share["S"]))
            values = rng.choice(LEVELS["V"], many, p=share["V"])
            paths = [(domain, intent, int(s), int(v)) for s, v in zip(slots, values, strict=True)]
            trees.append((domain, intent, tuple(paths)))
            texts.append(self._said(trees[-1], rng))
        annotated = self.split != "unlabelled"
        sets = {view: np.zeros((count, size), np.uint8) for view, size in SIZES.items()}
        if annotated:
            for row, tree in enumerate(trees):
                for view, nodes in sets.items():
                    nodes[row, [_place(view, path) for path in _paths(view, tree)]] = 1
        numbers = {tree: number for number, tree in enumerate(sorted(set(trees)))}
        return {
            "text": texts,
            **sets,
            "intent": np.array([intent for _, intent, _ in trees]),
            "tree": np.array([numbers[tree] for tree in trees]),
            "labelled": np.full(count, int(annotated)),
        }

    def _said(self, tree: Any, rng: np.random.Generator) -> str:
        domain, intent, paths = tree
        nodes = [("D", domain), ("I", intent)]
        nodes += [node for *_, slot, value in paths for node in (("S", slot), ("V", value))]
        words = [
            f"{level}{number}{'abc'[rng.integers(SYNONYMS)]}"
            for level, number in nodes
            if rng.random() >= _DROPPED
        ]
        words += [FILLERS[k] for k in rng.integers(len(FILLERS), size=8)]
        return " ".join(words[at] for at in rng.permutation(len(words))[:MOST])


def _zipf(count: int) -> np.ndarray:
    share = 1 / np.arange(1, count + 1)
    shares: np.ndarray = share / share.sum()
    return shares


def _paths(view: str, tree: Any) -> list[dict[str, int]]:
    """The nodes, by level, of each path of a tree that a view names."""
    domain, intent, paths = tree
    if set(view) <= set("DI"):
        return [{"D": domain, "I": intent}]
    return [dict(zip("DISV", path, strict=True)) for path in paths]


def _place(view: str, path: dict[str, int]) -> int:
    """The number of a path among all that a view could have."""
    place = 0
    for level in view:
        place = place * LEVELS[level] + path[level]
    return place
