"""Tokenizers without a vocabulary to learn: bytes, and the characters of an alphabet."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from hashlib import sha256

from mmjax.data.tokenizers.base import Tokenizer, given_file

PRINTABLE_ASCII = "".join(map(chr, range(32, 127)))


class BytesTokenizer(Tokenizer):
    """UTF-8 bytes: id = byte + 4, with pad 0, unk 1 (never used), bos 2 and eos 3."""

    vocab_size = 260
    pad_id, unk_id, bos_id, eos_id = 0, 1, 2, 3
    fingerprint = sha256(b"bytes: id = byte + 4").hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""
        return [byte + 4 for byte in text.encode("utf-8")]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special ids are left out, and bytes cut in two become U+FFFD."""
        return bytes(int(i) - 4 for i in ids if int(i) >= 4).decode("utf-8", "replace")


class CharacterTokenizer(Tokenizer):
    """Characters: id = place in the alphabet + 4, with pad 0, unk 1, bos 2 and eos 3.

    A character is one code point of the text in Unicode's composed form (NFC), so that "é" is one,
    however it was typed. One that is not in the alphabet becomes unk.

    Args:
      alphabet: the characters in the order of their ids; by default the 95 of printable ASCII.
      path: a UTF-8 file that holds the alphabet instead, as `mmjax.data.train_tokenizer` writes
        it; line breaks in it do not count.

    Raises:
      ValueError: for both, a file that cannot be read, an empty alphabet or a character twice.
    """

    pad_id, unk_id, bos_id, eos_id = 0, 1, 2, 3

    def __init__(self, *, alphabet: str | None = None, path: str | None = None):
        if alphabet is not None and path is not None:
            raise ValueError("characters: give an alphabet or the path of one, not both")
        where = "characters: the alphabet"
        if path is not None:
            alphabet, where = _alphabet(path), f"the alphabet {path}"
        self.alphabet = PRINTABLE_ASCII if alphabet is None else alphabet
        self._ids = {character: i for i, character in enumerate(self.alphabet, start=4)}
        if not self.alphabet:
            raise ValueError(f"{where} is empty")
        if len(self._ids) != len(self.alphabet):
            twice = next(c for c in self.alphabet if self.alphabet.count(c) > 1)
            raise ValueError(f"{where} holds the character {twice!r} twice")
        try:
            content = f"characters: {self.alphabet}".encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{where} is not valid Unicode ({error.reason})") from error
        self.vocab_size = 4 + len(self.alphabet)
        self.fingerprint = sha256(content).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""
        text.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError here, too
        return [self._ids.get(c, self.unk_id) for c in unicodedata.normalize("NFC", text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; unk becomes U+FFFD and the other special ids are left out."""
        known = {self.unk_id: "\ufffd", **dict(enumerate(self.alphabet, start=4))}
        return "".join(known.get(int(i), "") for i in ids)


def _alphabet(path: str) -> str:
    file = given_file(path, f"there is no alphabet {path}; give a text file of its characters")
    try:
        return file.read_text(encoding="utf-8").replace("\n", "").replace("\r", "")
    except UnicodeDecodeError as error:
        raise ValueError(f"the alphabet {path} is not UTF-8 text ({error})") from error
