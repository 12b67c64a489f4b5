"""Late interaction: the similarity of a pair from those of its segments and tokens."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.positions import check_sincos_width, sincos
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives.base import (
    Batch,
    Context,
    Features,
    Loss,
    Outputs,
    rows_of,
    same_example,
    unit_tokens,
)
from mmjax.objectives.contrastive import check_directions, check_pairs, cross_entropy, takes_part
from mmjax.objectives.errors import TermError
from mmjax.objectives.late_score import Fusion, Groups, LateScore, Score, Share
from mmjax.objectives.scores import PairScorer
from mmjax.objectives.temperature import Temperature
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero, Factor, NonNegative


class LateInteractionNCE(PairScorer):
    """Symmetric InfoNCE with late interaction between text tokens and audio segments.

    For the unit parts u_it of the first view (segments of a sound) and the unit pieces w_jl of the
    second (a text, or its tokens), l over the L_j and t over the T_i that are no padding,

        c_ijlt = u_it·w_jl,   s_ij = 1/L_j Σ_l Σ_t a_ijlt c_ijlt,
        a_ijlt = softmax_t( β cos(K u_it + p_t, Q w_jl) ),

    with linear maps K and Q and fixed waves p_t for the place in time; the loss is InfoNCE of s/τ
    in both directions. Wu et al. 2025 (arXiv 2410.02271, CoLLAP), temporal attention that is
    conditioned on the text; cosines with the scale β stand for its division by the root of the
    width. In place of attention `mean` has a_ijlt = 1/T_i, and `max` the largest c_ijlt. The latter
    may be `symmetric`: s_ij is then the mean of 1/L_j Σ_l max_t c_ijlt and 1/T_i Σ_t max_l c_ijlt
    (Yao et al. 2022, arXiv 2111.07783, FILIP, has one for each direction of the loss). With
    `weights='learned'` softmax_l(v·gelu(V w_jl + b)) stands for 1/L_j, and for 1/T_i its like with
    parameters of its own.

    With `projection=False` the logits are β c_ijlt, and with `score='attended'` a piece is compared
    with what it attends to: Σ_t a_ijlt c_ijlt gives way to cos(w_jl, Σ_t a_ijlt u_it). Both align
    sentences, and words, with patches of volumes in Zhang et al. 2025 (arXiv 2508.12108,
    VELVET-Med), where 1/β is the temperature of attention.

    The first view may be a fusion (`mmjax.model.token_fusion`), whose parts are of groups m, one
    for each input. With `groups='max'` the score is the largest of the groups' own, max_m s^m_ij,
    with 'mean' their mean, over those that a row has (Wan et al. 2025, arXiv 2506.06144, CLaMR:
    documents of frames, speech and texts). With `hard_positive` a pair that belongs together is
    scored by the group that the label `group` names, if the row has it.

    A tile of the engine has r c L T products of parts with pieces, and nothing of that size is
    kept: 256 rows and columns with 30 parts and 8 pieces are 63 MB, so long texts want a smaller
    `pairwise.tile`. The evaluator `retrieval` ranks by s, too, with the name of this term as its
    `term`.

    Args:
      pair: (view whose parts are attended to, view whose pieces attend).
      dim: D, of the joint space.
      tokens: which of the two are the tokens of their tower, whose head then needs `tokens=True`;
        the other is its one vector.
      skip: view -> how many tokens at the start are no parts, such as 1 for [CLS].
      layer: `unit`, through the heads, on the unit sphere; or `encoder`, what the encoders give, as
        it is, so that s are sums of plain products, without heads: the "matchmap" of Harwath et al.
        2018 (arXiv 1804.01452) with `max`, as in Zhang et al. 2021 (arXiv 2111.07180, VG-BERT).
        Not for `attention`.
      fusion: over the parts.
      symmetric: with `max`, whether every part looks for its best piece, too.
      weights: of the pieces, and of the parts where they look, too: `equal` or `learned`.
      groups: `none` scores all parts together; `max` or `mean` over the groups of the first view.
      group: a label, the number of the group that answers a row of the second view. Rows without it
        take no part; the metric `group_accuracy` is the share whose own first view scores highest
        by it.
      hard_positive: whether that group alone scores the pair of a row.
      attention_scale: β.
      projection: whether parts and pieces have the maps K and Q, in attention.
      score: of a piece, in attention: `weighted` products, or the cosine with what is `attended`.
      positions: whether p_t is added; parts are in the order of time.
      temperature: τ, at the start if it is learned; or the name of another term, whose τ is taken.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      max_scale: bound of a learned 1/τ, or None.
      direction_weights: of the direction from the first view to the second, and of the other.
      duplicates: what pairs of different rows with one `id` are: 'negative' or 'mask', left out.
      rngs: for K, Q, and V with v.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("audio", "text"),
        dim: Count,
        tokens: tuple[str, ...] = ("audio",),
        skip: dict[str, CountOrZero] | None = None,
        layer: Literal["unit", "encoder"] = "unit",
        fusion: Fusion = "attention",
        symmetric: bool = False,
        weights: Literal["equal", "learned"] = "equal",
        groups: Groups = "none",
        group: LabelRef | None = None,
        hard_positive: bool = False,
        attention_scale: Factor = 10.0,
        projection: bool = True,
        score: Score = "weighted",
        positions: bool = False,
        temperature: Factor | str = 0.07,
        learn_temperature: bool = True,
        max_scale: Factor | None = 100.0,
        direction_weights: tuple[NonNegative, NonNegative] = (0.5, 0.5),
        duplicates: Literal["negative", "mask"] = "negative",
        rngs: nnx.Rngs,
    ):
        check_pairs("late_interaction_nce", (pair,))
        check_directions(direction_weights)
        self.skip = dict(skip or {})
        for name, views in (("tokens", tokens), ("skip", self.skip)):
            if not set(views) <= set(pair):
                raise TermError(
                    f"The term 'late_interaction_nce' has {name}={views!r}, which names others "
                    f"than pair={pair!r}."
                )
        if fusion not in get_args(Fusion):
            raise TermError(
                f"The term 'late_interaction_nce' has fusion={fusion!r}, of {get_args(Fusion)}."
            )
        if symmetric and fusion != "max":
            raise TermError(
                f"The term 'late_interaction_nce' has symmetric=True with fusion={fusion!r}; only "
                "'max' is of both sides alike."
            )
        if layer == "encoder" and fusion == "attention":
            raise TermError(
                "The term 'late_interaction_nce' has layer='encoder' with fusion='attention', "
                "whose cosines need unit vectors: take 'max' or 'mean'."
            )
        if fusion != "attention" and (score != "weighted" or not projection):
            raise TermError(
                f"The term 'late_interaction_nce' has score={score!r} and projection={projection} "
                f"with fusion={fusion!r}; both are of fusion='attention'."
            )
        if positions and not projection:
            raise TermError(
                "The term 'late_interaction_nce' has positions=True, which belong to the keys of "
                "projection=True."
            )
        self.layer = layer
        grouped = groups != "none"
        if grouped and (symmetric or pair[0] not in tokens):
            raise TermError(
                f"The term 'late_interaction_nce' has groups={groups!r}, which are of the parts of "
                f"{pair[0]!r}: name it in 'tokens', and leave out 'symmetric'."
            )
        if (group is not None and not grouped) or (hard_positive and group is None):
            raise TermError(
                "The term 'late_interaction_nce' has 'group', which needs groups='max' or 'mean', "
                "or hard_positive=True, which needs 'group'."
            )
        self.groups, self.group, self.hard_positive = groups, group, hard_positive
        self.direction_weights = direction_weights
        self.pair, self.tokens, self.fusion, self.dim = pair, tuple(tokens), fusion, dim
        self.symmetric = symmetric
        self.attention_scale, self.positions = attention_scale, positions
        self.score, self.projects = score, fusion == "attention" and projection
        self.mask_duplicates = duplicates == "mask"
        self.temperature = Temperature(temperature, learned=learn_temperature, max_scale=max_scale)
        if self.projects:
            if positions:
                check_sincos_width(dim, axes=1)
            self.key = nnx.Linear(dim, dim, use_bias=False, rngs=rngs)
            self.query = nnx.Linear(dim, dim, use_bias=False, rngs=rngs)
        looking = pair if symmetric else pair[1:]
        self.share = (
            nnx.Dict({view: Share(dim, rngs=rngs) for view in looking})
            if weights == "learned"
            else None
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        fields = () if self.group is None else (self.group,)
        rows = rows_of(self.name, self.pair, outputs, batch, fields=fields)
        sides = [
            self._parts(view, outputs[view], unit)
            for view, unit in zip(self.pair, rows.unit, strict=True)
        ]
        # An example whose parts are all padding has nothing to compare.
        valid = sides[0][1].any(1) & sides[1][1].any(1)
        valid = valid if rows.valid is None else valid & rows.valid
        rows = rows._replace(valid=valid, count=valid.sum(dtype=jnp.float32))
        x, y = (
            {
                **self._features(view, outputs[view], unit, there, there & valid[:, None]),
                "valid": valid,
            }
            for view, (unit, there) in zip(self.pair, sides, strict=True)
        )
        late = self.pair_score()
        number = {"id": batch["id"]} if self.mask_duplicates else {}
        if number or self.hard_positive:
            number |= {"index": jnp.arange(len(valid), dtype=jnp.int32)}
        x, y = x | number, y | number
        if self.group is not None:
            y["group"] = batch[self.group]

        def score(x: Features, y: Features) -> jax.Array:
            s = late(x, y)
            if self.hard_positive:
                s = jnp.where(same_example(x, y), late.of_group(x, y), s)
            return jnp.where(takes_part(x, y), s, -jnp.inf)

        scale = self.temperature.scale(self.name, context.scales)

        def of_one(x: Features, y: Features) -> tuple[jax.Array, jax.Array]:
            x, y = jax.tree.map(lambda a: a[None], (x, y))
            if self.group is None:
                return late(x, y), late.with_weight(x, y)[1]
            scores, _ = late.by_group(x, y)
            best = scores.argmax(0) == y["group"]
            return late.of_group(x, y) if self.hard_positive else late(x, y), best

        own, largest = jax.vmap(of_one)(
            {name: x[name] for name in x if name not in ("id", "index")},
            {name: y[name] for name in y if name not in ("id", "index")},
        )
        loss = cross_entropy(
            score,
            x,
            y,
            scale,
            own[:, 0, 0],
            rows,
            plan=context.plan,
            direction_weights=self.direction_weights,
        )
        chance = jnp.log(jnp.maximum(rows.count, 1.0))
        name = "attention" if self.group is None else "group_accuracy"
        found = rows.mean(largest[:, 0, 0].astype(jnp.float32))
        return loss, {"scale": scale, "chance": chance, name: found}

    def compared(self, view: str, embedding: Embedding) -> Features:
        unit, there = self._parts(view, embedding, embedding.unit)
        return self._features(view, embedding, unit, there, there)

    def pair_score(self) -> LateScore:
        own = self.fusion == "attention" and not self.projects
        sharpness = self.attention_scale if own else None
        return LateScore(self.fusion, self.symmetric, self.groups, self.score, sharpness)

    def _features(
        self, view: str, embedding: Embedding, unit: jax.Array, there: jax.Array, counts: jax.Array
    ) -> dict[str, jax.Array]:
        """What is compared of a view's parts f32[B, T, D], of which some count."""
        parts = jnp.where(counts[..., None], unit, 0.0)
        first = view == self.pair[0]
        found = {"parts" if first else "pieces": parts, "there": there}
        if self.share is not None and view in self.share:
            found["share"] = self.share[view](parts, there)
        if first and self.groups != "none":
            groups = None if embedding.encoding is None else embedding.encoding.groups
            if groups is None:
                raise TermError(
                    f"The term {self.name!r} has groups={self.groups!r}, but {view!r} has none: "
                    "take a fusion of type 'transformer' with tokens=True."
                )
            found["groups"] = groups[:, :, self.skip.get(view, 0) :]
        if self.projects and first:
            found["keys"] = self._keys(parts)
        elif self.projects:
            found["queries"] = self.attention_scale * unit_norm(self.query(parts))
        return found

    def _parts(
        self, view: str, embedding: Embedding, unit: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """f32[B, T, D], on the unit sphere unless they are the encoder's, and which are real."""
        if self.layer == "encoder":
            encoding = embedding.encoding
            if encoding is None or (view in self.tokens and encoding.tokens is None):
                raise TermError(
                    f"The term {self.name!r} needs what the encoder of {view!r} gives, with "
                    "tokens: take another encoder, or layer='unit'."
                )
            if encoding.tokens is not None:
                embedding = embedding._replace(tokens=encoding.tokens.astype(jnp.float32))
            unit = encoding.pooled.astype(jnp.float32)
        if unit.shape[-1] != self.dim:
            raise TermError(
                f"The term 'late_interaction_nce' has dim={self.dim}, but embeddings of {view!r} "
                f"have {unit.shape[-1]} numbers."
            )
        if view not in self.tokens:
            return unit[:, None], jnp.ones((len(unit), 1), bool)
        return unit_tokens(self.name, view, embedding, self.skip.get(view, 0))

    def _keys(self, parts: jax.Array) -> jax.Array:
        keys = self.key(parts)
        if self.positions:
            keys = keys + jnp.asarray(sincos((parts.shape[1],), self.dim), keys.dtype)
        return unit_norm(keys)
