"""Captions to token ids of a fixed length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views.base import pick, unusable

# A caption is cut to this many characters per token before it is tokenised, so that a caption of a
# megabyte costs no more than a long one. Pieces of a vocabulary are much shorter.
_CHARACTERS_PER_TOKEN = 64


class TextView:
    """A caption as token ids i32[length], padded with the tokenizer's pad id.

    The layout is [bos] tokens [eos] pad ...; a caption that is too long is cut and keeps its eos.

    Args:
      tokenizer: provided by the framework.
      length: of the array.
      bos, eos: whether to put these marks.
      caption: which of several captions training takes; evaluation takes the first.
      join_prob: probability, for each of the other captions, that training puts it behind the one
        taken, in random order with commas between them: names with keywords become "dog face, pet,
        animal".
      lowercase: whether to fold capitals.
      templates: prompts such as 'a photo of {}', one of which is put around a training caption ...
      template_prob: ... with this probability.

    Attributes:
      shape: (length,).
      dtype: int32.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        length: int,
        bos: bool = True,
        eos: bool = True,
        caption: Literal["random", "first"] = "random",
        join_prob: float = 0.0,
        lowercase: bool = False,
        templates: tuple[str, ...] = (),
        template_prob: float = 0.5,
    ):
        if tokenizer is None:
            raise ValueError("a text view needs a tokenizer; set data.tokenizer in the recipe")
        if length < 1 + bos + eos:
            raise ValueError(f"text view: length={length} leaves no room for a token")
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"text view: the template {template!r} should hold {{}} once")
        for name, probability in (("join_prob", join_prob), ("template_prob", template_prob)):
            if not 0 <= probability <= 1:
                raise ValueError(f"text view: {name}={probability} must be in [0, 1]")
        self.tokenizer, self.length, self.bos, self.eos = tokenizer, length, bos, eos
        self.caption, self.join_prob, self.lowercase = caption, join_prob, lowercase
        self.templates, self.template_prob = tuple(templates), template_prob
        self.shape, self.dtype = (length,), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        text = pick(value, rng, train and self.caption == "random")
        if train and self.join_prob and isinstance(value, list | tuple):
            text = self._join(text, value, rng)
        if train and self.templates and rng.random() < self.template_prob:
            template = self.templates[rng.integers(len(self.templates))]
        else:
            template = "{}"
        return self.tokens(text, template)

    def _join(self, text: Any, captions: Sequence, rng: np.random.Generator) -> Any:
        """The caption taken with some of the others behind it."""
        others = [other for other in captions if isinstance(other, str) and other != text]
        chosen = rng.random(len(others)) < self.join_prob
        order = rng.permutation(len(others))
        return ", ".join([text, *(others[i] for i in order if chosen[i])])

    def tokens(self, text: Any, template: str = "{}") -> np.ndarray:
        """The ids of one caption in a template, i32[length]; raises BadExample if it is empty."""
        if not isinstance(text, str):
            raise unusable(f"the caption is a {type(text).__name__}, not text")
        text = " ".join(text.split())
        if not text:
            raise unusable("the caption is empty")
        if self.lowercase:
            text = text.lower()
        text = template.replace("{}", text[: self.length * _CHARACTERS_PER_TOKEN])
        try:
            ids = self.tokenizer.encode(text)
        except UnicodeEncodeError as error:
            raise unusable(f"the caption is not valid Unicode ({error.reason})") from error
        if not ids:
            raise unusable(f"the tokenizer finds nothing in the caption {text!r:.60}")
        room = self.length - self.bos - self.eos
        tokens = np.full(self.length, self.tokenizer.pad_id, np.int32)
        ids = ids[:room]
        tokens[self.bos : self.bos + len(ids)] = ids
        if self.bos:
            tokens[0] = self.tokenizer.bos_id
        if self.eos:
            tokens[self.bos + len(ids)] = self.tokenizer.eos_id
        return tokens
