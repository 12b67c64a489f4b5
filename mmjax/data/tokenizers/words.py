"""A tokenizer of whole words, for generated captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from mmjax.data.tokenizers.base import Tokenizer


class WordsTokenizer(Tokenizer):
    """Words between spaces: id = place in the list + 4, with pad 0, unk 1, bos 2 and eos 3.

    Args:
      words: the vocabulary.

    Raises:
      ValueError: for a duplicate word or one with a space.
    """

    pad_id, unk_id, bos_id, eos_id = 0, 1, 2, 3

    def __init__(self, *, words: tuple[str, ...]):
        for word in words:
            if word.split() != [word]:
                raise ValueError(f"words tokenizer: {word!r} is not one word")
        if twice := [word for word, count in Counter(words).items() if count > 1]:
            raise ValueError(f"words tokenizer: duplicate word {twice[0]!r}")
        self._words = tuple(words)
        self._ids = {word: place + 4 for place, word in enumerate(words)}
        self.vocab_size = len(words) + 4
        self.fingerprint = sha256(" ".join(("words:", *words)).encode("utf-8")).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""
        return [self._ids.get(word, self.unk_id) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        """The words of ids; special ids are left out."""
        return " ".join(self._words[int(i) - 4] for i in ids if int(i) >= 4)
