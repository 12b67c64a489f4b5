"""Image-text matching (ITM): a binary classifier of pairs, with a fusion encoder."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.pooling import mean as mean_token
from mmjax.model.embedding import Embedding
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    random_key,
    rows_of,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.fusion import Fusion, Tokens, joined, tokens_of
from mmjax.objectives.momentum import counterpart, of_teacher, with_teacher
from mmjax.objectives.sampling import sample
from mmjax.objectives.scores import PairMatcher
from mmjax.objectives.temperature import scale_of
from mmjax.parallel import pairwise
from mmjax.parallel.volume import span, with_anchors
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegative, Repeats


class Matching(PairMatcher):
    """Image-text matching with hard negatives, from a fusion encoder.

    3B pairs of a text and a condition are classified: the B true ones; each text with a wrong
    condition; each condition with a wrong text. A wrong one is drawn in proportion to softmax(S) +
    floor, the softmax over all examples, of which the own one is left out only then: S = s_ij / τ
    with s the cosine of unit embeddings, or minus the volume of the tuple (`GramVolume`). The
    better a model tells its own, the more even the draw by a floor. The text's tokens attend to
    themselves and to the condition's in `depth` blocks of a transformer, and the first of them (or
    their mean) decides; the loss is the mean cross entropy over all 3B. The drawing has no
    gradient, the tokens that are drawn have. Li et al. 2021 (arXiv 2107.07651, ALBEF, section 3.2),
    as in Yang et al. 2022 (arXiv 2202.10401, TCL) and, with several modalities as the condition, in
    Cicchetti et al. 2025 (arXiv 2412.11959, GRAM).

    Rows to draw from are scored tile by tile, in memory that grows with B. What is drawn may lie on
    any device, so all tokens are collected on each of them: B T W numbers, which the paper's codes
    avoid by drawing from one device's own rows. Without another example the wrong pairs are left
    out.

    Args:
      text: view whose tokens attend.
      conditions: views whose tokens are attended to, one after the other. An encoder without tokens
        gives one, its pooled vector.
      inputs: view -> width of the tokens of its encoder, for all of them.
      width: of the fusion transformer.
      depth, heads: of it.
      read: `first` token, such as [CLS], or the `mean` of those that are there.
      hidden: whether the classifier has a hidden layer: linear, GELU, layer norm, linear.
      score: `cosine`, for one condition, or `volume`.
      keys: whose embeddings a query is compared with: the `towers`' own or the `teacher`'s, which
        for `volume` are not asked for.
      temperature: τ; or the name of another term, whose τ is taken.
      floor: added to the probabilities, the own one's among them, before that is left out.
    """

    def __init__(
        self,
        *,
        text: ViewRef = "text",
        conditions: tuple[ViewRef, ...] = ("image",),
        inputs: dict[str, Count],
        width: Count,
        depth: Repeats = 1,
        heads: Count = 1,
        read: Literal["first", "mean"] = "first",
        hidden: bool = False,
        score: Literal["cosine", "volume"] = "cosine",
        keys: Literal["towers", "teacher"] = "towers",
        temperature: Factor | str = 0.07,
        floor: NonNegative = 0.0,
        rngs: nnx.Rngs,
    ):
        views = (text, *conditions)
        if not conditions or len(set(views)) != len(views) or set(inputs) != set(views):
            raise TermError(
                f"The term 'matching' needs different views and their widths, but has text={text!r}"
                f", conditions={conditions!r} and inputs={inputs!r}."
            )
        if score == "cosine" and len(conditions) > 1:
            raise TermError("The term 'matching' scores one condition by cosine: use 'volume'.")
        if score == "volume" and keys == "teacher":
            raise TermError("The term 'matching' scores by volume without a teacher.")
        self.text, self.conditions, self.read, self.pair = text, conditions, read, views
        self.score, self.of_teacher, self.floor = score, keys == "teacher", floor
        self.temperature_of = temperature
        self.project = nnx.Dict(
            {view: nnx.Linear(inputs[view], width, rngs=rngs) for view in views}
        )
        self.fusion = Fusion(width=width, depth=depth, heads=heads, rngs=rngs)
        self.hidden = nnx.Linear(width, width, rngs=rngs) if hidden else None
        self.hidden_norm = nnx.LayerNorm(width, rngs=rngs) if hidden else None
        self.answer = nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(self.name, (self.text, *self.conditions), outputs, batch)
        size = len(rows.unit[0])
        valid = jnp.ones(size, bool) if rows.valid is None else rows.valid
        wrong_condition, wrong_text = self.negatives(outputs, batch, context)
        projected = {view: self.project[view] for view in (self.text, *self.conditions)}
        text, real = tokens_of(self.name, self.text, outputs, valid, projected)
        condition, there = joined(
            [tokens_of(self.name, view, outputs, valid, projected) for view in self.conditions]
        )

        def both(tree: Tokens, order: jax.Array) -> Tokens:
            threefold: Tokens = jax.tree.map(
                lambda x: jnp.concatenate([x, x, jnp.take(x, order, 0)]), tree
            )
            return threefold

        texts, reals = both((text, real), wrong_text)
        same = (condition, there)
        other = jax.tree.map(lambda x: jnp.take(x, wrong_condition, 0), same)
        conditions, theres = jax.tree.map(lambda x, y: jnp.concatenate([x, y, x]), same, other)
        logits = self._logits(texts, reals, conditions, theres)
        label = jnp.concatenate([jnp.ones(size), jnp.zeros(2 * size)])
        # Cross entropy of two classes, by the difference of their logits.
        margin = jnp.where(label == 1, 1.0, -1.0) * (logits[:, 1] - logits[:, 0])
        loss, right = jax.nn.softplus(-margin), (margin > 0).astype(jnp.float32)
        kept = jnp.concatenate([valid, valid & (rows.count > 1), valid & (rows.count > 1)])
        total = jnp.maximum(kept.sum(dtype=jnp.float32), 1.0)
        mean = {
            name: jnp.where(kept, value, 0.0).sum() / total
            for name, value in (("loss", loss), ("accuracy", right))
        }
        return mean["loss"], {"accuracy": mean["accuracy"]}

    def negatives(
        self, outputs: Outputs, batch: Batch, context: Context
    ) -> tuple[jax.Array, jax.Array]:
        """For each text the row of a wrong condition, and for each condition that of a wrong text.

        Returns:
          i32[B] twice. Of a row that is not valid, or the only one, the number means nothing.
        """
        outputs = jax.lax.stop_gradient(dict(outputs))
        rows = rows_of(self.name, (self.text, *self.conditions), outputs, batch)
        scale = jax.lax.stop_gradient(self._scale(context))
        keys = jax.random.split(random_key(self.name, context))
        if self.score == "volume":
            tuples = span(jnp.stack(rows.unit[1:], axis=1))
            pairs = [({"unit": rows.unit[0]}, tuples), (tuples, {"unit": rows.unit[0]})]
        else:
            own = rows.unit
            if self.of_teacher:
                everything = with_teacher(self.name, outputs, context)
                views = (self.text, *self.conditions)
                names = tuple(of_teacher(counterpart(self.name, v, context)) for v in views)
                own = rows_of(self.name, names, everything, batch).unit
            pairs = [({"unit": rows.unit[a]}, {"unit": own[b]}) for a, b in ((0, 1), (1, 0))]
        index = jnp.arange(len(rows.unit[0]), dtype=jnp.int32)
        about = (
            {"index": index, "valid": rows.valid} if rows.valid is not None else {"index": index}
        )
        condition, text = (
            self._drawn({**x, **about}, {**y, **about}, scale, key, context.plan)
            for (x, y), key in zip(pairs, keys, strict=True)
        )
        return condition, text

    def compared(self, view: str, embedding: Embedding) -> Features:
        there = jnp.ones(len(embedding.unit), bool)
        projected = {view: self.project[view]}
        tokens, real = tokens_of(self.name, view, {view: embedding}, there, projected)
        return {"tokens": tokens, "there": real}

    def matched(self, x: Features, y: Features) -> jax.Array:
        """f32[B], the logit of a right pair less that of a wrong one."""
        logits = self._logits(x["tokens"], x["there"], y["tokens"], y["there"])
        return logits[:, 1] - logits[:, 0]

    def _drawn(
        self,
        x: dict[str, jax.Array],
        y: dict[str, jax.Array],
        scale: jax.Array,
        key: jax.Array,
        plan: pairwise.Plan,
    ) -> jax.Array:
        def score(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            if self.score == "cosine":
                s = similarity(x["unit"], y["unit"])
            elif "unit" in x:
                s = -with_anchors(x["unit"], y)
            else:
                s = -with_anchors(y["unit"], x).T
            s = scale * s
            return jnp.where(y["valid"][None, :], s, -jnp.inf) if "valid" in y else s

        if self.floor:
            normalizer, _ = pairwise.logsumexp(score, x, y, scale, plan=plan, sides="rows")
            x["normalizer"] = jnp.where(normalizer > -jnp.inf, normalizer, 0.0)

        def log_weight(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            s = score(x, y, scale)
            drawable = (s > -jnp.inf) & (x["index"][:, None] != y["index"][None, :])
            if self.floor:
                s = jnp.logaddexp(s - x["normalizer"][:, None], jnp.log(self.floor))
            return jnp.where(drawable, s, -jnp.inf)

        return sample(log_weight, x, y, scale, key, plan=plan)

    def _scale(self, context: Context) -> jax.Array:
        if not isinstance(self.temperature_of, str):
            return jnp.asarray(1 / self.temperature_of, jnp.float32)
        return scale_of(self.name, self.temperature_of, context.scales)

    def _logits(
        self, text: jax.Array, real: jax.Array, condition: jax.Array, there: jax.Array
    ) -> jax.Array:
        x = self.fusion(text, real, condition, there)
        x = x[:, 0] if self.read == "first" else mean_token(x, real)
        if self.hidden is not None and self.hidden_norm is not None:
            x = self.hidden_norm(jax.nn.gelu(self.hidden(x), approximate=False))
        return self.answer(x)
