"""Terms over whole tuples of modalities: multilinear products and volumes."""

import itertools

import numpy as np
import pytest
from objective_formulas import logsumexp, normalize
from term_harness import PLANS, SIZE, Case, embeddings, make, plan_of, run, term_key

from mmjax.errors import ConfigError

THREE = ("a", "b", "c")


def shuffled(spec, count):
    """Symile with B - 1 negatives, for the permutations that the term draws."""
    term = make(spec).terms["term"]
    orders = [
        [None if o is None else np.asarray(o) for o in term.permutations(term_key(), m, SIZE)]
        for m in range(count)
    ]

    def formula(raws, extra, params):
        kept = extra["row"]  # the rows that are there, by their place in the whole batch
        place = np.full(SIZE, -1)
        place[kept] = np.arange(len(kept))
        r = list(raws.values())
        if spec.get("normalize", True):
            r = [normalize(x) for x in r]
        scale = np.exp(params["temperature/log_scale"])
        own = scale * np.prod(np.stack(r), axis=0).sum(1)
        loss = 0
        for m in range(count):
            product, whole = 1, np.ones(SIZE, bool)
            for n in range(count):
                if n == m:
                    continue
                source = place[orders[m][n]]
                whole &= source >= 0
                product = product * r[n][np.maximum(source, 0)]
            s = scale * r[m] @ product.T  # [kept, B]
            negative = np.broadcast_to(whole, s.shape) & (kept[:, None] != np.arange(SIZE))
            columns = np.concatenate([own[:, None], s], axis=1)
            counted = np.concatenate([np.ones((len(kept), 1), bool), negative], axis=1)
            loss = loss + (logsumexp(columns, counted, 1) - own).mean() / count
        return loss

    return formula


def all_pairs(raws, extra, params):
    x, y, z = (normalize(raw) for raw in raws.values())
    s = np.exp(params["temperature/log_scale"]) * np.einsum("id,jd,ld->ijl", x, y, z)
    own = np.einsum("iii->i", s)
    every = np.ones(s.shape, bool)
    losses = [(logsumexp(np.moveaxis(s, axis, 0), every, (1, 2)) - own).mean() for axis in range(3)]
    return sum(losses) / 3


def volumes(raws, extra, params, smoothing=0.1):
    u = [normalize(raw) for raw in raws.values()]
    tau = params.get("temperature", 0.07)
    size, k = len(u[0]), len(u)
    gram = [[None] * k for _ in range(k)]  # entries [B, B]: anchor i, tuple j
    for m, n in itertools.product(range(k), range(k)):
        if 0 in (m, n):
            other = u[max(m, n)]
            gram[m][n] = u[0] @ other.T if m + n else np.ones((size, size))
        else:
            gram[m][n] = np.broadcast_to((u[m] * u[n]).sum(1), (size, size))
    # Leibniz: numpy's determinant of complex matrices loses a step of 1e-30.
    square = 0
    for order in itertools.permutations(range(k)):
        sign = round(np.linalg.det(np.eye(k)[list(order)]))
        square = square + sign * np.prod([gram[m][order[m]] for m in range(k)], axis=0)
    s = -np.sqrt(square + 1e-6) / tau
    loss = 0
    for axis in (0, 1):
        target = (1 - smoothing) * np.diag(s) + smoothing * s.mean(axis)
        loss = loss + (logsumexp(s, np.ones(s.shape, bool), axis) - target).mean() / 2
    return loss


def rows(size):
    return {"row": np.arange(size)}


# V² is a difference of numbers near 1, so their rounding, 2^-24, is a share 2^-24 / V² of it, which
# the root hands on to the gradient. Over the 16 tuples of 'gram' the root mean square of 1/V² is
# 93: an error of 6e-6 in gradients, which are held to three times the tolerance.
ROUNDING = 5e-6

SYMILE = {"type": "symile", "modalities": THREE, "scale": 3.0}
FOUR = (*THREE, "d")
CASES = {
    "symile": Case(SYMILE, THREE, shuffled(SYMILE, 3), rows),
    "symile_four_raw": Case(
        {**SYMILE, "modalities": FOUR, "normalize": False, "scale": 0.5},
        FOUR,
        shuffled({**SYMILE, "modalities": FOUR, "normalize": False}, 4),
        rows,
    ),
    "symile_n_squared": Case({**SYMILE, "negatives": "n_squared"}, THREE, all_pairs),
    "gram_pair": Case(
        {"type": "gram_volume", "modalities": ("a", "b"), "learn_temperature": False},
        ("a", "b"),
        volumes,
        tolerance=ROUNDING,
    ),
    "gram": Case({"type": "gram_volume", "modalities": THREE}, THREE, volumes, tolerance=ROUNDING),
    "gram_five": Case(
        {
            "type": "gram_volume",
            "modalities": (*FOUR, "e"),
            "label_smoothing": 0.0,
            "temperature": 0.5,
        },
        (*FOUR, "e"),
        lambda *args: volumes(*args, smoothing=0.0),
        dim=7,
        tolerance=ROUNDING,
    ),
}


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_equals_the_formula(name, plan):
    CASES[name].check(plan)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_enter_nothing(name):
    CASES[name].check_absent()


@pytest.mark.parametrize("name", CASES)
def test_one_row_is_its_own_answer(name):
    CASES[name].check_one_row()


def test_equal_vectors_have_no_volume_and_finite_gradients():
    raws = embeddings(("a", "b"), 6)
    raws["b"] = raws["a"].copy()
    spec = {"type": "gram_volume", "modalities": ("a", "b")}
    value, grads, _, metrics = run(spec, plan_of("dense", 1, 1), raws, {})
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())
    np.testing.assert_allclose(metrics["term/volume"], 1e-3, rtol=0.2)  # eps^1/2


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="takes three modalities"):
        make({**SYMILE, "modalities": FOUR, "negatives": "n_squared"})
    with pytest.raises(ConfigError, match="at most 5"):
        make({"type": "gram_volume", "modalities": tuple("abcdef")})
