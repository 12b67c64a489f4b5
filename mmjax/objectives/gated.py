"""Contrastive loss with a learned gate: pairs of classes, each in a subspace of its own."""

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
    Term,
    both_valid,
    mean_over,
    random_key,
    rows_of,
    similarity,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.multi_view import check_views
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, Factor, NonNegative

_EPS = 1e-12  # under roots, whose derivative at 0 is infinite


class PairGate(nnx.Module):
    """Gates in (0, 1)^D for a pair of classes, symmetric in them.

    g(y, t) = σ( MLP( (E[y] + E[t]) / 2 ) ) with a learned table E ~ N(0, 1) and the MLP ReLU,
    linear, ReLU, linear; with `norm`, a layer norm follows each ReLU, where the authors' code has a
    batch norm. Wu et al. 2024 (arXiv 2410.18200).

    Args:
      classes: number of classes.
      dim: D.
      width: of the table.
      hidden: of the MLP.
      norm: whether to normalise.
      rngs: for the initial parameters.
    """

    def __init__(
        self, *, classes: int, dim: int, width: int, hidden: int, norm: bool, rngs: nnx.Rngs
    ):
        self.table = nnx.Param(jax.random.normal(rngs.params(), (classes, width)))
        he = nnx.initializers.he_normal()
        self.first = nnx.Linear(width, hidden, kernel_init=he, rngs=rngs)
        self.second = nnx.Linear(hidden, dim, kernel_init=he, rngs=rngs)
        self.norms = nnx.List(
            nnx.LayerNorm(size, rngs=rngs) for size in ((width, hidden) if norm else ())
        )

    def __call__(self, y: jax.Array, t: jax.Array) -> jax.Array:
        """Gates f32[B, D] for classes i32[B]."""
        return jax.nn.sigmoid(self.logits(y, t))

    def entropy(self, classes: int) -> jax.Array:
        """Mean entropy in nats of the gates g(c, c) as Bernoulli variables, f32."""
        every = jnp.arange(classes)
        logits = self.logits(every, every)
        # log(1 + e^x) - x σ(x), which has a gradient where a gate is 1 in float32, too.
        return (jax.nn.softplus(logits) - logits * jax.nn.sigmoid(logits)).mean()

    def logits(self, y: jax.Array, t: jax.Array) -> jax.Array:
        """log g / (1 - g), f32[B, D]."""
        table = self.table[...]
        x = (table[y] + table[t]) / 2
        for i, layer in enumerate((self.first, self.second)):
            x = jax.nn.relu(x)
            if i < len(self.norms):
                x = self.norms[i](x)
            x = layer(x)
        return x


