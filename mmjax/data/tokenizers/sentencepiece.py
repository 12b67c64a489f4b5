"""Tokenizers of SentencePiece models."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib import resources
from typing import Any

import sentencepiece

from mmjax.data.tokenizers.base import Tokenizer, given_file

# Name -> file in mmjax/data/assets.
EMBEDDED = {"emoji_8k": "emoji_8k.model"}


class SentencePieceTokenizer(Tokenizer):
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
        # The second where the library quotes bytes of the file that are no text.
        except (RuntimeError, UnicodeDecodeError) as error:
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
        return list(self._processor.encode(text.encode("utf-8")))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; special ids are left out."""
        special = (self.pad_id, self.bos_id, self.eos_id)
        return str(self._processor.decode([int(i) for i in ids if int(i) not in special]))

    @property
    def model(self) -> bytes:
        """The model file's content."""
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "model": self._model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._load(state["path"], state["model"])


def _read(path: str) -> bytes:
    if path in EMBEDDED:
        return (resources.files("mmjax.data") / "assets" / EMBEDDED[path]).read_bytes()
    file = given_file(
        path,
        f"there is no SentencePiece model {path}; give a .model file or one of the embedded "
        f"names {', '.join(EMBEDDED)}",
    )
    return file.read_bytes()
