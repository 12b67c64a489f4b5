"""Volumes of tuples of unit vectors, as scores of pairs: an anchor and the tuple of the others.

Of vectors in order, the volume of the parallelotope that they span is the product of their heights,
the distances of each from the span of those before it. Gram-Schmidt takes heights as lengths of
what is left of the vectors themselves, so that they keep their digits where vectors nearly agree;
the determinant of their Gram matrix is a difference of numbers near 1 and does not.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

# Added to squared heights, for the root has an infinite gradient at 0: above what rounding leaves
# of a vector that lies in the span of others, about 1e-15.
EPS = 1e-12


def span(vectors: jax.Array, eps: float = EPS) -> dict[str, jax.Array]:
    """Orthonormal basis and volume of tuples of vectors, by Gram-Schmidt, twice over.

    Args:
      vectors: f32[..., M, D], of length 1, or 0 for a tuple that is not there.
      eps: added to squared heights.

    Returns:
      `basis` f32[..., M, D], near 0 where a vector lies in the span of those before it, and
      `volume` f32[...].
    """
    basis: list[jax.Array] = []
    volume = jnp.ones_like(vectors[..., 0, 0])
    for m in range(vectors.shape[-2]):
        rest = vectors[..., m, :]
        for _ in range(2):  # once leaves products of the basis of 1e-7 / height
            for other in basis:
                rest = rest - (rest * other).sum(-1, keepdims=True) * other
        height = jnp.sqrt((rest * rest).sum(-1) + eps)
        volume = volume * height
        basis.append(rest / height[..., None])
    return {"basis": jnp.stack(basis, axis=-2), "volume": volume}


def with_anchors(
    anchors: jax.Array, columns: Mapping[str, jax.Array], eps: float = EPS
) -> jax.Array:
    """Volume of every anchor with every tuple: one product for each vector of the tuples.

    The square of a height has an error of about 1e-7. Where an anchor may come that close to the
    tuple's span, as that of the same example does, take the `span` of all of its vectors.

    Args:
      anchors: f32[r, D].
      columns: `span` of c tuples.
      eps: added to squared heights.

    Returns:
      f32[r, c].
    """
    inside = jnp.einsum("rd,cmd->rcm", anchors, columns["basis"], precision="highest")
    height = (anchors * anchors).sum(-1)[:, None] - (inside * inside).sum(-1)
    # Not the maximum, which at 0 has half of a gradient that is rounding alone.
    return columns["volume"] * jnp.sqrt(jnp.where(height > 0, height, 0.0) + eps)
