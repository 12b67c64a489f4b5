"""Linear CKA, and its local form that scores single pairs, without an N x N matrix."""

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """|X'Y|_F^2 / (|X'X|_F |Y'Y|_F) of centred rows: similarity of two representations, 0 to 1.

    Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited",
    arXiv 1905.00414; of linear kernels, which needs no kernel matrix.

    Args:
      x: f[N, A].
      y: f[N, B]; row i is of the same example.
    """
    x, y = (v.astype(np.float64) - v.mean(0, dtype=np.float64) for v in (x, y))
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(x.T @ y) ** 2 / norms) if norms else 0.0


class LocalCka:
    """CKA of anchors with one more pair (a, b) among them, for all pairs at once.

    The score of (a, b) is linear CKA of the n + 1 rows [X; a] and [Y; b] (Maniparambil et al. 2024,
    "Do Vision and Language Encoders Represent the World Similarly?", arXiv 2401.05224). By a
    rank-one update, with rows centred by the anchors' means, S = X'Y and f = n / (n + 1),

        score = (|S|^2 + 2 f a'S b + f^2 |a|^2 |b|^2) / (D_x(a) D_y(b)),
        D_x(a)^2 = |X'X|^2 + 2 f a'X'X a + f^2 |a|^4, and so D_y.

    Args:
      x: f64[n, A], anchors.
      y: f64[n, B].
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self._means = x.mean(0), y.mean(0)
        x, y = x - self._means[0], y - self._means[1]
        self._factor = len(x) / (len(x) + 1)
        self._shared, self._own = x.T @ y, (x.T @ x, y.T @ y)

    def vectors(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f32[Q, B + 2] and f32[G, B + 2] whose dot products order b for every a as scores do.

        Less what is the same for all b of an a, so that float32 keeps what differs.

        Args:
          a: f64[Q, A].
          b: f64[G, B].
        """
        query, answer, norm = self._parts(a, b)
        base = np.linalg.norm(self._own[1])
        answer = np.concatenate([answer / norm[:, None], (1 / norm - 1 / base)[:, None]], axis=1)
        query = np.concatenate(
            [query, np.full((len(query), 1), np.linalg.norm(self._shared) ** 2)], axis=1
        )
        query /= np.maximum(np.linalg.norm(query, axis=1, keepdims=True), 1e-300)
        answer /= max(np.linalg.norm(answer, axis=1).max(), 1e-300)
        return query.astype(np.float32), answer.astype(np.float32)

    def scores(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """f64[Q, G], the scores themselves, of a sample."""
        query, answer, norm = self._parts(a, b)
        _, _, of_queries = self._parts(b, a, 1)
        total = np.linalg.norm(self._shared) ** 2 + query @ answer.T
        found: np.ndarray = total / (of_queries[:, None] * norm)
        return found

    def reversed(self) -> "LocalCka":
        """That by which b finds a."""
        other = object.__new__(LocalCka)
        other._means, other._factor = self._means[::-1], self._factor
        other._shared, other._own = self._shared.T, self._own[::-1]
        return other

    def _parts(
        self, a: np.ndarray, b: np.ndarray, side: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[2 f a'S, f^2 |a|^2], [b, |b|^2] and D_y(b); `side` 1 swaps the roles of x and y."""
        f, shared = self._factor, self._shared if side == 0 else self._shared.T
        a, b = a - self._means[side], b - self._means[1 - side]
        own = self._own[1 - side]
        squares = [(v**2).sum(1) for v in (a, b)]
        query = np.concatenate([2 * f * a @ shared, f**2 * squares[0][:, None]], axis=1)
        answer = np.concatenate([b, squares[1][:, None]], axis=1)
        inner = np.einsum("gi,ij,gj->g", b, own, b, optimize=True)
        norm = np.sqrt(np.linalg.norm(own) ** 2 + 2 * f * inner + f**2 * squares[1] ** 2)
        return query, answer, norm
