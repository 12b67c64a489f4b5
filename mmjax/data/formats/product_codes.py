"""Product quantization: a vector as a few codes, each the nearest of some centres of one part."""

from __future__ import annotations

import numpy as np

ROUNDS = 20  # of Lloyd's algorithm


def centres_of(x: np.ndarray, codes: int, rng: np.random.Generator) -> np.ndarray:
    """Centres f32[codes, D] of rows f32[N, D] by k-means, from `codes` of them that are drawn.

    Raises:
      ValueError: for fewer rows than codes.
    """
    from sklearn.cluster import KMeans  # here to start faster

    if len(x) < codes:
        raise ValueError(f"{len(x)} rows are too few for {codes} codes")
    start = x[rng.choice(len(x), codes, replace=False)].astype(np.float32)
    means = KMeans(codes, init=start, n_init=1, max_iter=ROUNDS, tol=0.0)
    found: np.ndarray = means.fit(x.astype(np.float32, copy=False)).cluster_centers_
    return found


def nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """i64[N], the nearest of centres f32[C, D] to each row f32[N, D]; the first of equal ones."""
    from sklearn.metrics import pairwise_distances_argmin

    if not len(x):
        return np.zeros(0, np.int64)
    found: np.ndarray = pairwise_distances_argmin(x, centres)
    return found


class ProductCodes:
    """Codes of vectors by parts (Jégou et al. 2011, product quantization).

    The numbers of the parts are apart: those of part p begin at p times `codes`. The third centre
    of one part has nothing in common with the third of another, and a table of vectors of codes,
    as a transformer has, should not say that it has.

    Args:
      x: f32[N, D], that the centres are of.
      parts: into how many parts, one after the other, D is cut.
      codes: of each part.
      rng: draws the first centres.

    Raises:
      ValueError: where `parts` does not divide D, or there are fewer rows than codes.
    """

    def __init__(self, x: np.ndarray, parts: int, codes: int, rng: np.random.Generator):
        if x.shape[1] % parts:
            raise ValueError(f"vectors of {x.shape[1]} numbers cannot be cut into {parts} parts")
        self.centres = [centres_of(part, codes, rng) for part in np.split(x, parts, axis=1)]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """i64[N, parts] of f32[N, D], below parts * codes."""
        cut = np.split(x, len(self.centres), axis=1)
        near = np.stack([nearest(p, c) for p, c in zip(cut, self.centres, strict=True)], axis=1)
        return near + len(self.centres[0]) * np.arange(len(self.centres))
