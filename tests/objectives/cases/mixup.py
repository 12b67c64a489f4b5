"""Mixtures of rows, and negatives on the arc between two modalities."""

import functools

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import FORMULA, SIZE, Case, make, term_key

PAIR = ("a", "b")
GEODESIC = {"type": "geodesic_negatives", "pairs": (PAIR,)}
MIX = {"type": "mixup_nce", "pairs": (PAIR,), "alpha": 1.0}
ARC = {**MIX, "mixing": "geodesic", "partner": "reverse", "each_row": False, "mix_probability": 1.0}


def arc(x, y, share):
    angle = np.arccos((x * y).sum(-1, keepdims=True).astype(complex))
    share = np.broadcast_to(share, len(x))[:, None]
    return (np.sin(share * angle) * x + np.sin((1 - share) * angle) * y) / np.sin(angle)


def mixup(spec, both=False, geodesic=False):
    """For the shares and partners that the term draws."""

    @functools.cache
    def drawn():
        term = make(spec).terms["term"]
        return term.pairs, [
            [np.asarray(v) for v in term.draw(term_key(), k, SIZE)] for k in range(len(term.pairs))
        ]

    def formula(raws, extra, params):
        pairs, draws = drawn()
        kept = extra["row"]
        place = np.full(SIZE, -1)
        place[kept] = np.arange(len(kept))
        loss = 0
        for (first, second), (share, partner) in zip(pairs, draws, strict=True):
            share, partner = share[kept], place[partner[kept]]
            share = np.where(partner >= 0, share, 1.0)
            partner = np.where(partner >= 0, partner, np.arange(len(kept)))

            def mixed(v, share=share, partner=partner):
                if not geodesic:
                    return normalize(share[:, None] * v + (1 - share)[:, None] * v[partner])
                u = normalize(v)
                moved = (partner != np.arange(len(u))) & (share != 1)
                out = u.astype(complex)
                out[moved] = arc(u[moved], u[partner][moved], share[moved])
                return out

            x = mixed(raws[first])
            y = mixed(raws[second]) if both else normalize(raws[second])
            s = x @ y.T / 0.1
            rows = np.arange(len(kept))
            targets = np.zeros(s.shape)
            np.add.at(targets, (rows, rows), 1.0 if both else share)
            other = np.ones(len(kept)) if both else 1 - share
            there = place[draws[0][1][kept]] >= 0 if both else np.ones(len(kept), bool)
            np.add.at(targets, (rows, partner), np.where(there, other, 0.0))
            every = np.ones(s.shape, bool)
            for axis in (0, 1):
                log_p = s - np.expand_dims(logsumexp(s, every, axis), axis)
                loss = loss - (targets * log_p).sum() / len(kept) / 2
        return loss / len(draws)

    return Case(spec, PAIR, formula, lambda size: {"row": np.arange(size)})


def mixed_before(size):
    """Inputs of `a` that are mixed already: one row of itself, some with nothing of another."""
    rng = np.random.default_rng(8)
    share = np.where(rng.random(size) < 0.4, 1.0, rng.random(size)).astype(np.float32)
    partner = rng.permutation(size).astype(np.int32)
    return {"mix/a/share": share, "mix/a/partner": partner, "row": np.arange(size)}


def bimixco(raws, extra, params):
    """With a row's partner not among those that count, its part has no target."""
    x, y = normalize(raws["a"]), normalize(raws["b"])
    s, rows = x @ y.T / 0.1, np.arange(len(x))
    share, row = extra["mix/a/share"], extra["row"]
    targets = np.diag(share.astype(float))
    for i, partner in enumerate(extra["mix/a/partner"]):
        targets[i, row == partner] += 1 - share[i]
    loss, every = 0, np.ones(s.shape, bool)
    for axis in (0, 1):
        log_p = s - np.expand_dims(logsumexp(s, every, axis), axis)
        loss = loss - (targets * log_p).sum() / len(rows) / 2
    return loss


@functools.cache
def geodesic_share():
    return float(make(GEODESIC).terms["term"].draw(term_key(), 0))


def geodesic_negatives(raws, extra, params):
    x, y = (normalize(raw) for raw in raws.values())
    m = arc(x, y, geodesic_share())
    positive = (x * y).sum(1) / 0.07
    loss = 0
    for side in (x, y):
        s = side @ m.T / 0.07
        s[np.arange(len(x)), np.arange(len(x))] = positive
        loss = loss + (logsumexp(s, np.ones(s.shape, bool), 1) - positive).mean()
    return loss


CASES = {
    "m3co": mixup({**MIX, "pairs": (PAIR, PAIR[::-1])}),
    "v_mix": mixup(ARC, geodesic=True),
    "vl_mix": mixup({**ARC, "mix": "both"}, both=True, geodesic=True),
    "bimixco": Case({**MIX, "mix": "inputs"}, PAIR, bimixco, mixed_before, one_row=FORMULA),
    "geodesic_negatives": Case(GEODESIC, PAIR, geodesic_negatives),
}
