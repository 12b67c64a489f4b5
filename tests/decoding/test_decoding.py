"""Decoding algorithms against what a plain loop, or a search through all texts, finds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.decoding import DECODERS, Start
from mmjax.decoding.single import nucleus
from mmjax.errors import ConfigError

VOCABULARY, ROOM, WIDTH, EOS = 5, 6, 3, 4
SPECS = (
    {"type": "greedy"},
    {"type": "beam", "width": 3},
    {"type": "nucleus", "p": 0.8, "temperature": 1.3},
    {"type": "contrastive", "k": 3, "alpha": 0.5},
)


class Model:
    """Logits that depend on a row's own number and all ids so far, and hidden states likewise."""

    def __init__(self, rows, seed=0):
        rng = np.random.default_rng(seed)
        self.table = 1.5 * rng.normal(size=(50, ROOM, VOCABULARY, VOCABULARY))
        self.states = rng.normal(size=(ROOM, VOCABULARY, WIDTH)) + 0.7
        self.rows = np.asarray(rows)

    def logits(self, row, ids):
        """f64[V], of what follows ids."""
        return sum(self.table[row, t, i] / (len(ids) - t) for t, i in enumerate(ids))

    def hidden(self, ids):
        """f64[t, W]."""
        return np.stack([self.states[: t + 1].sum(0)[i] for t, i in enumerate(ids)])

    def __call__(self, ids, at):
        table = jnp.asarray(np.float32(self.table[self.rows]))
        t = jnp.arange(ROOM)
        rows = jnp.arange(len(self.rows))[:, None, None]
        each = table[rows, t, ids]  # B K T V
        distance = at[:, None] + 1 - t
        share = jnp.where(distance > 0, 1 / jnp.maximum(distance, 1), 0.0)
        states = jnp.cumsum(jnp.asarray(np.float32(self.states)), axis=0)
        return (share[:, None, :, None] * each).sum(2), states[t, ids]


def begun(rows, lengths=None):
    rows = np.asarray(rows)
    lengths = 1 + rows % 2 if lengths is None else np.asarray(lengths)
    ids = np.where(np.arange(ROOM) < lengths[:, None], (rows[:, None] + np.arange(ROOM)) % 4, 0)
    return Start(*(x.astype(np.int32) for x in (ids, lengths, rows)))


def decode(spec, rows, eos=EOS, lengths=None):
    decoder = DECODERS.spec(**spec).build()
    run = jax.jit(lambda start: decoder(Model(rows), start, eos))
    return jax.tree.map(np.asarray, run(begun(rows, lengths)))


def log_softmax(x):
    return x - np.log(np.exp(x - x.max()).sum()) - x.max()


def plainly(choose, row, prompt, eos):
    """ids and log likelihood of a text to which `choose(ids, log p)` appends."""
    model, ids, total = Model([row]), list(prompt), 0.0
    while len(ids) < ROOM:
        log_p = log_softmax(model.logits(row, ids))
        new = choose(model, ids, log_p)
        ids.append(new)
        total += log_p[new]
        if new == eos:
            break
    return ids, total


def greedy(model, ids, log_p):
    return int(np.argmax(log_p))


def contrastive(model, ids, log_p, k=3, alpha=0.5):
    """The card's formula, candidate by candidate."""
    best, found = -np.inf, None
    for v in np.argsort(-log_p, kind="stable")[:k]:
        hidden = model.hidden([*ids, int(v)])
        unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
        value = (1 - alpha) * np.exp(log_p[v]) - alpha * max(unit[:-1] @ unit[-1])
        if value > best:
            best, found = value, int(v)
    return found


@pytest.mark.parametrize("eos", [EOS, None])
@pytest.mark.parametrize(("spec", "choose"), [(SPECS[0], greedy), (SPECS[3], contrastive)])
def test_one_by_one_is_a_plain_loop(spec, choose, eos):
    rows = np.arange(24)
    found = decode(spec, rows, eos)
    start = begun(rows)
    for row in rows:
        prompt = start.ids[row, : start.length[row]]
        ids, total = plainly(choose, row, prompt, eos)
        assert found.ids[row].tolist() == ids + [0] * (ROOM - len(ids))
        assert found.length[row] == len(ids)
        np.testing.assert_allclose(found.log_likelihood[row], total, rtol=1e-5)
    assert (found.length < ROOM).any() == (eos is not None)


