"""Classification from embeddings, with a head that the term owns."""

from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.model.embedding import Hidden
from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, mean_over, rows_of
from mmjax.objectives.errors import TermError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count


class Classification(Term):
    """Cross-entropy of labels, from the embeddings of one or more modalities side by side.

        L = mean_i -log softmax( h(z_i) )_(y_i),   z_i the embeddings before normalisation,

    with h linear layers of `hidden` units and ReLU between them; kernels Xavier-normal, biases 0.
    Over one modality it is a unimodal head, over several a fusion head, as those of Singhal et al.
    2024 (arXiv 2409.17777). With `fuse='each'` one head reads each modality by itself, and the loss
    is the mean over them: the identity loss of person retrieval (Zheng et al. 2020, arXiv
    1711.05535, the instance loss). The head is not part of the towers: judge them by a probe.

    Args:
      modalities: whose embeddings.
      classes: number of classes; labels are below it.
      dim: size of the embeddings of one modality.
      hidden: widths of the layers before the last.
      label: the field of the batch that holds the label; None takes by how many quarter turns the
        tower's augmentation has turned the first modality (`mask_patches` with turns=True), the
        rotation prediction of Gidaris et al. 2018 (arXiv 1803.07728).
      fuse: `concatenate` the modalities, or `each` by itself.
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
        label: LabelRef | None = "label",
        fuse: Literal["concatenate", "each"] = "concatenate",
        detach: bool = False,
        rngs: nnx.Rngs,
    ):
        if not modalities or classes < 2:
            raise TermError(
                f"The term 'classification' needs modalities={modalities!r} and classes={classes} "
                ">= 2."
            )
        self.modalities, self.label, self.detach = modalities, label, detach
        self.each = fuse == "each"
        widths = (dim * (1 if self.each else len(modalities)), *hidden, classes)
        self.layers = nnx.List(
            nnx.Linear(a, b, kernel_init=nnx.initializers.xavier_normal(), rngs=rngs)
            for a, b in pairwise(widths)
        )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        fields = () if self.label is None else (self.label,)
        rows = rows_of(self.name, self.modalities, outputs, batch, layer="raw", fields=fields)
        labels = self._turn(outputs) if self.label is None else batch[self.label]
        read = rows.unit if self.each else (jnp.concatenate(rows.unit, axis=-1),)
        found = [self._of(x, labels) for x in read]
        loss, accuracy = (mean_over([rows.mean(x) for x in of]) for of in zip(*found, strict=True))
        return loss, {"accuracy": accuracy}

    def _turn(self, outputs: Outputs) -> jax.Array:
        """By how many quarter turns the first modality was turned, i32[B]."""
        targets = outputs[self.modalities[0]].targets
        if not isinstance(targets, Hidden) or targets.turn is None:
            raise TermError(
                f"The term {self.name!r} with label=None asks how {self.modalities[0]!r} was "
                "turned, but it is not: give its tower augment={'type': 'mask_patches', 'turns': "
                "True, ...} with this view among 'views'."
            )
        return targets.turn

    def _of(self, x: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Loss f32[B], and whether the likeliest class is the right one, f32[B]."""
        if self.detach:
            x = jax.lax.stop_gradient(x)
        for i, layer in enumerate(self.layers):
            x = layer(jax.nn.relu(x) if i else x)
        log_p = jax.nn.log_softmax(x, axis=-1)
        loss = -jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
        return loss, (x.argmax(-1) == labels).astype(jnp.float32)
