"""Searches for captions that a model takes for something else, natural by their grammar.

Liu et al. 2023 (SAGE, arXiv 2306.00974) search prompts of image generators by the gradient of a
classifier; here the prompts are of a text tower. A caption is a choice i[S]: of each of its S slots
the number of the word in it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

TRIED = 8  # of the swaps that a gradient finds best


class Asked(NamedTuple):
    """One call of the model: a caption, and whether its gradient is asked for, not its margin."""

    choice: np.ndarray
    gradient: bool = False


class Answer(NamedTuple):
    """What a call gives: a margin, or f[S, W], its gradient by the vectors of the slots' words."""

    margin: float
    gradient: np.ndarray


# It asks, gets an answer, and asks again, for as long as one lets it.
Search = Generator[Asked, Answer, None]


@dataclass(frozen=True)
class Grammar:
    """Which captions are natural: no word stands twice, but for a filler.

    Attributes:
      slots: S.
      words: V, their number.
      filler: number of the word that says nothing and may stand in many slots; None for none.
    """

    slots: int
    words: int
    filler: int | None = None

    def natural(self, rng: np.random.Generator, least: int = 0) -> np.ndarray:
        """A random caption, of `least` to S words that are no filler; without a filler of S."""
        number = self.slots if self.filler is None else int(rng.integers(least, self.slots + 1))
        said = np.array([word for word in range(self.words) if word != self.filler])
        choice = np.full(self.slots, 0 if self.filler is None else self.filler)
        places = rng.permutation(self.slots)[:number]
        choice[places] = rng.choice(said, number, replace=False)
        return choice

    def allows(self, choice: np.ndarray) -> bool:
        """Whether no word stands twice."""
        said = choice[choice != self.filler] if self.filler is not None else choice
        return len(set(said.tolist())) == len(said)

    def swaps(self, choice: np.ndarray) -> list[tuple[int, int]]:
        """(slot, word) of every change of one word that is natural, too."""
        said = set(choice.tolist()) - {self.filler}
        new = [word for word in range(self.words) if word not in said]
        return [(s, w) for s in range(self.slots) for w in new if w != choice[s]]


def swapped(choice: np.ndarray, swap: tuple[int, int]) -> np.ndarray:
    """A caption with another word in one slot."""
    changed = choice.copy()
    changed[swap[0]] = swap[1]
    return changed


def random(
    start: np.ndarray, grammar: Grammar, vectors: np.ndarray, rng: np.random.Generator
) -> Search:
    """One new caption after another."""
    yield Asked(start)
    while True:
        yield Asked(grammar.natural(rng))


def climb(
    start: np.ndarray, grammar: Grammar, vectors: np.ndarray, rng: np.random.Generator
) -> Search:
    """Hill climbing: a random swap, which stays where the margin falls."""
    best, least = start, (yield Asked(start)).margin
    while True:
        other = swapped(best, _any(grammar.swaps(best), rng))
        margin = (yield Asked(other)).margin
        if margin < least:
            best, least = other, margin


def gradient(
    start: np.ndarray, grammar: Grammar, vectors: np.ndarray, rng: np.random.Generator
) -> Search:
    """Swaps that the gradient says lower the margin most, each of which stays where it really does.

    To first order the swap of word i for w changes the margin by (v_w - v_i) · gradient. The 8 best
    are tried one by one, and then there is a new gradient; after a round of which none stayed, one
    random swap is made. The gradient is a call of the model, too.
    """
    best, least = start, (yield Asked(start)).margin
    while True:
        slope, before = (yield Asked(best, gradient=True)).gradient, least
        swaps = grammar.swaps(best)
        change = [(vectors[w] - vectors[best[s]]) @ slope[s] for s, w in swaps]
        for number in np.argsort(change, kind="stable")[:TRIED]:
            other = swapped(best, swaps[number])
            if not grammar.allows(other):  # beside what stayed before
                continue
            margin = (yield Asked(other)).margin
            if margin < least:
                best, least = other, margin
        if least == before:
            best = swapped(best, _any(grammar.swaps(best), rng))
            least = (yield Asked(best)).margin


SEARCHES = {"random": random, "climb": climb, "gradient": gradient}


class Found(NamedTuple):
    """How a search ended: its last caption, and after how many calls it failed; 0 if it did not."""

    choice: np.ndarray
    calls: int


# (captions i[Q, S], whether gradients are wanted) -> margins f[Q] and gradients f[Q, S, W].
Measure = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray]]


def run(searches: list[Search], measure: Measure, budget: int) -> list[Found]:
    """All searches side by side, until each has found a margin below 0 or is out of calls.

    Args:
      searches: Q, one of each prompt.
      measure: all captions of a turn at once; a caption that no longer counts is the last one.
      budget: calls of each search; one call is one caption forward, or one gradient.
    """
    if not searches:
        return []
    asked = [next(search) for search in searches]
    calls = np.zeros(len(searches), int)
    for call in range(1, budget + 1):
        margins, slopes = measure(
            np.stack([own.choice for own in asked]), any(own.gradient for own in asked)
        )
        for number in np.flatnonzero(calls == 0):
            if margins[number] < 0:
                calls[number] = call
            else:
                answer = Answer(float(margins[number]), slopes[number])
                asked[number] = searches[number].send(answer)
        if calls.all():
            break
    return [Found(own.choice, int(n)) for own, n in zip(asked, calls, strict=True)]


def _any(swaps: list[tuple[int, int]], rng: np.random.Generator) -> tuple[int, int]:
    return swaps[int(rng.integers(len(swaps)))]
