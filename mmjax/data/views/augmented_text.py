"""Text augmentation: captions whose words change at random in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.data.records import unusable
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views.base import pick, required
from mmjax.data.views.text import TextView
from mmjax.schema.bounds import Count, Fraction, NonNegative


class AugmentedTextView(TextView):
    """A caption as token ids i32[length], with words changed in training.

    First, with probability `drop_stop_words`, all stop words go. Then one operation is drawn, with
    probabilities in proportion to `replace`, `swap` and `delete`: a word that has synonyms becomes
    one of them; two words change places; or every word goes with probability `delete_rate`. What
    cannot be done, or would leave no word, is passed over. Wei and Zou 2019 (arXiv 1901.11196, EDA)
    and Fini et al. 2023 (arXiv 2305.08675). Words are what stands between spaces, in any case.

    Args:
      tokenizer: provided by the framework.
      length, bos, eos: as of the view `text`.
      stop_words: words of little meaning, in lower case.
      drop_stop_words: probability that they all go.
      synonyms: word, in lower case -> words that may stand for it.
      replace, swap, delete: weights of the operations; none is done where all are 0.
      delete_rate: of the words, where they are deleted.

    Attributes:
      shape: (length,).
      dtype: int32.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        length: Count,
        bos: bool = True,
        eos: bool = True,
        stop_words: tuple[str, ...] = (),
        drop_stop_words: Fraction = 0.0,
        synonyms: dict[str, tuple[str, ...]] | None = None,
        replace: NonNegative = 0.0,
        swap: NonNegative = 0.0,
        delete: NonNegative = 0.0,
        delete_rate: Fraction = 0.1,
    ):
        super().__init__(tokenizer=tokenizer, length=length, bos=bos, eos=eos)
        self.stop_words, self.drop_stop_words = frozenset(stop_words), drop_stop_words
        self.synonyms = {word: tuple(others) for word, others in (synonyms or {}).items()}
        self.weights, self.delete_rate = np.array([replace, swap, delete], float), delete_rate

    def __call__(self, value: Any, rng: np.random.Generator | None, train: bool) -> np.ndarray:
        text = pick(value, rng, train)
        if not train:
            return self.tokens(text)
        if not isinstance(text, str):
            raise unusable(f"the caption is a {type(text).__name__}, not text")
        return self.tokens(" ".join(self._changed(text.split(), required(rng))))

    def _changed(self, words: list[str], rng: np.random.Generator) -> list[str]:
        if rng.random() < self.drop_stop_words:
            words = [word for word in words if word.lower() not in self.stop_words] or words
        total = self.weights.sum()
        if not total or not words:
            return words
        operation = (self._replaced, self._swapped, self._thinned)[
            rng.choice(3, p=self.weights / total)
        ]
        return operation(list(words), rng)

    def _replaced(self, words: list[str], rng: np.random.Generator) -> list[str]:
        places = [i for i, word in enumerate(words) if self.synonyms.get(word.lower())]
        if places:
            place = places[rng.integers(len(places))]
            others = self.synonyms[words[place].lower()]
            words[place] = others[rng.integers(len(others))]
        return words

    def _swapped(self, words: list[str], rng: np.random.Generator) -> list[str]:
        if len(words) > 1:
            a, b = rng.choice(len(words), 2, replace=False)
            words[a], words[b] = words[b], words[a]
        return words

    def _thinned(self, words: list[str], rng: np.random.Generator) -> list[str]:
        kept = rng.random(len(words)) >= self.delete_rate
        return [word for word, stays in zip(words, kept, strict=True) if stays] or words
