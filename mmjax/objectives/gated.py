"""Any two classes as a positive pair, in the dimensions that a gate opens for them."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.base import TermError, both_valid, random_key, rows_of
from mmjax.objectives.multi_view import check_views
from mmjax.objectives.temperature import Temperature
from mmjax.parallel import pairwise


class PairGate(nnx.Module):
    """Gates in (0, 1)^D for a pair of classes, symmetric in them.

    g(y, t) = σ( MLP( (E[y] + E[t]) / 2 ) ) with a learned table E ~ N(0, 1) and the MLP ReLU,
    linear, ReLU, linear; with `norm`, a layer norm precedes each ReLU's successor as the paper's
    batch norm does. Wu et al. 2024 (arXiv 2410.18200).

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
        table = self.table[...]
        x = (table[y] + table[t]) / 2
        for i, layer in enumerate((self.first, self.second)):
            x = jax.nn.relu(x)
            if i < len(self.norms):
                x = self.norms[i](x)
            x = layer(x)
        return jax.nn.sigmoid(x)


class GatedNCE(nnx.Module):
    """Contrastive loss of arbitrary pairs of classes, each in a subspace of its own.

    Anchor i of class y_i gets a second class t_i and the gate g_i = g(y_i, t_i). With z its
    embedding before normalisation, z' that of a second view, and N(v) = v / |v|,

        s_ij = N(g_i z_i) · N(g_i z'_j) / τ                                      (`renorm`),
        s_ij = (g_i² N(z_i)) · N(z'_j) / τ                                       (otherwise),
        L = 1/Σ_i |P_i|  Σ_i Σ_(p in P_i) [ log( e^{s_ip} + Σ_(j in N_i) e^{s_ij} ) - s_ip ],

    P_i = {j: y_j = t_i}, N_i = {j: y_j ≠ y_i and y_j ≠ t_i}, over valid rows; anchors without a
    positive or without a negative do not count. Wu et al. 2024 (arXiv 2410.18200; 'Hydra', later
    SimLAP), the anchors' direction only, as in the author's code. The gate belongs to the row and
    is applied to every column, which still is two matrix products: of z g² with z' and of g² with
    z'². The engine makes two passes, for the sum over negatives and for the sum over positives.

    Args:
      pair: two views.
      classes: number of classes; labels are below it.
      dim: D, of the embeddings.
      label: the field of the batch that holds the label.
      pairing: t is a random permutation of the batch's labels ('arbitrary'), uniform over the other
        classes ('distinct'), or y itself ('identical', supervised contrastive learning).
      gated: whether there is a gate; without it g = 1.
      width, hidden, norm: of the gate.
      renorm: which score.
      temperature: τ, at the start if it is learned.
      learn_temperature: whether 1/τ = exp(parameter) trains.
      rngs: for the gate.
    """

    def __init__(
        self,
        *,
        pair: tuple[str, str] = ("image", "image@2"),
        classes: int,
        dim: int,
        label: str = "label",
        pairing: Literal["arbitrary", "distinct", "identical"] = "arbitrary",
        gated: bool = True,
        width: int = 512,
        hidden: int = 1024,
        norm: bool = True,
        renorm: bool = True,
        temperature: float = 0.1,
        learn_temperature: bool = False,
        rngs: nnx.Rngs,
    ):
        check_views("gated_nce", pair)
        if classes < 2 or min(dim, width, hidden) < 1:
            raise TermError(
                f"The term 'gated_nce' needs classes={classes} >= 2 and dim={dim}, width={width}, "
                f"hidden={hidden} >= 1."
            )
        self.pair, self.classes, self.label = pair, classes, label
        self.pairing, self.renorm = pairing, renorm
        self.gated = gated
        if gated:
            self.gate = PairGate(
                classes=classes, dim=dim, width=width, hidden=hidden, norm=norm, rngs=rngs
            )
        self.temperature = Temperature(temperature, learned=learn_temperature)

    def second_labels(self, key: jax.Array | None, labels: jax.Array) -> jax.Array:
        """t of labels y, i32[B]."""
        if self.pairing == "identical":
            return labels
        if self.pairing == "arbitrary":
            return jax.random.permutation(key, labels)
        step = jax.random.randint(key, labels.shape, 1, self.classes)
        return (labels + step) % self.classes

    def __call__(self, outputs, batch, context):
        scale = self.temperature()
        rows = rows_of("gated_nce", self.pair, outputs, batch, layer="raw", fields=(self.label,))
        labels = batch[self.label]
        key = None if self.pairing == "identical" else random_key("gated_nce", context)
        second = self.second_labels(key, labels)
        gate = jnp.ones_like(rows.unit[0])
        if self.gated:
            gate = self.gate(labels, second)
        # Lengths do not matter to either score, and unit vectors keep the squares in range.
        z, keys = (_unit(side) for side in rows.unit)
        square = gate**2
        x = {"a": square * z, "square": square, "label": labels, "second": second}
        x["norm"] = jnp.sqrt((square * z**2).sum(-1) + _EPS)
        y = {"z": keys, "z2": keys**2, "label": labels}
        if rows.valid is not None:
            x["valid"] = y["valid"] = rows.valid

        def scores(x, y, scale):
            s = _product(x["a"], y["z"])
            if self.renorm:
                s = s / (x["norm"][:, None] * jnp.sqrt(_product(x["square"], y["z2"]) + _EPS))
            return scale * s

        def negatives(x, y, scale):
            counted = both_valid(x, y) & _negative(x, y)
            return jnp.where(counted, scores(x, y, scale), -jnp.inf)

        def positives(x, y, scale):
            real = both_valid(x, y) & x["any"][:, None]
            counted = real & _positive(x, y)
            value = jax.nn.softplus(x["negatives"][:, None] - scores(x, y, scale))
            return (
                jnp.where(counted, value, 0.0),
                counted.astype(jnp.float32),
                (real & _negative(x, y)).astype(jnp.float32),
            )

        plan = context.plan
        denominator, _ = pairwise.logsumexp(negatives, x, y, scale, plan=plan, sides="rows")
        x["any"] = denominator > -jnp.inf
        x["negatives"] = jnp.where(x["any"], denominator, 0.0)
        (values, count, others), _ = pairwise.sums(positives, x, y, scale, plan=plan, sides="rows")
        anchors = jnp.maximum(x["any"].sum(dtype=jnp.float32), 1.0)
        metrics = {
            "scale": scale,
            "positives": count.sum() / anchors,
            "gate": gate.mean(),
            "chance": jnp.log1p(others).sum() / anchors,  # the loss where all scores are equal
        }
        return values.sum() / jnp.maximum(count.sum(), 1.0), metrics


_EPS = 1e-12


def _unit(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt((x * x).sum(-1, keepdims=True) + _EPS)


def _positive(x, y) -> jax.Array:
    return x["second"][:, None] == y["label"][None, :]


def _negative(x, y) -> jax.Array:
    own = x["label"][:, None] == y["label"][None, :]
    return ~own & ~_positive(x, y)


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.einsum("rd,cd->rc", x, y, precision="highest", preferred_element_type=jnp.float32)
