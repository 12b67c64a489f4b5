"""What is compared in the place of embeddings: shorter ones, coarser ones, less hubs."""

from typing import Literal

import numpy as np

from mmjax.evaluators.linear_solvers import unit
from mmjax.evaluators.neighbours import Gallery

Bits = Literal[1, 8, 32]


def compressed(x: np.ndarray, prefix: int | None, bits: Bits, top: int | None = None) -> np.ndarray:
    """Unit rows f32[N, D'] of unit rows f32[N, D] that are stored in D' x bits.

    Args:
      x: embeddings.
      top: only so many of a row's numbers, the largest, are kept, and 0 are the others, as of codes
        of words (Li et al. 2024, arXiv 2407.17827); None keeps all, and of equal ones the first.
      prefix: D', the first numbers of each; None for all (Kusupati et al. 2022, "Matryoshka
        Representation Learning", arXiv 2205.13147).
      bits: 1 keeps signs, so that a cosine is 1 less twice the Hamming distance over D'; 8 rounds
        to 255 steps between a row's largest number and its negative; 32 keeps all.

    Raises:
      ValueError: for a prefix longer than D.
    """
    if top is not None and top < x.shape[1]:
        kept = np.argsort(-x, axis=1, kind="stable")[:, :top]
        largest = np.zeros_like(x)
        np.put_along_axis(largest, kept, np.take_along_axis(x, kept, 1), 1)
        x = unit(np.where(largest.any(1, keepdims=True), largest, 1e-12))
    if prefix is not None:
        if prefix > x.shape[1]:
            raise ValueError(f"prefix={prefix} of embeddings of {x.shape[1]} numbers")
        x = x[:, :prefix]
    if bits == 1:
        x = np.where(x > 0, 1.0, -1.0)
    elif bits == 8:
        step = np.maximum(np.abs(x).max(1, keepdims=True), 1e-12) / 127
        x = np.round(x / step)
    return unit(x).astype(np.float32) if bits != 32 or prefix is not None else x


def csls(queries: np.ndarray, answers: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """f32[Q, D + 1] and f32[G, D + 1] whose dot products order answers as CSLS does.

    2 x·y - r(x) - r(y), r(y) the mean cosine of y and its k nearest queries: answers that are near
    to everything (hubs) come later (Conneau et al. 2018, "Word Translation Without Parallel Data",
    arXiv 1710.04087). r(x) is the same for all answers of a query and left out.

    Args:
      queries, answers: unit rows.
      k: of the nearest.
    """
    hub = Gallery(queries).nearest(answers, k).scores.mean(1, keepdims=True)
    left = np.concatenate([queries, np.ones((len(queries), 1))], axis=1)
    right = np.concatenate([2 * answers, -hub], axis=1)
    return (left / 2).astype(np.float32), right.astype(np.float32)
