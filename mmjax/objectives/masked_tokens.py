"""Masked language modelling, by the text alone or with what other modalities show."""

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.layers import layer_norm
from mmjax.model.embedding import Hidden
from mmjax.objectives.base import Batch, Context, Loss, Outputs, Term, rows_of
from mmjax.objectives.errors import TermError
from mmjax.objectives.fusion import Fusion, joined, tokens_of
from mmjax.objectives.token_loss import Reduction, token_loss
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, RepeatsOrZero


class MaskedTokens(Term):
    """Masked language modelling: what the hidden tokens of a view were.

    For the hidden positions t of example i, with the ids y_it that were there,

        L = mean_it -log softmax( h(f(x_i | c_i)_t) )_(y_it),

    where f lets the tower's tokens x_i of the view attend to themselves and to those of the
    conditions, c_i, in `depth` blocks of a transformer, and h is linear, GELU, layer norm, linear.
    Devlin et al. 2019 (arXiv 1810.04805, BERT) without conditions; with an image, the masked words
    of Li et al. 2021 (arXiv 2107.07651, ALBEF, section 3.2), Yang et al. 2022 (arXiv 2202.10401,
    TCL), and Jiang and Ye 2023 (arXiv 2303.12501, IRRA, section 3.2, whose first block is
    cross-attention alone). Fusion and head are the term's own: neither tied to the tower's token
    embeddings nor shared with the term `matching`.

    The view's tower hides tokens: `augment` of type `mask_tokens`, for this view, which usually is
    a second view of the text's field, `text@masked`. Of a text in sentences the tokens are its
    level `words`: `head={'text@masked': ...}` names a head of that level. Logits are computed one
    position at a time, in memory for B `vocab_size` of them.

    Args:
      view: whose tokens were hidden.
      conditions: views whose tokens are attended to, one after the other. An encoder without tokens
        gives one, its pooled vector.
      inputs: view -> width of the tokens of its encoder, for all of them.
      vocab_size: number of ids.
      width: of the fusion transformer, and of the head.
      depth, heads: of it; without conditions, depth=0 reads the tower's tokens as they are.
      reduction: mean over all hidden `tokens` of the batch, or first over those of each row.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        view: ViewRef = "text@masked",
        conditions: tuple[ViewRef, ...] = ("image",),
        inputs: dict[str, Count],
        vocab_size: Count,
        width: Count,
        depth: RepeatsOrZero = 1,
        heads: Count = 1,
        reduction: Reduction = "tokens",
        rngs: nnx.Rngs,
    ):
        views = (view, *conditions)
        if len(set(views)) != len(views) or set(inputs) != set(views):
            raise TermError(
                f"The term 'masked_tokens' needs different views and their widths, but has "
                f"view={view!r}, conditions={conditions!r} and inputs={inputs!r}."
            )
        if conditions and not depth:
            raise TermError("The term 'masked_tokens' with depth=0 attends to no conditions.")
        self.view, self.conditions, self.reduction = view, conditions, reduction
        self.vocab_size = vocab_size
        self.project = nnx.Dict({own: nnx.Linear(inputs[own], width, rngs=rngs) for own in views})
        self.fusion = (
            Fusion(width=width, depth=depth, heads=heads, cross=bool(conditions), rngs=rngs)
            if depth
            else None
        )
        self.hidden = nnx.Linear(width, width, rngs=rngs)
        self.norm = layer_norm(width, eps=1e-6, dtype=jnp.float32, rngs=rngs)
        self.answer = nnx.Linear(width, vocab_size, rngs=rngs)

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows = rows_of(self.name, (self.view, *self.conditions), outputs, batch)
        valid = jnp.ones(len(batch["id"]), bool) if rows.valid is None else rows.valid
        targets = outputs[self.view].targets
        if targets is None or isinstance(targets, Hidden):
            raise TermError(
                f"The term {self.name!r} asks what was hidden in {self.view!r}, but nothing is: "
                "give its tower augment={'type': 'mask_tokens', ...} with this view among 'views'."
            )
        targets = targets.reshape(len(targets), -1)  # of sentences, one after the other
        project = {view: self.project[view] for view in (self.view, *self.conditions)}
        x, real = tokens_of(self.name, self.view, outputs, valid, project)
        if x.shape[:2] != targets.shape:
            raise TermError(
                f"The term {self.name!r} needs one token of {self.view!r} for each of its "
                f"{targets.shape[1:]} ids, but the encoder gives {x.shape[1]}."
            )
        condition = there = None
        if self.conditions:
            condition, there = joined(
                [tokens_of(self.name, v, outputs, valid, project) for v in self.conditions]
            )
        if self.fusion is not None:
            x = self.fusion(x, real, condition, there)
        x = self.norm(jax.nn.gelu(self.hidden(x), approximate=False))
        asked = (targets >= 0) & valid[:, None]
        return token_loss(self.answer, x, targets, asked, self.reduction)