class GatedNCE(Term):
    """Gated contrastive loss of arbitrary pairs of classes, each in a subspace of its own.

    Anchor i of class y_i gets a second class t_i and the gate g_i = g(y_i, t_i). With z its
    embedding before normalisation, z' that of a second view, and N(v) = v / |v|,

        s_ij = N(g_i z_i) · N(g_i z'_j) / τ                                      (`renorm`),
        s_ij = (g_i² N(z_i)) · N(z'_j) / τ                                       (otherwise),
        L = 1/Σ_i |P_i|  Σ_i Σ_(p in P_i) [ log( e^{s_ip} + Σ_(j in N_i) e^{s_ij} ) - s_ip ],

    P_i = {j: y_j = t_i}, N_i = {j: y_j ≠ y_i and y_j ≠ t_i}, over valid rows; anchors without a
    positive or without a negative do not count. Wu et al. 2024 (arXiv 2410.18200; 'Hydra', later
    SimLAP), the anchors' direction only, as in the author's code. With `negatives='all'` an anchor
    has one row π(i) for a partner, t_i = y_π(i), P_i = {π(i)}, and N_i is every other row: as in
    SimCLR, but for the gate. The gate belongs to the row and is applied to every column, which
    still is two matrix products: of z g² with z' and of g² with z'². The engine makes two passes,
    for the sum over negatives and for the sum over positives.

    The author's variant with a momentum encoder takes the keys z' from a teacher, averages over
    both views as anchors, and is (L_instance + β L) / (1 + β) + γ H: L_instance is this term
    without a gate, `negatives='all'` and `pairing='identical'`, and H is the mean entropy
    -g log g - (1 - g) log(1 - g) of the gates g(c, c) of all classes c, which opens or closes them.

    Args:
      pair: two views.
      classes: number of classes; labels are below it.
      dim: D, of the embeddings.
      label: the field of the batch that holds the label.
      pairing: t is a random permutation of the batch's labels ('arbitrary'), uniform over the other
        classes ('distinct'), or y itself ('identical', supervised contrastive learning). With
        `negatives='all'`, π is a random permutation ('arbitrary') or i itself ('identical').
      negatives: 'other_classes' or 'all'.
      anchors: the views that are anchors: the 'first' of the pair, or the mean over 'both'.
      keys: whether the other view is embedded by the towers or by the 'teacher'.
      gate_entropy: γ.
      gated: whether there is a gate; without it g = 1.
      width, hidden, norm: of the gate.
      renorm: which score.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      rngs: for the gate.
    """

    contrastive = True

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ViewRef] = ("image", "image@2"),
        classes: Count,
        dim: Count,
        label: LabelRef = "label",
        pairing: Literal["arbitrary", "distinct", "identical"] = "arbitrary",
        negatives: Literal["other_classes", "all"] = "other_classes",
        anchors: Literal["first", "both"] = "first",
        keys: Literal["towers", "teacher"] = "towers",
        gate_entropy: NonNegative = 0.0,
        gated: bool = True,
        width: Count = 512,
        hidden: Count = 1024,
        norm: bool = True,
        renorm: bool = True,
        temperature: Factor = 0.1,
        learn_temperature: bool = False,
        rngs: nnx.Rngs,
    ):
        check_views("gated_nce", pair)
        if classes < 2:
            raise TermError(f"The term 'gated_nce' needs classes={classes} >= 2.")
        if negatives == "all" and pairing == "distinct":
            raise TermError(
                "The term 'gated_nce' with negatives='all' pairs rows, not classes: pairing is "
                "'arbitrary' or 'identical'."
            )
        if gate_entropy and not gated:
            raise TermError(
                f"gate_entropy={gate_entropy} of the term 'gated_nce' needs gated=True."
            )
        self.pair, self.classes, self.label = pair, classes, label
        self.pairing, self.renorm = pairing, renorm
        self.by_row, self.taught = negatives == "all", keys == "teacher"
        self.directions = (pair,) if anchors == "first" else (pair, pair[::-1])
        self.gate_entropy = gate_entropy
        self.gated = gated
        if gated:
            self.gate = PairGate(
                classes=classes, dim=dim, width=width, hidden=hidden, norm=norm, rngs=rngs
            )
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def second_labels(self, key: jax.Array | None, labels: jax.Array) -> jax.Array:
        """t of labels y, i32[B]."""
        if key is None or self.pairing == "identical":
            return labels
        if self.pairing == "arbitrary":
            return jax.random.permutation(key, labels)
        step = jax.random.randint(key, labels.shape, 1, self.classes)
        return (labels + step) % self.classes

    def partners(
        self, key: jax.Array | None, size: int, valid: jax.Array | None = None
    ) -> jax.Array:
        """π, i32[B]: a permutation of the rows that takes valid ones to valid ones."""
        rows = jnp.arange(size, dtype=jnp.int32)
        if key is None or self.pairing == "identical":
            return rows
        if valid is None:
            return jax.random.permutation(key, rows)
        # Both orders have the valid rows first, one as they come and one shuffled.
        came = jnp.argsort(~valid, stable=True)
        shuffled = jnp.argsort(jnp.where(valid, jax.random.uniform(key, (size,)), 2.0))
        return rows.at[came].set(shuffled.astype(jnp.int32))

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        scale = self.temperature()
        key = None if self.pairing == "identical" else random_key(self.name, context)
        losses, metrics = [], []
        for k, (anchor, other) in enumerate(self.directions):
            sides = {**outputs, other: self._taught(other, context)} if self.taught else outputs
            drawn = jax.random.fold_in(key, k) if k and key is not None else key
            loss, more = self._direction((anchor, other), sides, batch, scale, drawn, context.plan)
            losses.append(loss)
            metrics.append(more)
        mean = {name: mean_over([each[name] for each in metrics]) for name in metrics[0]}
        total = mean_over(losses)
        if self.gate_entropy:
            mean["gate_entropy"] = self.gate.entropy(self.classes)
            total = total + self.gate_entropy * mean["gate_entropy"]
        return total, {"scale": scale, **mean}

    def _taught(self, view: str, context: Context) -> Embedding:
        """The teacher's embedding of a view."""
        if context.teacher is None or view not in context.teacher:
            raise TermError(
                f"The term 'gated_nce' has keys='teacher', but no teacher embeds {view!r}: add it "
                "to teacher.views."
            )
        return context.teacher[view]

    def _direction(
        self,
        pair: tuple[str, str],
        outputs: Outputs,
        batch: Batch,
        scale: jax.Array,
        key: jax.Array | None,
        plan: pairwise.Plan,
    ) -> Loss:
        """Loss and metrics with anchors of the first of two views and keys of the second."""
        rows = rows_of(self.name, pair, outputs, batch, layer="raw", fields=(self.label,))
        labels = jnp.asarray(batch[self.label])
        if self.by_row:
            partner = self.partners(key, len(labels), rows.valid)
            second = labels[partner]
        else:
            second = self.second_labels(key, labels)
        gate = self.gate(labels, second) if self.gated else jnp.ones_like(rows.unit[0])
        # Lengths do not matter to either score, and unit vectors keep the squares in range.
        z, keys = (unit_norm(side) for side in rows.unit)
        square = gate**2
        x = {"a": square * z, "square": square, "label": labels, "second": second}
        x["norm"] = jnp.sqrt((square * z**2).sum(-1) + _EPS)
        y = {"z": keys, "z2": keys**2, "label": labels}
        if rows.valid is not None:
            x["valid"] = y["valid"] = rows.valid
        if self.by_row:
            x["partner"], y["index"] = partner, jnp.arange(len(labels), dtype=jnp.int32)

        def scores(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            s = similarity(x["a"], y["z"])
            if self.renorm:
                s = s / (x["norm"][:, None] * jnp.sqrt(similarity(x["square"], y["z2"]) + _EPS))
            return scale * s

        def negatives(x: Features, y: Features, scale: jax.Array) -> jax.Array:
            counted = both_valid(x, y) & _negative(x, y)
            return jnp.where(counted, scores(x, y, scale), -jnp.inf)

        def positives(x: Features, y: Features, scale: jax.Array) -> tuple[jax.Array, ...]:
            real = both_valid(x, y) & x["any"][:, None]
            counted = real & _positive(x, y)
            value = jax.nn.softplus(x["negatives"][:, None] - scores(x, y, scale))
            return (
                jnp.where(counted, value, 0.0),
                counted.astype(jnp.float32),
                (real & _negative(x, y)).astype(jnp.float32),
            )

        denominator, _ = pairwise.logsumexp(negatives, x, y, scale, plan=plan, sides="rows")
        x["any"] = denominator > -jnp.inf
        x["negatives"] = jnp.where(x["any"], denominator, 0.0)
        (values, count, others), _ = pairwise.sums(positives, x, y, scale, plan=plan, sides="rows")
        anchors = jnp.maximum(x["any"].sum(dtype=jnp.float32), 1.0)
        metrics = {
            "positives": count.sum() / anchors,
            "gate": gate.mean(),
            "chance": jnp.log1p(others).sum() / anchors,  # the loss where all scores are equal
        }
        return values.sum() / jnp.maximum(count.sum(), 1.0), metrics


def _positive(x: Features, y: Features) -> jax.Array:
    if "partner" in x:
        return x["partner"][:, None] == y["index"][None, :]
    return x["second"][:, None] == y["label"][None, :]


def _negative(x: Features, y: Features) -> jax.Array:
    if "partner" in x:
        return ~_positive(x, y)
    own = x["label"][:, None] == y["label"][None, :]
    return ~own & ~_positive(x, y)
