"""Metrics of generated texts: how varied they are, and how near references."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

Tokens = Sequence[Any]  # ids or words


def grams(text: Tokens, n: int) -> Counter[tuple[Any, ...]]:
    """How often each run of n tokens is in a text."""
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


def diversity(texts: Sequence[Tokens]) -> float:
    """Product over n = 2, 3, 4 of the mean share of different n-grams among those of a text.

    1 - rep-n is that share (Su et al. 2022, arXiv 2202.06417, section 4). Texts of fewer than n
    tokens say nothing of n.
    """
    product = 1.0
    for n in (2, 3, 4):
        found = [grams(text, n) for text in texts if len(text) >= n]
        if found:
            product *= float(np.mean([len(each) / each.total() for each in found]))
    return product


def bleu(
    texts: Sequence[Tokens], references: Sequence[Sequence[Tokens]], longest: int = 4
) -> float:
    """BLEU of a corpus, without smoothing (Papineni et al. 2002, ACL): from 0 to 1.

    The geometric mean over n = 1 ... `longest` of the share of n-grams that a reference has, each
    counted at most as often as in one of them, times exp(1 - r / c) where the texts, of c tokens in
    all, are shorter than r, the sum of the lengths of the references nearest in length.

    Args:
      texts: words of each.
      references: of each text one or more.
      longest: n-grams.
    """
    right, total = np.zeros(longest), np.zeros(longest)
    length = nearest = 0
    for text, own in zip(texts, references, strict=True):
        length += len(text)
        nearest += min((abs(len(each) - len(text)), len(each)) for each in own)[1]
        for n in range(1, longest + 1):
            known: Counter[tuple[Any, ...]] = Counter()
            for each in own:
                known |= grams(each, n)
            found = grams(text, n)
            right[n - 1] += (found & known).total()
            total[n - 1] += found.total()
    if not right.all():
        return 0.0
    brief = min(0.0, 1 - nearest / length)
    return float(math.exp(np.log(right / total).mean() + brief))
