"""Captions to token ids of a fixed length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mmjax.data.records import unusable
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views.base import View, pick, required
from mmjax.schema.bounds import Count, Fraction, PositiveInt

# Of a caption this many characters per token are tokenised, so that a caption of a megabyte costs
# no more than a long one. Pieces of a vocabulary are much shorter.
_CHARACTERS_PER_TOKEN = 64
Window = Literal["start", "random"]


class TextView(View):
    """A caption as token ids i32[length], padded with the tokenizer's pad id.

    The layout is [bos] tokens [eos] pad ...; a caption that is too long is cut and keeps its eos.
    The value is a caption, a list of captions that are alternatives, or a dict from language to
    either: training draws the language first, so that one with few captions is seen as often, and
    evaluation takes the first of `languages` that the example has.

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
      languages: which languages of a dict to use, in this order; all of them, in the dict's own
        order, where it is empty. An example that has none of them is a bad one.
      window: of a long text, training sees its `start`, or at every visit another stretch of it
        (`random`, beginning at a token). Evaluation sees the start.
      max_characters: a longer caption is a bad example; None cuts it as any other.

    Attributes:
      shape: (length,).
      dtype: int32.
    """

    reads_text = True

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        length: Count,
        bos: bool = True,
        eos: bool = True,
        caption: Literal["random", "first"] = "random",
        join_prob: Fraction = 0.0,
        lowercase: bool = False,
        templates: tuple[str, ...] = (),
        template_prob: Fraction = 0.5,
        languages: tuple[str, ...] = (),
        window: Window = "start",
        max_characters: PositiveInt | None = None,
    ):
        if tokenizer is None:
            raise ValueError("a text view needs a tokenizer; set data.tokenizer in the recipe")
        for mark, wanted in (("bos", bos), ("eos", eos)):
            # (Nothing is known of a tokenizer that stands in for one when only shapes are asked.)
            if wanted and getattr(tokenizer, f"{mark}_id", 0) < 0:
                raise ValueError(
                    f"text view: the tokenizer has no token for {mark}; set {mark}=False"
                )
        if length < 1 + bos + eos:
            raise ValueError(f"text view: length={length} leaves no room for a token")
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"text view: the template {template!r} should hold {{}} once")
        self.tokenizer: Tokenizer = tokenizer
        self.length, self.bos, self.eos = length, bos, eos
        self.languages, self.window = tuple(languages), window
        self.max_characters = max_characters
        self.caption, self.join_prob, self.lowercase = caption, join_prob, lowercase
        self.templates, self.template_prob = tuple(templates), template_prob
        self.shape, self.dtype = (length,), np.dtype(np.int32)

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        if isinstance(value, Mapping):
            value = self._in_a_language(value, rng, train)
        text = pick(value, rng, train and self.caption == "random")
        if train and self.join_prob and isinstance(value, list | tuple):
            text = self._join(text, value, required(rng))
        if train and self.templates and required(rng).random() < self.template_prob:
            template = self.templates[required(rng).integers(len(self.templates))]
        else:
            template = "{}"
        return self.tokens(text, template, rng if train and self.window == "random" else None)

    def _in_a_language(
        self, value: Mapping[str, Any], rng: np.random.Generator | None, train: bool
    ) -> Any:
        """The captions of one language."""
        known = [name for name in self.languages or value if value.get(name)]
        if not known:
            wanted = f"none of {', '.join(self.languages)}" if self.languages else "no language"
            has = ", ".join(map(str, value)) or "nothing"
            raise unusable(f"the caption is there in {wanted}, only in {has}")
        if not train or len(known) == 1:
            return value[known[0]]
        return value[known[required(rng).integers(len(known))]]

    def _join(self, text: Any, captions: Sequence[Any], rng: np.random.Generator) -> Any:
        """The caption taken with some of the others behind it."""
        others = [other for other in captions if isinstance(other, str) and other != text]
        chosen = rng.random(len(others)) < self.join_prob
        order = rng.permutation(len(others))
        return ", ".join([text, *(others[i] for i in order if chosen[i])])

    def tokens(
        self, text: Any, template: str = "{}", rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """The ids of one caption in a template, i32[length].

        Args:
          text: the caption.
          template: holds {} once.
          rng: draws which stretch of a long text is seen; its start where None.

        Raises:
          BadExample: of a view, for a caption that is empty, too long or not valid Unicode.
        """
        if not isinstance(text, str):
            raise unusable(f"the caption is a {type(text).__name__}, not text")
        text = " ".join(text.split())
        if not text:
            raise unusable("the caption is empty")
        if self.lowercase:
            text = text.lower()
        if self.max_characters is not None and len(text) > self.max_characters:
            raise unusable(
                f"the caption has {len(text):,} characters, more than "
                f"max_characters={self.max_characters:,}"
            )
        text = template.replace("{}", _stretch(text, self.length * _CHARACTERS_PER_TOKEN, rng))
        try:
            ids = self.tokenizer.encode(text)
        except UnicodeEncodeError as error:
            raise unusable(f"the caption is not valid Unicode ({error.reason})") from error
        except ValueError as error:
            raise unusable(f"the caption cannot be used: {error}") from error
        if not ids:
            raise unusable(f"the tokenizer finds nothing in the caption {text!r:.60}")
        room = self.length - self.bos - self.eos
        tokens = np.full(self.length, self.tokenizer.pad_id, np.int32)
        skip = rng.integers(len(ids) - room + 1) if rng is not None and len(ids) > room else 0
        ids = ids[skip : skip + room]
        tokens[self.bos : self.bos + len(ids)] = ids
        if self.bos:
            tokens[0] = self.tokenizer.bos_id
        if self.eos:
            tokens[self.bos + len(ids)] = self.tokenizer.eos_id
        return tokens


def _stretch(text: str, most: int, rng: np.random.Generator | None) -> str:
    """At most `most` characters of a text: its first, or those from a random word on."""
    if rng is None or len(text) <= most:
        return text[:most]
    start = int(rng.integers(len(text) - most + 1))
    if start:
        # Not from within a word, unless words are so long, or are not written apart at all.
        space = text.find(" ", start - 1, start + most // 2)
        start = space + 1 if space >= 0 else start
    return text[start : start + most]
