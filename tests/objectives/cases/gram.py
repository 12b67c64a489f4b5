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
    s = -np.sqrt(square + 1e-6) / tau
    loss = 0
    for axis in (0, 1):
        target = (1 - smoothing) * np.diag(s) + smoothing * s.mean(axis)
        loss = loss + (logsumexp(s, np.ones(s.shape, bool), axis) - target).mean() / 2
    return loss


# V² is a difference of numbers near 1, so their rounding, 2^-24, is a share 2^-24 / V² of it, which
# the root hands on to the gradient. Over the 16 tuples of 'gram' the root mean square of 1/V² is
# 93: an error of 6e-6 in gradients, which are held to three times the tolerance.
ROUNDING = 5e-6

CASES = {
    # The root of a determinant multiplies the rounding of embeddings, which is another one for
    # another number of rows, and which a CPU's vector width decides, too.
    "gram": Case(
        {"type": "gram_volume", "modalities": THREE},
        THREE,
        volumes,
        tolerance=ROUNDING,
        microbatch_tolerance=3e-6,
        quick_memory=True,
    ),
    "gram_pair": Case(
        {"type": "gram_volume", "modalities": ("a", "b"), "learn_temperature": False},
        ("a", "b"),
        volumes,
        tolerance=ROUNDING,
    ),
    "gram_five": Case(
        {"type": "gram_volume", "modalities": FIVE, "label_smoothing": 0.0, "temperature": 0.5},
        FIVE,
        lambda *args: volumes(*args, smoothing=0.0),
        dim=7,
        tolerance=ROUNDING,
    ),
}
