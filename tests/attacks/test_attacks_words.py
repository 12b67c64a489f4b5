"""Searches of words and the universal vector, against plain loops in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.attacks import words as words_lib
from mmjax.attacks.universal_token import fitted_token
from mmjax.attacks.words import Answer, Asked, Grammar

SLOTS, WORDS, WIDTH = 3, 7, 5


def test_swaps_are_all_that_stay_natural():
    for filler in (None, 2):
        grammar = Grammar(SLOTS, WORDS, filler)
        rng = np.random.default_rng(0)
        for _ in range(20):
            choice = grammar.natural(rng)
            assert grammar.allows(choice)
            every = itertools.product(range(SLOTS), range(WORDS))
            natural = []
            for slot, word in every:
                other = [word if s == slot else int(w) for s, w in enumerate(choice)]
                said = [w for w in other if w != filler]
                if word != choice[slot] and len(set(said)) == len(said):
                    natural.append((slot, word))
            assert sorted(grammar.swaps(choice)) == natural


def test_natural_captions_have_so_many_words():
    grammar, rng = Grammar(4, 9, 0), np.random.default_rng(1)
    said = [(grammar.natural(rng) != 0).sum() for _ in range(2000)]
    np.testing.assert_allclose(np.bincount(said) / 2000, np.full(5, 0.2), atol=0.04)
    assert all((grammar.natural(rng, 4) != 0).all() for _ in range(20))
    assert all(len(set(Grammar(4, 5).natural(rng))) == 4 for _ in range(20))


def model(seed):
    """(words' vectors, margin, gradient) of a smooth function of the vectors in the slots."""
    rng = np.random.default_rng(seed)
    vectors, kernel = rng.normal(size=(WORDS, WIDTH)), rng.normal(size=(SLOTS, WIDTH))
    level = 2.4

    def margin(choice):
        return level + np.sin(vectors[choice] * kernel).sum() / 2

    def slope(choice):
        return np.cos(vectors[choice] * kernel) * kernel / 2

    return vectors, margin, slope


def by_loop(start, vectors, margin, slope, budget, rng):
    """The gradient search, as the card has it: calls to the failure, or 0."""
    calls = 0

    class Over(Exception):
        pass

    def asked(choice):
        nonlocal calls
        if calls == budget:
            raise Over
        calls += 1
        value = margin(choice)
        if value < 0:
            raise Over(calls)
        return value

    def natural(choice):
        said = [w for w in choice if w != 0]
        return len(said) == len(set(said))

    try:
        best, least = list(start), asked(start)
        while True:
            asked(best)  # a gradient costs a call
            gradient, fell = slope(best), False
            pairs = []
            for s, w in itertools.product(range(SLOTS), range(WORDS)):
                other = [w if n == s else old for n, old in enumerate(best)]
                if w != best[s] and natural(other):
                    pairs.append(((vectors[w] - vectors[best[s]]) @ gradient[s], s, w))
            swaps = [(s, w) for _, s, w in pairs]
            for _, s, w in sorted(pairs, key=lambda pair: pair[0])[:8]:
                other = [w if n == s else old for n, old in enumerate(best)]
                if natural(other):
                    value = asked(other)
                    if value < least:
                        best, least, fell = other, value, True
            if not fell:
                s, w = swaps[int(rng.integers(len(swaps)))]
                best = [w if n == s else old for n, old in enumerate(best)]
                least = asked(best)
    except Over as over:
        return over.args[0] if over.args else 0


def measure(seeds):
    def call(choices, gradient):
        own = [model(seed) for seed in seeds]
        margins = np.array([m(c) for (_, m, _), c in zip(own, choices, strict=True)])
        slopes = np.array([s(c) for (_, _, s), c in zip(own, choices, strict=True)])
        return margins, slopes if gradient else np.zeros_like(slopes)

    return call


def test_the_gradient_search_is_that_of_a_loop_with_its_calls():
    grammar, seeds = Grammar(SLOTS, WORDS, 0), range(60)
    starts = [grammar.natural(np.random.default_rng(seed), SLOTS) for seed in seeds]
    searches, expected = [], []
    for seed, start in zip(seeds, starts, strict=True):
        vectors, margin, slope = model(seed)
        searches.append(
            words_lib.gradient(start, grammar, vectors, np.random.default_rng([seed, 1]))
        )
        rng = np.random.default_rng([seed, 1])
        expected.append(by_loop(start, vectors, margin, slope, 40, rng))
    found = [one.calls for one in words_lib.run(searches, measure(seeds), 40)]
    assert found == expected
    assert sum(calls > 2 for calls in found) > 10
    assert sum(calls == 0 for calls in found) > 3


@pytest.mark.parametrize("kind", words_lib.SEARCHES)
def test_a_failure_is_the_last_caption_and_costs_its_calls(kind):
    grammar, seeds = Grammar(SLOTS, WORDS, 0), range(40)
    heard = [[] for _ in seeds]

    def overheard(seed):
        vectors = model(seed)[0]
        start = grammar.natural(np.random.default_rng(seed), SLOTS)
        search = words_lib.SEARCHES[kind](start, grammar, vectors, np.random.default_rng(seed))
        asked = next(search)
        while True:
            heard[seed].append(asked.choice)
            asked = search.send((yield asked))

    found = words_lib.run([overheard(seed) for seed in seeds], measure(seeds), 30)
    assert any(one.calls for one in found)
    for seed, one in zip(seeds, found, strict=True):
        margins = [model(seed)[1](choice) for choice in heard[seed]]
        assert all(grammar.allows(choice) for choice in heard[seed])
        if one.calls:
            assert one.calls == len(margins)
            assert margins[-1] < 0 <= min([*margins[:-1], 0])
            np.testing.assert_array_equal(one.choice, heard[seed][-1])
        else:
            assert min(margins[:30]) >= 0
            assert len(margins) == 31  # the last one is asked and not answered


def test_climbing_keeps_what_lowers_the_margin():
    grammar = Grammar(SLOTS, WORDS)
    search = words_lib.climb(
        np.array([0, 1, 2]), grammar, np.zeros((WORDS, 1)), np.random.default_rng(0)
    )
    best, least = next(search).choice, 1.0
    asked = search.send(Answer(least, np.zeros((SLOTS, 1))))
    for margin in (0.5, 0.7, 0.4, 0.6):
        assert isinstance(asked, Asked)
        assert (asked.choice != best).sum() == 1
        if margin < least:
            best, least = asked.choice, margin
        asked = search.send(Answer(margin, np.zeros((SLOTS, 1))))
    assert (asked.choice != best).sum() == 1


@pytest.mark.parametrize("bound", [None, 1.5])
def test_the_universal_vector_is_that_of_adam_in_float64(bound):
    rng = np.random.default_rng(0)
    table, kernel, classes = (
        rng.normal(size=(9, 4)),
        rng.normal(size=(5, 4)),
        rng.normal(size=(6, 4)),
    )
    captions, start = rng.integers(9, size=(11, 1)), rng.normal(size=5)

    def embed(v, ids):
        return jnp.asarray(table, jnp.float32)[ids[:, 0]] + v @ jnp.asarray(kernel, jnp.float32)

    found = fitted_token(
        jax.tree_util.Partial(embed), captions, np.float32(classes), 2, np.float32(start),
        bound=bound, steps=25, learning_rate=0.05, temperature=0.5,
    )  # fmt: skip

    def inside(v):
        length = np.linalg.norm(v)
        return v if bound is None or length <= bound else v * bound / length

    v, first, second = inside(start), np.zeros(5), np.zeros(5)
    for step in range(1, 26):
        logits = (table[captions[:, 0]] + v @ kernel) @ classes.T / 0.5
        share = np.exp(logits - logits.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        share[:, 2] -= 1
        slope = kernel @ (share @ classes / 0.5).mean(0)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        scaled = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        v = inside(v - 0.05 * first / (1 - 0.9**step) / scaled)
    np.testing.assert_allclose(found, v, atol=2e-4)
    if bound is not None:
        assert np.linalg.norm(found) == pytest.approx(bound, rel=1e-5)
