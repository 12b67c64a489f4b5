"""Users with a taste and the items that they chose: for recommendation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mmjax.data.synthetic.generated import Generated, normal
from mmjax.schema.bounds import Count

USERS, ITEMS, DIM = 800, 500, 64
CHOSEN, KNOWN = 20, 16  # items of a user, and those of them that training knows
SIZES = {"shared": 8, "image_only": 4, "text_only": 4, "nuisance": 4}


class Taken(Sequence[Any]):
    """Rows of an array by their numbers, which are not copied."""

    def __init__(self, values: np.ndarray, rows: np.ndarray):
        self.values, self.rows = values, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.values[self.rows[index]]


@dataclass(kw_only=True, eq=False, repr=False)
class UserItems(Generated):
    """Choices of 800 users among 500 items, each with an image and a text.

    An item has latents of N(0, I): 8 that both modalities show, 4 that only its image shows, 4 that
    only its text does, and 4 that both show and nobody cares for. `image` and `text` are matrices
    of N(0, 1/16) times what they show, + 0.1 e, f[64]. A user has a taste t ~ N(0, I) for the first
    16 and chooses the 20 items of the highest 0.75 t·z plus Gumbel noise; training knows 16.

    A row of 'train' is a choice: `user` and `item` are numbers, and `image_other`, `text_other` and
    `item_other` are of an item that the user is not known to have chosen. A row of 'validation' and
    'test' is a user: `known` are the items that training knows, and `wanted` two and four further
    ones; those of 'test' have the ones of 'validation' among them. A row of 'catalogue' is an item,
    with the labels `image_only` and `text_only`, f[4], `shared` and `nuisance`.

    Args:
      split: 'train' (12,800 choices, with `others` items beside each), 'validation' and 'test'
        (800 users) or 'catalogue' (500 items).
      examples: number of rows, if another.
      others: how many items stand beside each choice, a row each.
      seed: of everything.
    """

    split: Literal["train", "validation", "test", "catalogue"] = "train"
    others: Count = 8

    name = "user_items"
    splits: ClassVar = {
        "train": USERS * KNOWN, "validation": USERS, "test": USERS, "catalogue": ITEMS,
    }  # fmt: skip

    def draw(
        self, count: int, world: np.random.Generator, rng: np.random.Generator
    ) -> dict[str, Any]:
        z = {name: normal(world, ITEMS, size) for name, size in SIZES.items()}
        shown = {}
        for name in ("image", "text"):
            own = np.concatenate([z["shared"], z[f"{name}_only"], z["nuisance"]], axis=1)
            told = own @ normal(world, own.shape[1], DIM, scale=0.25)
            shown[name] = told + 0.1 * normal(world, ITEMS, DIM)
        matters = np.concatenate([z["shared"], z["image_only"], z["text_only"]], axis=1)
        score = 0.75 * normal(world, USERS, matters.shape[1]) @ matters.T
        chosen = np.argsort(-(score + world.gumbel(size=score.shape)), axis=1)[:, :CHOSEN]
        chosen = world.permuted(chosen, axis=1)
        known, rest = chosen[:, :KNOWN], chosen[:, KNOWN:]
        if self.split == "catalogue":
            self.modalities = ("image", "text", "item")
            rows = np.arange(count) % ITEMS
            return {m: Taken(v, rows) for m, v in {**shown, **z}.items()} | {
                "item": rows, "number": rows, "id": rows,
            }  # fmt: skip
        if self.split != "train":
            self.modalities = ("user",)
            rows = np.arange(count) % USERS
            wanted = rest if self.split == "test" else rest[:, :2]
            return {"user": rows, "known": list(known[rows]), "wanted": list(wanted[rows])}
        self.modalities = (
            "user",
            *(f"{m}{end}" for end in ("", "_other") for m in (*shown, "item")),
        )
        rows = np.arange(count * (self.others if self.examples is None else 1)) % (USERS * KNOWN)
        user, item = rows // KNOWN, known.reshape(-1)[rows]
        # Of what a user is not known to have, one at random for each row.
        free = np.ones((USERS, ITEMS), bool)
        np.put_along_axis(free, known, False, axis=1)
        places = np.stack([np.flatnonzero(row) for row in free])
        other = places[user, rng.integers(ITEMS - KNOWN, size=len(user))]
        columns: dict[str, Any] = {"user": user, "item": item, "item_other": other, "number": item}
        columns |= {m: Taken(values, item) for m, values in shown.items()}
        return columns | {f"{m}_other": Taken(values, other) for m, values in shown.items()}
