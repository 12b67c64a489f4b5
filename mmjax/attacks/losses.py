"""What attacks minimize: measures of how near changed embeddings are to where they belong."""

import jax
import jax.numpy as jnp

_TINY = 1e-7  # in every logarithm, as in the code of AdvCLIP


def info_nce(x: jax.Array, y: jax.Array, temperature: float) -> jax.Array:
    """InfoNCE in one direction: mean over i of -log softmax_j(x_i y_j / temperature) at j = i.

    Args:
      x, y: f32[B, D], unit rows; those of one number belong together.
      temperature: of the softmax.
    """
    logits = x @ y.T / temperature
    return (jax.nn.logsumexp(logits, axis=1) - jnp.diag(logits)).mean()


def topology(x: jax.Array, y: jax.Array) -> jax.Array:
    """How different the neighbourhoods of two sets of vectors are, the mean over all B^2 pairs.

    The similarity of i and j is s_ij = 1 - (max_(k != i) c_ik - c_ij) / 2 with the cosines c, and
    s_ii = 1; P are its rows divided by their sums. Then it is the mean of

        P_y log(P_y / P_x) + (1 - P_y) log((1 - P_y) / (1 - P_x))

    times 256, so that of 16 rows it is the sum that AdvCLIP takes (Zhou et al. 2023, arXiv
    2308.07026).

    Args:
      x, y: f32[B, D], unit rows, B at least 2; those of one number belong together.
    """
    p, q = _neighbours(x), _neighbours(y)
    one = q * jnp.log((q + _TINY) / (p + _TINY))
    other = (1 - q) * jnp.log((1 - q + _TINY) / (1 - p + _TINY))
    return 256 * (one + other).mean()


def _neighbours(x: jax.Array) -> jax.Array:
    cosines, own = x @ x.T, jnp.eye(len(x), dtype=bool)
    nearest = jnp.where(own, -jnp.inf, cosines).max(axis=1, keepdims=True)
    similarity = jnp.where(own, 1.0, 1 - (nearest - cosines) / 2)
    return similarity / similarity.sum(axis=1, keepdims=True)


def attraction(changed: jax.Array, clean: jax.Array, texts: jax.Array, margin: float) -> jax.Array:
    """Towards a text that is unlike the example, and at least a margin from where it was.

    With a the changed embedding, c the clean one and r that of the texts with the least |c r|,

        mean of (|a - r|^2 + max(0, margin - |a - c|)^2) / 4

    (Aich et al. 2022, GAMA, arXiv 2209.09502, whose clean features are of a surrogate).

    Args:
      changed, clean: f32[B, D], unit rows.
      texts: f32[P, D], unit rows, to choose from.
      margin: of the distance.
    """
    chosen = texts[jnp.abs(clean @ texts.T).argmin(axis=1)]
    towards = ((changed - chosen) ** 2).sum(-1)
    # The gradient of a root at 0 is not defined.
    moved = jnp.sqrt(((changed - clean) ** 2).sum(-1) + 1e-12)
    return (towards + jnp.maximum(0.0, margin - moved) ** 2).mean() / 4
