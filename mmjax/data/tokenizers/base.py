"""The base class of tokenizers: text to ids and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from mmjax.files import pointer_at


class Tokenizer(ABC):
    """What a text view needs.

    Attributes:
      vocab_size: ids are below it.
      pad_id, unk_id, bos_id, eos_id: the special ids; `encode` gives none of them but unk.
      fingerprint: SHA-256 of what decides the ids, to notice that a run is resumed with another.
    """

    vocab_size: int
    pad_id: int
    unk_id: int
    bos_id: int
    eos_id: int
    fingerprint: str

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""


def given_file(path: str, missing: str) -> Path:
    """The file that a tokenizer is read from.

    Args:
      path: as the recipe gives it.
      missing: what to say where there is none.

    Raises:
      ValueError: when there is none, or it was not fetched from where a repository keeps it.
    """
    file = Path(path).expanduser()
    if what := pointer_at(file):
        raise ValueError(f"{path} is only {what}")
    if not file.is_file():
        raise ValueError(missing)
    return file
