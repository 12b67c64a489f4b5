"""Words of captions that may name an image, by the rules of CaSED without a tagger."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeVar

Word = TypeVar("Word", bound=Hashable)

_NOISE = re.compile(r"<[^>]*>|https?://\S+|www\.\S+|\.(?:jpe?g|png|gif|webp|svg|pdf|html?)\b", re.I)
_META = {
    "image", "photo", "picture", "thumbnail", "logo", "symbol", "clipart", "portrait", "painting",
    "illustration", "icon", "profile",
}  # fmt: skip


def words_of(text: str) -> list[str]:
    """The words of a caption, in order: lower case, letters only, three or more, singular.

    Tokens in angle brackets, addresses and file extensions are left out, and words that say only
    that there is a picture (Conti et al. 2023, arXiv 2306.00917). Their code keeps nouns,
    adjectives and participles by a tagger; here all words stay.
    """
    letters = re.findall(r"[^\W\d_]+", _NOISE.sub(" ", text).lower())
    found = [singular(word) for word in letters if len(word) >= 3]
    return [word for word in found if word not in _META]


def singular(word: str) -> str:
    """The singular of a regular English plural: `berries`, `boxes`, `dogs`; others stay."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(?:s|x|z|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not re.search(r"(?:s|u|i)s$", word):
        return word[:-1]
    return word


def frequent(captions: Sequence[Iterable[Word]], least: int) -> list[Word]:
    """The words that occur `least` times or more in all; those with most where none does."""
    counts: Counter[Any] = Counter(word for words in captions for word in words)
    bound = min(least, max(counts.values(), default=0))
    return [word for word, count in counts.items() if count >= bound]
