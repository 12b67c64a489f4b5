"""Tokenizers of files in the format of Hugging Face's `tokenizers`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from mmjax import extras
from mmjax.data.tokenizers.base import Tokenizer, given_file

# A character for private use, which no vocabulary has unless it has all bytes.
_UNKNOWN = "\ue000"


class HuggingFaceTokenizer(Tokenizer):
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
      ValueError: if there is no such file, it is no tokenizer, or it lacks one of the tokens or
        the token for unknown characters that its model needs.
      MissingExtra: without the extra.
    """

    def __init__(self, *, path: str, bos: str, eos: str, pad: str, unk: str | None = None):
        file = given_file(path, f"there is no tokenizer file {path}; give a local tokenizer.json")
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
        try:
            self.encode(_UNKNOWN)
        except ValueError as error:
            raise ValueError(
                f"{options['path']} has no token for what is not in its vocabulary: {error}"
            ) from error
        # Not their number: a vocabulary may leave ids out.
        self.vocab_size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self.fingerprint = sha256(text.encode("utf-8")).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without bos and eos.

        Raises:
          ValueError: for a text that the tokenizer cannot encode.
        """
        text.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError here, too
        try:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"the tokenizer cannot encode it: {error}") from error

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, from bos to eos."""
        # Padding is what follows eos: CLIP's pad token is a real one, '!', inside of a text.
        kept = [int(i) for i in ids if int(i) != self.bos_id]
        if self.eos_id in kept:
            kept = kept[: kept.index(self.eos_id)]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

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
