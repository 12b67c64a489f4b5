"""GRAM: contrastive loss of tuples of modalities, by the volume that their embeddings span."""

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Term,
    both_valid,
    features,
    rows_of,
    sum_of,
)
from mmjax.objectives.contrastive import cross_entropy
from mmjax.objectives.errors import TermError
from mmjax.objectives.multi_view import check_views
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import BelowOne, Factor, Positive

Matrix = list[list[jax.Array]]  # its entries, each of all rows


class GramVolume(Term):
    """Symmetric InfoNCE whose score is minus the volume of the parallelotope of a tuple.

    For unit vectors t_i of the anchor and u_m,j of the k - 1 other modalities,

        V_ij² = det Gram(t_i, u_1,j, ..., u_k-1,j) = det H_j - g_ij^T adj(H_j) g_ij,

    with H_j the Gram matrix of the others and g_ij,m = t_i·u_m,j. The scores of the softmax over
    tuples j, and of that over anchors i, are -V_ij / τ with V_ij = (max(V_ij², 0) + eps)^1/2, and
    both have label smoothing. Cicchetti et al. 2025 (arXiv 2412.11959), GRAM; τ divides and is
    itself the parameter, as in the authors' code. Two differences: eps, without which the root has
    an infinite gradient at 0, and the gradient of all embeddings, which the authors' code stops at
    gathered ones. The volume does not see signs, and two modalities that agree exactly make it 0
    for every anchor. The engine gets one small adjugate for each column, so a tile costs k - 1
    products.

    Args:
      modalities: k from 2 to 5; the first is the anchor.
      temperature: τ at the start.
      learn_temperature: whether τ trains.
      label_smoothing: ε in [0, 1), as in `InfoNCE`.
      eps: added to V².
    """

    contrastive = True

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("text", "video", "audio"),
        temperature: Factor = 0.07,
        learn_temperature: bool = True,
        label_smoothing: BelowOne = 0.1,
        eps: Positive = 1e-6,
    ):
        check_views("gram_volume", modalities)
        if len(modalities) > 5:
            raise TermError(
                "The term 'gram_volume' takes at most 5 modalities, for the adjugate is written "
                f"out, but has {len(modalities)}."
            )
        if not temperature > 0 or not eps > 0 or not 0 <= label_smoothing < 1:
            raise TermError(
                f"The term 'gram_volume' needs temperature={temperature} > 0, eps={eps} > 0 and "
                f"label_smoothing={label_smoothing} in [0, 1)."
            )
        self.modalities, self.eps, self.label_smoothing = modalities, eps, label_smoothing
        self.fixed_temperature = None if learn_temperature else temperature
        if learn_temperature:
            self.temperature = nnx.Param(jnp.float32(temperature))

    def tau(self) -> jax.Array:
        """τ, an f32 scalar."""
        fixed = self.fixed_temperature
        tau: jax.Array = self.temperature[...] if fixed is None else jnp.float32(fixed)
        return tau

    def scale(self) -> jax.Array:
        return 1 / self.tau()

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        temperature = self.tau()
        rows = rows_of(self.name, self.modalities, outputs, batch)
        x = features(rows, 0)
        y = {**x, **span(jnp.stack(rows.unit[1:], axis=1))}

        def score(x: Features, y: Features, temperature: jax.Array) -> jax.Array:
            logits = -volume(x["unit"], y, self.eps) / temperature
            return jnp.where(both_valid(x, y), logits, -jnp.inf)

        del y["unit"]

        def of_one(anchor: jax.Array, others: Features) -> jax.Array:
            return volume(anchor[None], others, self.eps)[0, 0]

        columns = jax.tree.map(lambda leaf: leaf[:, None], _only_span(y))
        own = jax.vmap(of_one)(x["unit"], columns)
        loss = cross_entropy(
            score,
            x,
            y,
            temperature,
            -own / temperature,
            rows,
            plan=context.plan,
            label_smoothing=self.label_smoothing,
        )
        return loss, {"temperature": temperature, "volume": rows.mean(own)}


def span(others: jax.Array) -> dict[str, jax.Array]:
    """What the volume needs of the vectors beside the anchor.

    Args:
      others: f32[B, M, D], unit vectors of M modalities.

    Returns:
      `others`, and of the Gram matrix of each row `adjugate` f32[B, M, M] and `det` f32[B].
    """
    gram = jnp.einsum("bmd,bnd->bmn", others, others, precision="highest")
    size = others.shape[1]
    entries = [[gram[:, m, n] for n in range(size)] for m in range(size)]
    adjugate = [
        [(-1) ** (m + n) * _det(_minor(entries, n, m)) for n in range(size)] for m in range(size)
    ]
    ones = jnp.ones_like(gram[:, 0, 0])
    return {
        "others": others,
        "adjugate": jnp.stack(
            [jnp.stack([a * ones for a in line], -1) for line in adjugate], axis=-2
        ),
        "det": _det(entries) * ones,
    }


def volume(anchors: jax.Array, columns: Features, eps: float) -> jax.Array:
    """V_ij of anchors f32[r, D] and `span` columns of c rows: f32[r, c]."""
    g = jnp.einsum("rd,cmd->rcm", anchors, columns["others"], precision="highest")
    inside = jnp.einsum("rcm,cmn,rcn->rc", g, columns["adjugate"], g, precision="highest")
    return jnp.sqrt(jnp.maximum(columns["det"][None, :] - inside, 0.0) + eps)


def _only_span(tree: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {name: tree[name] for name in ("others", "adjugate", "det")}


def _minor(matrix: Matrix, row: int, column: int) -> Matrix:
    return [line[:column] + line[column + 1 :] for i, line in enumerate(matrix) if i != row]


def _det(matrix: Matrix) -> jax.Array | float:
    """Determinant by expansion along the first line; 1 for a matrix without entries."""
    if not matrix:
        return 1.0
    parts = [(-1) ** n * matrix[0][n] * _det(_minor(matrix, 0, n)) for n in range(len(matrix))]
    return sum_of(parts)
