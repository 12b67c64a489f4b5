"""InfoNCE with hard negatives, debiased."""

import numpy as np
from objective_formulas import normalize
from term_harness import Case

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


CASES = {
    "hard": hard(1.0, 0.1, 0.5),
    # R - 0.9 N p cancels most of its digits, some more or fewer with a CPU's vector width.
    "hard_clamped": hard(0.5, 0.9, 0.5, tolerance=5e-6),
    "hard_none": hard(0.0, 0.0, 0.2),
}