def test_a_candidate_alone_and_no_penalty_are_greedy():
    rows, want = np.arange(12), decode(SPECS[0], np.arange(12))
    for options in ({"k": 1}, {"alpha": 0.0}):
        found = decode({"type": "contrastive", **options}, rows)
        np.testing.assert_array_equal(found.ids, want.ids)
    np.testing.assert_array_equal(decode({"type": "beam", "width": 1}, rows).ids, want.ids)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_as_wide_as_all_texts_finds_the_best(penalty):
    """Four new tokens at most: at most 4**3 beginnings, of which none is lost."""
    rows = np.arange(6)
    lengths = np.full(6, 2)
    spec = {"type": "beam", "width": 64, "length_penalty": penalty}
    found = decode(spec, rows, lengths=lengths)
    start = begun(rows, lengths)
    for row in rows:
        model, prompt = Model([row]), start.ids[row, :2].tolist()
        best, text = -np.inf, None
        for count in range(1, 5):
            for new in itertools.product(range(VOCABULARY), repeat=count):
                if EOS in new[:-1] or (count < 4 and new[-1] != EOS):
                    continue
                total = sum(
                    log_softmax(model.logits(row, [*prompt, *new[:k]]))[new[k]]
                    for k in range(count)
                )
                if total / count**penalty > best:
                    best, text, likely = total / count**penalty, [*prompt, *new], total
        assert found.ids[row, : found.length[row]].tolist() == text
        np.testing.assert_allclose(found.log_likelihood[row], likely, rtol=1e-5)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["type"])
def test_a_text_is_the_same_with_and_without_batch_mates(spec):
    rows = np.arange(16)
    together = decode(spec, rows)
    again = decode(spec, rows[::-1])
    np.testing.assert_array_equal(again.ids[::-1], together.ids)
    for row in (3, 8):
        alone = decode(spec, [row])
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])
        assert alone.length[0] == together.length[row]
        np.testing.assert_allclose(alone.log_likelihood[0], together.log_likelihood[row], rtol=1e-6)


def test_a_full_prompt_stays_as_it_is():
    for spec in SPECS:
        found = decode(spec, [0, 1], lengths=[ROOM, 2])
        np.testing.assert_array_equal(found.ids[0], begun([0], [ROOM]).ids[0])
        assert found.length[0] == ROOM
        assert found.log_likelihood[0] == 0
        assert found.length[1] > 2


def test_nucleus_draws_in_proportion_from_the_smallest_set():
    p = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
    order = np.array([3, 0, 4, 1, 2])
    logits = np.log(p)[order][None]
    for mass, kept in ((0.5, 1), (0.51, 2), (0.75, 2), (0.8, 3), (0.95, 4), (1.0, 5)):
        # What sums to the mass exactly may be a rounding error short of it.
        inside = np.isfinite(jax.jit(nucleus)(np.float32(logits), mass - 1e-6))[0]
        np.testing.assert_array_equal(inside, order < kept)
    decoder = DECODERS.spec("nucleus", p=0.8, temperature=2.0).build()
    count = 8000
    drawn = jax.jit(decoder.choose)(
        np.broadcast_to(np.float32(logits), (count, 5)), np.arange(count), np.full(count, 3)
    )
    even = p**0.5 / (p**0.5).sum()
    want = np.where(np.cumsum(even) - even < 0.8, even, 0)
    share = np.bincount(order[np.asarray(drawn)], minlength=5) / count
    np.testing.assert_allclose(share, want / want.sum(), atol=0.02)


def test_another_seed_draws_others():
    rows = np.arange(16)
    first = decode({"type": "nucleus", "seed": 0}, rows)
    other = decode({"type": "nucleus", "seed": 1}, rows)
    assert (first.ids != other.ids).any()


@pytest.mark.parametrize("options", [{"p": 0.0}, {"p": 1.5}, {"temperature": 0.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="should be"):
        DECODERS.spec("nucleus", **options)
