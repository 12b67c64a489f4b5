"""Between texts and the ids that a decoder continues: prompts, and what was generated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmjax.data.views import TextView
from mmjax.decoding import Texts


@dataclasses.dataclass(frozen=True)
class Prompts:
    """What a view of text says of generation.

    Attributes:
      view: of the texts.
    """

    view: TextView

    @property
    def eos(self) -> int | None:
        """The id that ends a text; None where the view puts none."""
        return self.view.tokenizer.eos_id if self.view.eos else None

    @property
    def never(self) -> tuple[int, ...]:
        """Ids that are not generated: padding, the unknown, and marks that do not end a text."""
        own = self.view.tokenizer
        marks = {own.pad_id, own.unk_id, own.bos_id, own.eos_id} - {self.eos}
        return tuple(sorted(mark for mark in marks if mark >= 0))

    def lengths(self, ids: np.ndarray) -> np.ndarray:
        """Tokens i64[N] of texts i32[N, T], with the mark of their beginning, not of their end."""
        inside = ids != self.view.tokenizer.pad_id
        if self.eos is not None:
            inside &= np.cumsum(ids == self.eos, axis=1) == 0
        tokens: np.ndarray = inside.sum(1)
        return tokens

    def start(self, ids: np.ndarray, most: int, room: int) -> dict[str, np.ndarray]:
        """`ids` i32[N, room] and `length` i32[N] of prompts: the beginnings of texts i32[N, T].

        Args:
          ids: of the texts.
          most: tokens of a prompt, with the mark of the beginning; of a shorter text all.
          room: tokens that a text may have in all.
        """
        length = np.clip(self.lengths(ids), 1, most).astype(np.int32)
        found = ids[:, :room].copy()
        found[np.arange(room) >= length[:, None]] = self.view.tokenizer.pad_id
        return {"ids": found, "length": length}

    def new(self, start: np.ndarray, found: Texts) -> list[list[int]]:
        """The ids of each text behind its prompt of i64[N] tokens, without that which ends it."""
        each = zip(np.asarray(found.ids), start, np.asarray(found.length), strict=True)
        return [[int(i) for i in own[a:b] if i != self.eos] for own, a, b in each]

    def said(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Ids as texts."""
        decode: Any = self.view.tokenizer.decode
        return [" ".join(decode(list(each)).split()) for each in ids]


def joined(parts: Sequence[Any], count: int) -> Any:
    """Named tuples of arrays, batch after batch, as one; the first `count` rows."""
    arrays = [np.concatenate(each)[:count] for each in zip(*parts, strict=True)]
    return type(parts[0])(*arrays)
