"""Relevance: a scorer of pairs that reranks what a search found, from labels or from the batch."""

from itertools import pairwise as neighbours
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
    rows_of,
    similarity,
    valid_rows,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.sampling import nearest
from mmjax.objectives.scores import PairMatcher
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Repeats

_SCALE = 10.0  # of cosines, which are small numbers for an MLP


class Relevance(PairMatcher):
    """Relevance score of a query and an answer, a small MLP, for the evaluator `rerank`.

    r(x, y) = MLP(f(x, y)), ReLU between its layers, where x and y are what the encoders give (or
    the embeddings) and f by `read`: [x, y]; 'products': [x, y, x y, |x - y|]; 'cosines': 10 times
    all cosines of a part of x with a part of y. It is trained in one of three ways:

        with `label` y_i, 0 or 1 of a row: mean_i softplus(r_i) - y_i r_i of the rows' own pairs
            (Mortaheb et al. 2025, arXiv 2501.04695, whose scorer is a vision-language model);
        else of every query its `candidates` nearest answers in the batch by cosine, which are what
        a reranker will see; a query whose own answer is not among them is left out:
            'listwise': mean_i -log softmax_j(r_ij) at j = i over them, as listwise reranking
                (Hu et al. 2025, mRAG, arXiv 2505.24073, by a prompted model);
            'pointwise': mean over them all of softplus(r_ij) - [j = i] r_ij.

    Other rows of the query's own id are no candidates. What is a candidate has no gradient. With
    `detach` the towers get no gradient, so that a trained search stays as it is.

    Args:
      pair: (query, answer).
      inputs: view -> numbers of what is read of it.
      layer: `encoder`, what the encoders give to the heads; or `unit`, the embeddings.
      read: what the MLP is given.
      parts: view -> how many unit vectors lie side by side in it, such as of a fusion `concat`; for
        cosines.
      hidden: widths of the hidden layers.
      label: view of labels 0 and 1.
      loss: over candidates, where there is no label.
      candidates: of a query, its own answer among them.
      detach: whether the towers get no gradient.
      rngs: for the MLP.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("text", "image"),
        inputs: dict[str, Count],
        layer: Literal["encoder", "unit"] = "encoder",
        read: Literal["both", "products", "cosines"] = "both",
        parts: dict[str, Repeats] | None = None,
        hidden: tuple[Count, ...] = (256, 128),
        label: LabelRef | None = None,
        loss: Literal["listwise", "pointwise"] = "listwise",
        candidates: Count = 10,
        detach: bool = True,
        rngs: nnx.Rngs,
    ):
        if set(inputs) != set(pair) or len(pair) != 2 or (parts and set(parts) != set(pair)):
            raise TermError(
                f"The term 'relevance' needs two views and the widths of both, but has pair={pair} "
                f"inputs={inputs} and parts={parts}."
            )
        if candidates < 2:
            raise TermError("The term 'relevance' needs candidates=2 or more to choose from.")
        self.parts = {view: (parts or {}).get(view, 1) for view in pair}
        sizes = [inputs[view] for view in pair]
        each = [inputs[view] / self.parts[view] for view in pair]
        if (read == "products" and sizes[0] != sizes[1]) or (
            read == "cosines" and (each[0] != each[1] or each[0] % 1)
        ):
            raise TermError(
                f"The term 'relevance' with read={read!r} needs two sides of one size, but has "
                f"inputs={inputs} and parts={self.parts}."
            )
        self.pair, self.inputs, self.layer, self.read = pair, inputs, layer, read
        self.label, self.loss, self.candidates, self.detach = label, loss, candidates, detach
        width = {
            "both": sum(sizes),
            "products": 4 * sizes[0],
            "cosines": self.parts[pair[0]] * self.parts[pair[1]],
        }[read]
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.he_normal(), rngs=rngs)
            for a, b in neighbours((width, *hidden, 1))
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        fields = self.pair if self.label is None else (*self.pair, self.label)
        valid = valid_rows(fields, batch)
        x, y = (self._read(view, outputs[view], valid) for view in self.pair)
        if self.label is not None:
            if self.label not in batch:
                raise TermError(
                    f"The term {self.name!r} needs {self.label!r} of every example: add a view of "
                    "type 'label' for it to data.views."
                )
            score, truth = self._score(x, y), batch[self.label].astype(jnp.float32)
            there = jnp.ones(len(score), bool) if valid is None else valid
            loss = jax.nn.softplus(score) - truth * score
            right = ((score > 0) == (truth > 0.5)).astype(jnp.float32)
            return _mean(loss, there), {"accuracy": _mean(right, there)}
        return self._of_candidates(x, y, outputs, batch, context)

    def _of_candidates(
        self, x: jax.Array, y: jax.Array, outputs: Outputs, batch: Batch, context: Context
    ) -> Loss:
        rows = rows_of(self.name, self.pair, outputs, batch)
        size = len(rows.unit[0])
        index = jnp.arange(size, dtype=jnp.int32)
        about = {"index": index, "id": batch["id"]}
        if rows.valid is not None:
            about["valid"] = rows.valid

        def score(a: Features, b: Features, _: object) -> jax.Array:
            own = a["index"][:, None] == b["index"][None, :]
            other = own | (a["id"][:, None] != b["id"][None, :])
            if "valid" in b:
                other &= b["valid"][None, :]
            return jnp.where(other, similarity(a["unit"], b["unit"]), -jnp.inf)

        sides = [jax.lax.stop_gradient({"unit": unit, **about}) for unit in rows.unit]
        count = min(self.candidates, size)
        near, which = nearest(score, *sides, count=count, plan=context.plan)
        there, own = near > -jnp.inf, (which == index[:, None]) & (near > -jnp.inf)
        answers = jnp.take(y, which.reshape(-1), axis=0)
        queries = jnp.repeat(x, count, axis=0)
        scores = self._score(queries, answers).reshape(size, count)
        asked = own.any(1) if rows.valid is None else own.any(1) & rows.valid
        if self.loss == "listwise":
            masked = jnp.where(there, scores, -jnp.inf)
            masked = jnp.where(asked[:, None], masked, 0.0)
            chosen = jnp.where(own, scores, 0.0).sum(1)
            loss = _mean(jax.nn.logsumexp(masked, axis=1) - chosen, asked)
        else:
            each = jax.nn.softplus(scores) - own * scores
            loss = _mean(each, there & asked[:, None])
        best = jnp.where(there, scores, -jnp.inf).argmax(1)
        right = jnp.take_along_axis(own, best[:, None], axis=1)[:, 0]
        whole = jnp.ones(size, bool) if rows.valid is None else rows.valid
        return loss, {
            "accuracy": _mean(right.astype(jnp.float32), asked),
            "found": _mean(asked.astype(jnp.float32), whole),
        }

    def compared(self, view: str, embedding: Embedding) -> Features:
        return {"x": self._read(view, embedding, None)}

    def matched(self, x: Features, y: Features) -> jax.Array:
        return self._score(x["x"], y["x"])

    def _read(self, view: str, embedding: Embedding, valid: jax.Array | None) -> jax.Array:
        """f32[B, inputs of the view], zero in rows that are not valid."""
        found = embedding.unit
        if self.layer == "encoder":
            if embedding.encoding is None:
                raise TermError(f"The term {self.name!r} needs what the encoder of {view!r} gave.")
            found = embedding.encoding.pooled
        if found.shape[-1] != self.inputs[view]:
            raise TermError(
                f"'inputs' of the term {self.name!r} says that {view!r} has {self.inputs[view]} "
                f"numbers, but it has {found.shape[-1]}: set that."
            )
        found = found.astype(jnp.float32)
        found = found if valid is None else jnp.where(valid[:, None], found, 0.0)
        return jax.lax.stop_gradient(found) if self.detach else found

    def _score(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """f32[P] of rows f32[P, inputs] each."""
        if self.read == "cosines":
            a, b = (
                unit_norm(z.reshape(len(z), self.parts[view], -1))
                for z, view in ((x, self.pair[0]), (y, self.pair[1]))
            )
            z = _SCALE * jnp.einsum("pid,pjd->pij", a, b).reshape(len(x), -1)
        else:
            more = (x * y, jnp.abs(x - y)) if self.read == "products" else ()
            z = jnp.concatenate((x, y, *more), axis=-1)
        for number, layer in enumerate(self.layers):
            z = layer(jax.nn.relu(z) if number else z)
        return z[:, 0]


def _mean(values: jax.Array, there: jax.Array) -> jax.Array:
    """Mean over what is there, 0 where nothing is."""
    total = jnp.maximum(there.sum(dtype=jnp.float32), 1.0)
    return jnp.where(there, values, 0.0).sum() / total
