"""Molecules by class: those to pretrain on, a few of some further classes, and unseen classes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmjax.data.records import Record
from mmjax.data.sets.molecules import MoleculesSource
from mmjax.schema.bounds import Count, NonNegativeInt

SHOTS, CLASSES, LEAST = 6, 4, 16

Split = Literal["pretrain", "train", "adapted", "unseen"]


class MoleculeClasses(MoleculesSource):
    """The molecules of `molecules`, split by class.

    The seed draws 4 classes to adapt to and 4 unseen ones, of the 13 that have at least 16
    families of molecules (see `molecules`). Of these 8 classes one molecule of each family is kept,
    so that none is tested whose mirror image is trained on; all molecules of all other classes are
    for pretraining.

    Records are those of `molecules`, and `label` is the number of the class: 0 to 3 of those to
    adapt to, 4 to 7 of the unseen ones, from 8 on of all others.

    Args:
      split: 'pretrain'; 'train', 6 molecules of each class to adapt to; 'adapted', all further ones
        of these classes; or 'unseen', those of the unseen classes.
      most_atoms: molecules of more atoms beside hydrogen are left out.
      seed: of the classes, and of which molecules are in 'train'.

    Raises:
      ValueError: for another split, and where `most_atoms` leaves too few classes.
    """

    label_fields = ("class", "label")

    def __init__(
        self, *, split: Split = "pretrain", most_atoms: Count = 32, seed: NonNegativeInt = 0
    ):
        known = ("pretrain", "train", "adapted", "unseen")
        if split not in known:
            raise ValueError(
                f"molecule_classes: split is {split!r}; it can be {', '.join(map(repr, known))}"
            )
        super().__init__(split="all", most_atoms=most_atoms)
        classes = np.array(self.label_values("class"))
        self._number, rows = _drawn(classes, self.families(), np.random.default_rng(seed))
        self.keep(rows[split].tolist())
        self.part = split

    def __getitem__(self, index: int) -> Record:
        record = super().__getitem__(index)
        return {**record, "label": self._number[record["class"]]}

    def describe(self) -> str:
        return f"molecule_classes, {self.part}: {len(self)} graphs with systematic names"


def _drawn(
    classes: np.ndarray, families: list[str], rng: np.random.Generator
) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """The number of each class, and the rows of each split."""
    _, first = np.unique(families, return_index=True)
    names, counts = np.unique(classes[first], return_counts=True)
    large = names[counts >= LEAST]
    if len(large) < 2 * CLASSES:
        raise ValueError(
            f"molecule_classes: {len(large)} classes have {LEAST} families "
            f"of molecules within most_atoms, and {2 * CLASSES} are needed: raise it"
        )
    order: list[str] = rng.permutation(large)[: 2 * CLASSES].tolist()
    order += [name for name in np.unique(classes).tolist() if name not in order]
    number = {name: n for n, name in enumerate(order)}
    label = np.array([number[name] for name in classes])
    single = rng.permutation(first)
    own = [single[label[single] == n] for n in range(CLASSES)]
    rows = {
        "pretrain": np.flatnonzero(label >= 2 * CLASSES),
        "train": np.concatenate([each[:SHOTS] for each in own]),
        "adapted": np.concatenate([each[SHOTS:] for each in own]),
        "unseen": single[(label[single] >= CLASSES) & (label[single] < 2 * CLASSES)],
    }
    return number, rows
