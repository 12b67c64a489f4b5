"""Classification from embeddings, with a head that the term owns."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, rows_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class Classification(Term):
    """Cross-entropy of labels, from the embeddings of one or more modalities side by side.

        L = mean_i -log softmax( h(z_i) )_(y_i),   z_i the embeddings before normalisation,

    with h linear layers of `hidden` units and ReLU between them; kernels Xavier-normal, biases 0.
    Over one modality it is a unimodal head, over several a fusion head, as those of Singhal et al.
    2024 (arXiv 2409.17777). The head is not part of the towers: judge them by a probe.

    Args:
      modalities: whose embeddings.
      classes: number of classes; labels are below it.
      dim: size of the embeddings of one modality.
      hidden: widths of the layers before the last.
      label: the field of the batch that holds the label.
      detach: whether the towers get no gradient, so that the head only watches them.
      rngs: for the head.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        modalities: tuple[ViewRef, ...] = ("image", "text"),
        classes: Count,
        dim: Count,
        hidden: tuple[Count, ...] = (256, 256),
        label: LabelRef = "label",
        detach: bool = False,
        rngs: nnx.Rngs,
    ):
        if not modalities or classes < 2:
            raise TermError(
                f"The term 'classification' needs modalities={modalities!r} and classes={classes} "
                ">= 2."
            )
        self.modalities, self.label, self.detach = modalities, label, detach
        widths = (dim * len(modalities), *hidden, classes)
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.xavier_normal(), rngs=rngs)
            for a, b in pairwise(widths)
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(
            self.name, self.modalities, outputs, batch, layer="raw", fields=(self.label,)
        )
        x = jnp.concatenate(rows.unit, axis=-1)
        if self.detach:
            x = jax.lax.stop_gradient(x)
        for i, layer in enumerate(self.layers):
            x = layer(jax.nn.relu(x) if i else x)
        labels = batch[self.label]
        log_p = jax.nn.log_softmax(x, axis=-1)
        loss = -jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
        right = (x.argmax(-1) == labels).astype(jnp.float32)
        return rows.mean(loss), {"accuracy": rows.mean(right)}
