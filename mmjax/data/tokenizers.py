"""Tokenizers: text to ids and back."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import sentencepiece

from mmjax import extras
from mmjax.data.words import WordsTokenizer
from mmjax.schema.registry import Registry

# Name -> file in mmjax/data/assets.
EMBEDDED = {"emoji_8k": "emoji_8k.model"}
PRINTABLE_ASCII = "".join(map(chr, range(32, 127)))


class Tokenizer(Protocol):
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

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


class SentencePieceTokenizer:
    """A SentencePiece model (Kudo and Richardson 2018, arXiv 1808.06226).

    Args:
      path: a .model file, or the name of an embedded one (`EMBEDDED`).

    Raises:
      ValueError: if there is no such file, it is no model, or it lacks pad, bos or eos.
    """

    def __init__(self, *, path: str = "emoji_8k"):
        self._load(path, _read(path))

    def _load(self, path: str, model: bytes) -> None:
        self.path, self._model = path, model
        if not model:  # sentencepiece would take no bytes for no model and answer 0 to everything
            raise ValueError(f"{path} is empty, not a SentencePiece model")
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise ValueError(f"{path} is not a SentencePiece model") from error
        self.vocab_size = self._processor.vocab_size()
        self.pad_id, self.unk_id = self._processor.pad_id(), self._processor.unk_id()
        self.bos_id, self.eos_id = self._processor.bos_id(), self._processor.eos_id()
        lacking = [n for n in ("pad", "bos", "eos") if getattr(self, f"{n}_id") < 0]
        if lacking:
            raise ValueError(
                f"the SentencePiece model {path} has no {' and no '.join(lacking)} piece; train it "
                "with --pad_id=0 --unk_id=1 --bos_id=2 --eos_id=3"
            )
        self.fingerprint = sha256(model).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""
        # Bytes, since of a text with lone surrogates sentencepiece only says RuntimeError.
        return self._processor.encode(text.encode("utf-8"))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special ids are left out."""
        special = (self.pad_id, self.bos_id, self.eos_id)
        return self._processor.decode([int(i) for i in ids if int(i) not in special])

    @property
    def model(self) -> bytes:
        """The model file's content."""
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "model": self._model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._load(state["path"], state["model"])


class BytesTokenizer:
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


class HuggingFaceTokenizer:
    """A `tokenizer.json` of the Hugging Face library `tokenizers`: CLIP's BPE, BERT's WordPiece.

    Needs the extra `tokenizers`. What the file itself would put around a text is not used: the view
    puts bos and eos.

    Args:
      path: the file.
      bos, eos, pad: the tokens that begin, end and fill up a text. CLIP: '<|startoftext|>',
        '<|endoftext|>' and, as OpenAI's weights expect, '!' (the id 0); BERT: '[CLS]', '[SEP]',
        '[PAD]'.
      unk: the token of unknown characters; None for a byte-level vocabulary, which has none.

    Raises:
      ValueError: if there is no such file, it is no tokenizer, or it lacks one of the tokens.
      MissingExtra: without the extra.
    """

    def __init__(self, *, path: str, bos: str, eos: str, pad: str, unk: str | None = None):
        file = Path(path).expanduser()
        if not file.is_file():
            raise ValueError(f"there is no tokenizer file {path}; give a local tokenizer.json")
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not a tokenizer.json: it is not UTF-8 text") from error
        self._load({"path": path, "bos": bos, "eos": eos, "pad": pad, "unk": unk}, text)

    def _load(self, options: dict[str, str | None], text: str) -> None:
        tokenizers = extras.needs("tokenizers", "tokenizers", "a tokenizer of type 'huggingface'")
        self._options, self._text = options, text
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"{options['path']} is not a tokenizer.json: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        ids = {}
        for role in ("bos", "eos", "pad", "unk"):
            token = options[role]
            ids[role] = -1 if token is None else self._tokenizer.token_to_id(token)
            if ids[role] is None:
                raise ValueError(f"{options['path']} has no token {token!r} for {role}")
        self.pad_id, self.unk_id = ids["pad"], ids["unk"]
        self.bos_id, self.eos_id = ids["bos"], ids["eos"]
        # Not their number: a vocabulary may leave ids out.
        self.vocab_size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self.fingerprint = sha256(text.encode("utf-8")).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos."""
        text.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError here, too
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, from bos to eos."""
        # Padding is what follows eos: CLIP's pad token is a real one, '!', inside of a text.
        kept = [int(i) for i in ids if int(i) != self.bos_id]
        if self.eos_id in kept:
            kept = kept[: kept.index(self.eos_id)]
        return self._tokenizer.decode(kept, skip_special_tokens=False)

    @property
    def text(self) -> str:
        """The file's content."""
        return self._text

    @property
    def tokens(self) -> dict[str, str | None]:
        """The tokens for bos, eos, pad and unk."""
        return {role: self._options[role] for role in ("bos", "eos", "pad", "unk")}

    def __getstate__(self) -> dict[str, Any]:
        return {"options": self._options, "text": self._text}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._load(state["options"], state["text"])


class CharacterTokenizer:
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


# The names that `type=` of a tokenizer may have in a recipe.
TOKENIZERS: Registry[Tokenizer] = Registry(
    "tokenizer",
    object,
    {
        "sentencepiece": SentencePieceTokenizer,
        "huggingface": HuggingFaceTokenizer,
        "bytes": BytesTokenizer,
        "characters": CharacterTokenizer,
        "words": WordsTokenizer,
    },
)


def _alphabet(path: str) -> str:
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"there is no alphabet {path}; give a text file of its characters")
    try:
        return file.read_text(encoding="utf-8").replace("\n", "").replace("\r", "")
    except UnicodeDecodeError as error:
        raise ValueError(f"the alphabet {path} is not UTF-8 text ({error})") from error


def _read(path: str) -> bytes:
    if path in EMBEDDED:
        return (resources.files("mmjax.data") / "assets" / EMBEDDED[path]).read_bytes()
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(
            f"there is no SentencePiece model {path}; give a .model file or one of the embedded "
            f"names {', '.join(EMBEDDED)}"
        )
    return file.read_bytes()
