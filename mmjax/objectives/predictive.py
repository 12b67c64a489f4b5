"""Non-contrastive losses with a predictor: SimSiam and BYOL."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    Rows,
    mean_over,
    rows_of,
    similarity,
)
from mmjax.objectives.contrastive import check_pairs
from mmjax.objectives.errors import TermError
from mmjax.objectives.momentum import counterpart, of_teacher, with_teacher
from mmjax.objectives.scores import PairScore, PairScorer
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, Fraction
from mmjax.schema.names import modality_of


class Predictive(PairScorer):
    """SimSiam and BYOL between modalities: each predicts the embedding of the other.

    For embeddings a_i, b_i before normalisation, predictors P and constants sg(·),

        L = mean_i [ 2 - cos(P_a(a_i), sg(b_i)) - cos(P_b(b_i), sg(a_i)) ].

    The targets are the towers' own embeddings (Chen and He 2021, arXiv 2011.10566, SimSiam) or the
    teacher's of the same views (Grill et al. 2020, arXiv 2006.07733, BYOL). A modality has one
    predictor for all of its views: linear, batch norm, ReLU, linear. Between images and texts
    these are SiamLIP and BYOLIP of Fini et al. 2023 (arXiv 2305.08675). Rows that lack a modality
    do not enter the batch statistics.

    With `loss='mse'` the mean squared difference of the D numbers of both stands for 1 - cos: the
    other's latent is rebuilt, not only its direction.

    Without batch norm the predictions can be compared after training, too: evaluators that take a
    `term` use the cosines of P_a(a_i) and P_b(b_i), of the first pair.

    Args:
      pairs: pairs of views; the loss is the mean over them.
      dim: size of the embeddings.
      hidden: width of the predictors.
      norm: whether predictors have their batch norm.
      target: `towers` or `teacher`, which embeds the same views, or one other of each modality,
        such as a clean `image@2`.
      within: v in [0, 1], the share of each embedding's own target.
      loss: `cosine` or `mse`.
    """

    def __init__(
        self,
        *,
        pairs: tuple[tuple[ViewRef, ViewRef], ...] = (("image", "text"),),
        dim: Count,
        hidden: Count,
        norm: bool = True,
        target: Literal["towers", "teacher"] = "towers",
        within: Fraction = 0.0,
        loss: Literal["cosine", "mse"] = "cosine",
        rngs: nnx.Rngs,
    ):
        check_pairs("predictive", pairs)
        self.pairs, self.of_teacher, self.within = pairs, target == "teacher", within
        self.loss, self.pair = loss, pairs[0]
        modalities = sorted({modality_of(view) for pair in pairs for view in pair})
        self.predictors = nnx.Dict(
            {name: Predictor(dim=dim, hidden=hidden, norm=norm, rngs=rngs) for name in modalities}
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        everything = outputs
        if self.of_teacher:
            everything = with_teacher(self.name, outputs, context)
        losses, agreement = [], []
        for pair in self.pairs:
            targets: tuple[str, ...] = pair
            if self.of_teacher:
                targets = tuple(of_teacher(counterpart(self.name, v, context)) for v in pair)
            rows = rows_of(self.name, (*pair, *targets), everything, batch, layer="raw")
            for side, view in enumerate(pair):
                predictor = self.predictors[modality_of(view)]
                guess = predictor(rows.unit[side], rows.valid)
                goals = [jax.lax.stop_gradient(rows.unit[2 + k]) for k in (side, 1 - side)]
                agreement.append(self._of_both(rows, *(_cosine(guess, goal) for goal in goals)))
                if self.loss == "cosine":
                    losses.append(2 - 2 * agreement[-1])
                else:
                    far = (((guess - goal) ** 2).mean(-1) for goal in goals)
                    losses.append(2 * self._of_both(rows, *far))
        return mean_over(losses), {"cosine": mean_over(agreement)}

    def compared(self, view: str, embedding: Embedding) -> Features:
        predictor = self.predictors[modality_of(view)]
        if predictor.norm is not None:
            raise TermError(
                f"The term {self.name!r} predicts by the statistics of a batch: set norm=False to "
                "compare its predictions."
            )
        return {"predicted": unit_norm(predictor(embedding.raw, None))}

    def pair_score(self) -> PairScore:
        return _cosines

    def _of_both(self, rows: Rows, own: jax.Array, other: jax.Array) -> jax.Array:
        """The mean over rows of what is measured against the own target and the other's, f32[B]."""
        return (1 - self.within) * rows.mean(other) + self.within * rows.mean(own)


class Predictor(nnx.Module):
    """Predictor MLP: linear, batch norm, ReLU, linear; f32[B, dim] -> f32[B, dim]."""

    def __init__(self, *, dim: int, hidden: int, norm: bool = True, rngs: nnx.Rngs):
        he = nnx.initializers.he_normal()
        self.first = nnx.Linear(dim, hidden, use_bias=False, kernel_init=he, rngs=rngs)
        self.norm = _BatchNorm(hidden) if norm else None
        self.second = nnx.Linear(hidden, dim, kernel_init=he, rngs=rngs)

    def __call__(self, x: jax.Array, valid: jax.Array | None) -> jax.Array:
        x = self.first(x)
        if self.norm is not None:
            x = self.norm(x, valid)
        return self.second(jax.nn.relu(x))


class _BatchNorm(nnx.Module):
    """By the mean and the variance of the valid rows; without running ones, for nothing else than
    training asks for predictions.
    """

    def __init__(self, width: int):
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, x: jax.Array, valid: jax.Array | None) -> jax.Array:
        weight = jnp.ones((len(x), 1)) if valid is None else valid[:, None].astype(x.dtype)
        count = jnp.maximum(weight.sum(), 1.0)
        centred = x - (weight * x).sum(0) / count
        variance = (weight * centred**2).sum(0) / count
        return centred * jax.lax.rsqrt(variance + 1e-5) * self.scale[...] + self.bias[...]


def _cosines(x: Features, y: Features) -> jax.Array:
    return similarity(x["predicted"], y["predicted"])


def _cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    """f32[B]; 0 where a row is 0, with a finite gradient."""
    return (unit_norm(a) * unit_norm(b)).sum(-1)
