"""Texts in sentences: token ids of each sentence by itself."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mmjax.data.records import BadExample, unusable
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views.base import View, pick
from mmjax.data.views.text import TextView
from mmjax.schema.bounds import Count

# After a full stop, an exclamation or question mark or a semicolon that a space follows, and at the
# end of a line: "2.5 cm" is no end of a sentence.
_END = re.compile(r"(?<=[.!?;])\s+|(?<=[\u3002\uff01\uff1f])|\n+")


class SentencesView(View):
    """A text as the token ids of its sentences i32[sentences, length], padded with the pad id.

    The value is a text, which is cut at ends of sentences and of lines, or a list of sentences. Of
    each the layout is that of the view `text`, [bos] tokens [eos] pad ..., cut at `length`. A text
    with more sentences keeps the first ones; one with fewer is padded by sentences of padding.
    Sentences keep their order. For the encoder `hierarchical_text`.

    Args:
      tokenizer: provided by the framework.
      sentences: S, their number.
      length: W, of the ids of a sentence.
      bos, eos: whether to put these marks into every sentence.
      lowercase: whether to fold capitals.

    Attributes:
      shape: (sentences, length).
      dtype: int32.
    """

    reads_text = True

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        sentences: Count,
        length: Count,
        bos: bool = True,
        eos: bool = True,
        lowercase: bool = False,
    ):
        self._sentence = TextView(
            tokenizer=tokenizer, length=length, bos=bos, eos=eos, lowercase=lowercase
        )
        self.tokenizer: Tokenizer = tokenizer
        self.sentences, self.eos = sentences, eos
        self.shape, self.dtype = (sentences, length), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        if _listed(value):
            given: Any = [pick(each, rng, train) for each in value]
        else:
            given = pick(value, rng, train)
        found = np.full(self.shape, self.tokenizer.pad_id, np.int32)
        kept = split(given)[: self.sentences]
        if not kept:
            raise unusable("the text has no sentence")
        for row, sentence in enumerate(kept):
            try:
                found[row] = self._sentence.tokens(sentence)
            except BadExample as error:
                raise unusable(f"of sentence {row + 1}, {error.reason}") from error
        return found


def split(text: Any) -> list[str]:
    """The sentences of a text, or of a list of them, without those that are empty.

    Raises:
      BadExample: of a view, for what is no text.
    """
    parts = text if _listed(text) else [text]
    for part in parts:
        if not isinstance(part, str):
            raise unusable(f"the text is a {type(part).__name__}, not text")
    if not _listed(text):
        parts = _END.split(text)
    return [part.strip() for part in parts if part.strip()]


def _listed(value: Any) -> bool:
    return isinstance(value, list | tuple)
