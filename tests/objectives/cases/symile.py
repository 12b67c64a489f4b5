"""Multilinear products of whole tuples of modalities."""

import functools

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import SIZE, Case, make, term_key

THREE = ("a", "b", "c")
FOUR = (*THREE, "d")
SYMILE = {"type": "symile", "modalities": THREE, "scale": 3.0}


def shuffled(spec, count):
    """Symile with B - 1 negatives, for the permutations that the term draws."""

    @functools.cache
    def drawn():
        term = make(spec).terms["term"]
        return [
            [None if o is None else np.asarray(o) for o in term.permutations(term_key(), m, SIZE)]
            for m in range(count)
        ]

    def formula(raws, extra, params):
        orders = drawn()
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


def rows(size):
    return {"row": np.arange(size)}


CASES = {
    "symile": Case(SYMILE, THREE, shuffled(SYMILE, 3), rows),
    "symile_four_raw": Case(
        {**SYMILE, "modalities": FOUR, "normalize": False, "scale": 0.5},
        FOUR,
        shuffled({**SYMILE, "modalities": FOUR, "normalize": False}, 4),
        rows,
    ),
    "symile_n_squared": Case({**SYMILE, "negatives": "n_squared"}, THREE, all_pairs),
}
