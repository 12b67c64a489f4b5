"""Hard negatives, mixtures, and terms without negatives, against their formulas."""

import jax.numpy as jnp
import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run, term_key

from mmjax.errors import ConfigError
from mmjax.objectives.mixup import slerp

PAIR = ("a", "b")


def hard(beta, tau_plus, temperature, **options):
    def formula(raws, extra, params):
        x, y = (normalize(raw) for raw in raws.values())
        s = x @ y.T / temperature
        size = len(x)
        number, loss = size - 1, 0
        for scores in (s, s.T):
            for i in range(size):
                n = np.exp(np.delete(scores[i], i))
                p = np.exp(scores[i, i])
                weighted = (n ** (1 + beta)).sum() / (n**beta).mean()
                g = (weighted - tau_plus * number * p) / (1 - tau_plus)
                bound = number * np.exp(-1 / temperature)
                g = g if g.real > bound else bound
                loss = loss - np.log(p / (p + g))
        return loss / (2 * size)

    spec = {"type": "hard_info_nce", "pairs": (PAIR,), "beta": beta, "tau_plus": tau_plus}
    return Case({**spec, "temperature": temperature}, PAIR, formula, **options)


def arc(x, y, share):
    angle = np.arccos((x * y).sum(-1, keepdims=True).astype(complex))
    share = np.broadcast_to(share, len(x))[:, None]
    return (np.sin(share * angle) * x + np.sin((1 - share) * angle) * y) / np.sin(angle)


def mixup(spec, both=False, geodesic=False):
    """For the shares and partners that the term draws."""
    term = make(spec).terms["term"]
    draws = [
        [np.asarray(v) for v in term.draw(term_key(), k, SIZE)] for k in range(len(term.pairs))
    ]

    def formula(raws, extra, params):
        kept = extra["row"]
        place = np.full(SIZE, -1)
        place[kept] = np.arange(len(kept))
        loss = 0
        for (first, second), (share, partner) in zip(term.pairs, draws, strict=True):
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


def geodesic_negatives(raws, extra, params):
    x, y = (normalize(raw) for raw in raws.values())
    share = float(make(GEODESIC).terms["term"].draw(term_key(), 0))
    m = arc(x, y, share)
    positive = (x * y).sum(1) / 0.07
    loss = 0
    for side in (x, y):
        s = side @ m.T / 0.07
        s[np.arange(len(x)), np.arange(len(x))] = positive
        loss = loss + (logsumexp(s, np.ones(s.shape, bool), 1) - positive).mean()
    return loss


def barlow(raws, extra, params):
    a, b = (
        (raw - raw.mean(0)) / np.sqrt(((raw - raw.mean(0)) ** 2).mean(0) + 1e-5)
        for raw in raws.values()
    )
    c = a.T @ b / len(a)
    off = ~np.eye(len(c), dtype=bool)
    return ((1 - np.diag(c)) ** 2).sum() + 0.0051 * (c[off] ** 2).sum()


def vicreg(raws, extra, params):
    loss = 25 * ((raws["a"] - raws["b"]) ** 2).mean()
    for raw in raws.values():
        centred = raw - raw.mean(0)
        cov = centred.T @ centred / (len(raw) - 1)
        gap = 1 - np.sqrt(np.diag(cov) + 1e-4)
        loss = loss + 25 * np.where(gap.real > 0, gap, 0).mean() / 2
        loss = loss + (cov[~np.eye(len(cov), dtype=bool)] ** 2).sum() / len(cov)
    return loss


GEODESIC = {"type": "geodesic_negatives", "pairs": (PAIR,)}
MIX = {"type": "mixup_nce", "pairs": (PAIR,), "alpha": 1.0}
ARC = {**MIX, "mixing": "geodesic", "partner": "reverse", "each_row": False, "mix_probability": 1.0}
CASES = {
    "hard": hard(1.0, 0.1, 0.5),
    # R - 0.9 N p cancels most of its digits, some more or fewer with a CPU's vector width.
    "hard_clamped": hard(0.5, 0.9, 0.5, tolerance=5e-6),
    "hard_none": hard(0.0, 0.0, 0.2),
    "m3co": mixup({**MIX, "pairs": (PAIR, PAIR[::-1])}),
    "v_mix": mixup(ARC, geodesic=True),
    "vl_mix": mixup({**ARC, "mix": "both"}, both=True, geodesic=True),
    "geodesic_negatives": Case(GEODESIC, PAIR, geodesic_negatives),
    "barlow": Case({"type": "barlow_twins", "pairs": (PAIR,)}, PAIR, barlow),
    "vicreg": Case({"type": "vicreg", "pairs": (PAIR,)}, PAIR, vicreg),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


@pytest.mark.parametrize("name", ["hard", "hard_none", "geodesic_negatives"])
def test_one_row_has_no_negatives(name):
    CASES[name].check_one_row()


def test_no_beta_and_no_prior_is_info_nce():
    raws, plan = embeddings(PAIR), plan_of("dense", 1, 1)
    plain = {"type": "info_nce", "pairs": (PAIR,), "temperature": 0.2, "learn_temperature": False}
    one, other = (run(spec, plan, raws, {}) for spec in (CASES["hard_none"].spec, plain))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)


def test_the_arc_goes_from_one_end_to_the_other_at_unit_length():
    rng = np.random.default_rng(0)
    x, y = (normalize(rng.normal(size=(6, 4))) for _ in range(2))
    for share in (0.0, 0.3, 1.0):
        point = np.asarray(slerp(jnp.asarray(x), jnp.asarray(y), share))
        np.testing.assert_allclose((point**2).sum(1), 1, rtol=1e-5)
        angles = np.arccos((point * y).sum(1).clip(-1, 1))
        np.testing.assert_allclose(angles, share * np.arccos((x * y).sum(1)), atol=2e-3)
    np.testing.assert_allclose(slerp(jnp.asarray(x), jnp.asarray(x), 0.3), x, atol=1e-6)


def test_shares_are_one_where_no_mixing_was_drawn():
    term = make({**MIX, "mix_probability": 0.25}).terms["term"]
    share, partner = term.draw(term_key(), 0, 4000)
    assert 0.72 < (np.asarray(share) == 1).mean() < 0.78
    assert sorted(np.asarray(partner)) == list(range(4000))


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "hard_info_nce", "beta": -1.0},
        {"type": "hard_info_nce", "tau_plus": 1.0},
        {"type": "mixup_nce", "alpha": 0.0},
        {"type": "geodesic_negatives", "alpha": -1.0},
        {"type": "barlow_twins", "eps": 0.0},
        {"type": "vicreg", "variance": -1.0},
    ],
)
def test_options_that_make_no_sense_are_refused(spec):
    with pytest.raises(ConfigError, match=f"{spec['type']}' needs"):
        make(spec)
