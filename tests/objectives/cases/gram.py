"""Volumes of whole tuples of modalities."""

import itertools

import numpy as np
from objective_formulas import logsumexp, normalize
from term_harness import Case

THREE = ("a", "b", "c")
FIVE = (*THREE, "d", "e")


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
    s = -np.sqrt(square) / tau
    loss = 0
    for axis in (0, 1):
        target = (1 - smoothing) * np.diag(s) + smoothing * s.mean(axis)
        loss = loss + (logsumexp(s, np.ones(s.shape, bool), axis) - target).mean() / 2
    return loss


# Anchors near the tuples of others have heights from a difference of numbers near 1, of which the
# rounding of embeddings, another one for each CPU and number of rows, is a share 1e-7 / height².
ROUNDING = 3e-6

CASES = {
    "gram": Case(
        {"type": "gram_volume", "modalities": THREE},
        THREE,
        volumes,
        tolerance=ROUNDING,
        microbatch_tolerance=ROUNDING,
        quick_memory=True,
    ),
    "gram_pair": Case(
        {"type": "gram_volume", "modalities": ("a", "b"), "learn_temperature": False},
        ("a", "b"),
        volumes,
    ),
    "gram_five": Case(
        {"type": "gram_volume", "modalities": FIVE, "label_smoothing": 0.0, "temperature": 0.5},
        FIVE,
        lambda *args: volumes(*args, smoothing=0.0),
        dim=7,
    ),
}
