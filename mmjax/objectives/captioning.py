"""Captioning: next-token prediction of a text, by itself or given other modalities."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.base import Encoding
from mmjax.encoders.text import real_positions
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.model.towers import Tower
from mmjax.model.trunk_sequence import TrunkSequence
from mmjax.objectives.base import (
    Batch,
    Context,
    FusedBy,
    Loss,
    Outputs,
    Term,
    mean_over,
    random_key,
    valid_rows,
)
from mmjax.objectives.errors import TermError
from mmjax.objectives.fusion import Fusion, Tokens, joined, tokens_of
from mmjax.objectives.token_loss import Reduction, token_loss
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count, CountOrZero, NonNegative, RepeatsOrZero
from mmjax.schema.names import modality_of

Lower = Literal["tower", "own"]
_START = nnx.initializers.normal(0.02)


class Captioning(Term):
    """Next-token prediction of a text, given other modalities, or a language model without them.

    For the ids y_i1, y_i2, ... of text i that are no padding,

        L = mean_{i, t > 1} -log softmax( h(f(y_i1 ... y_i(t-1) | c_i)) )_(y_it),

    where f is a causal decoder and h a linear layer to the vocabulary. With `lower='tower'` the
    decoder's lower half is the text's own tower, whose tokens go through `depth` further blocks of
    self-attention, cross-attention to the conditions and an MLP: the unimodal and the multimodal
    half of Yu et al. 2022 (arXiv 2205.01917, CoCa, section 3.2) and Wang et al. 2024 (arXiv
    2401.00849, COSMO). That tower must not see ahead, `causal=True`. With `lower='own'` the ids are
    embedded by the term, with learned positions, and the tower is of any kind, but not read.
    With `lower='tower'`, no conditions and `depth=0` the tower itself is the language model.

    With `within` the conditions stand in the text's own sequence, as language models see images: a
    fusion `trunk_sequence` runs the tokens of other views, the trunk's summary and then the text
    through the trunk of the text's tower. All ids are predicted, the first one by the summary,
    whose state is the embedding of those views (Xiao et al. 2025, arXiv 2510.11693, LCO-Emb).

    With `layer='unit'` a condition is the embedding of a view, `copies` times, each with Gaussian
    noise of its own in training and made a unit vector again. With `lower='own'` it may be that of
    the text itself: a decoder that learns to say a text from its embedding then reads those of
    images, too (Nukrai et al. 2022, arXiv 2211.00575, CapDec; Qiu et al. 2024, arXiv 2401.02347,
    MacCap, with 10 copies).

    Logits are computed one position at a time, in memory for B `vocab_size` of them.

    Args:
      text: whose tokens are predicted; the first one is only given.
      conditions: views that are attended to, one after the other. An encoder without tokens gives
        one, its pooled vector.
      inputs: view -> width of what is read of it: tokens of its encoder, or embeddings; of the
        conditions, and with `lower='tower'` of the text.
      vocab_size: number of ids.
      width: of the decoder's own blocks; that of the text's tokens where None.
      depth, heads: of these blocks.
      lower: whether they read the `tower`'s tokens or the term's `own` embeddings of the ids.
      length: the longest text, in tokens, for `lower='own'`.
      within: outputs of fusions `trunk_sequence` with `answer`, which the text is the end of; the
        loss is the mean over them.
      layer: `tokens` of the conditions, or their `unit` embeddings.
      noise: standard deviation of what is added to each number of a unit embedding in training.
      copies: of a unit embedding.
      pad_id: the id of padding.
      eos_id: the id that ends a text. Where it equals `pad_id`, the first one of a row is real.
      reduction: mean over all `tokens` of the batch, or first over those of each row.
    """

    least_rows = 1
    generates = True

    def __init__(
        self,
        *,
        text: ViewRef = "text",
        conditions: tuple[ViewRef, ...] = ("image",),
        inputs: dict[str, Count],
        vocab_size: Count,
        width: Count | None = None,
        depth: RepeatsOrZero = 1,
        heads: Count = 1,
        lower: Lower = "tower",
        length: Count = 77,
        within: tuple[ViewRef, ...] = (),
        layer: Literal["tokens", "unit"] = "tokens",
        noise: NonNegative = 0.0,
        copies: Count = 1,
        pad_id: CountOrZero = 0,
        eos_id: CountOrZero = 3,
        reduction: Reduction = "tokens",
        rngs: nnx.Rngs,
    ):
        read = (text, *conditions) if lower == "tower" else conditions
        itself = text in conditions and not (lower == "own" and layer == "unit")
        if itself or len({*conditions}) != len(conditions) or set(inputs) != {*read}:
            raise TermError(
                f"The term 'captioning' with lower={lower!r} needs different views and the widths "
                f"of {', '.join(map(repr, read)) or 'none'}, but has text={text!r}, "
                f"conditions={conditions!r} and inputs={inputs!r}."
            )
        if not depth and (conditions or lower == "own"):
            raise TermError("The term 'captioning' with depth=0 is the text's tower alone: give it "
                            "no conditions and lower='tower', or a depth.")  # fmt: skip
        if width is None and lower == "own":
            raise TermError("The term 'captioning' with lower='own' needs a width.")
        width = width or inputs[text]
        if not depth and width != inputs[text]:
            raise TermError(f"The term 'captioning' with depth=0 has no width={width} of its own.")
        if layer == "tokens" and (noise or copies > 1):
            raise TermError("The term 'captioning' has noise and copies of layer='unit' alone.")
        self.text, self.conditions, self.lower, self.layer = text, conditions, lower, layer
        if within and (depth or conditions or lower == "own"):
            raise TermError(
                f"The term 'captioning' with within={within!r} reads a trunk alone: give it no "
                "conditions, lower='tower' and depth=0."
            )
        self.noise, self.copies, self.reduction = noise, copies, reduction
        self.within = tuple(within)
        self.pad_id, self.eos_id = pad_id, eos_id
        self.length, self.vocab_size = length, vocab_size
        projected = read if depth else ()
        self.project = nnx.Dict({v: nnx.Linear(inputs[v], width, rngs=rngs) for v in projected})

        def learned(rows: int) -> nnx.Param[jax.Array] | None:
            shape = rows, width
            return nnx.Param(_START(rngs.params(), shape, jnp.float32)) if lower == "own" else None

        self.token, self.position = learned(vocab_size), learned(length)
        blocks: dict[str, Any] = {"width": width, "depth": depth, "heads": heads, "causal": True}
        cross = bool(conditions)
        self.fusion = Fusion(**blocks, cross=cross, rngs=rngs) if depth else None
        self.answer = nnx.Linear(width, vocab_size, rngs=rngs)

    def check(self, towers: Mapping[str, Tower], fused: FusedBy) -> None:
        tower = towers.get(modality_of(self.text))
        if self.lower == "tower" and tower is not None and not tower.encoder.causal:
            raise TermError(
                f"The term {self.name!r} predicts each token of {self.text!r} from those before it,"
                f" but the tower of {modality_of(self.text)!r} sees ahead: give its encoder "
                "causal=True, or the term lower='own'."
            )
        for view in self.within:
            made = fused.get(view)
            fusion = made[0] if made is not None and made[1][-1] == self.text else None
            if not (isinstance(fusion, TrunkSequence) and fusion.answer):
                raise TermError(
                    f"The term {self.name!r} reads {self.text!r} within {view!r}: this should be "
                    f"of a fusion of type 'trunk_sequence' with answer=True and {self.text!r} as "
                    "its last input."
                )

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        views = tuple(dict.fromkeys((self.text, *self.conditions, *self.within)))
        for view in views:
            if view not in outputs:
                raise TermError(
                    f"The term {self.name!r} needs the modality {view!r}, but the batch has only "
                    f"{', '.join(map(repr, sorted(outputs)))}: add a view and a tower for it."
                )
        if self.within:
            return self._answers(outputs, batch)
        ids = batch[self.text]
        valid = _rows(views, batch)
        key = random_key(self.name, context) if self.noise else None
        x = self.hidden(ids, outputs, self.memory(outputs, valid, key), valid)
        # What is predicted at each position is the id behind it.
        after = jnp.roll(ids, -1, axis=1)
        asked = jnp.roll(self.real(ids), -1, axis=1).at[:, -1].set(False) & valid[:, None]
        return token_loss(self.answer, x, after, asked, self.reduction)

    def real(self, ids: jax.Array) -> jax.Array:
        """Which positions hold text and not padding, i32[B, T] -> bool[B, T]."""
        return real_positions(ids, self.pad_id, self.eos_id)

    def hidden(
        self,
        ids: jax.Array,
        outputs: Outputs,
        memory: Tokens | None,
        valid: jax.Array | None = None,
    ) -> jax.Array:
        """What `answer` gets at each position, f32[B, T, W], of ids up to there alone.

        Args:
          ids: i32[B, T].
          outputs: of the text's tower for these ids; not read with `lower='own'`.
          memory: see there.
          valid: bool[B], the rows that count; all where None.
        """
        valid = jnp.ones(len(ids), bool) if valid is None else valid
        if self.token is not None and self.position is not None:
            if ids.shape[1] > self.length:
                raise TermError(
                    f"The term {self.name!r} has length={self.length}, but {self.text!r} has "
                    f"{ids.shape[1]} tokens: make them equal."
                )
            x = jnp.take(self.token[...], ids, axis=0) + self.position[: ids.shape[1]]
        elif self.fusion is not None:
            x, _ = tokens_of(self.name, self.text, outputs, valid, self.project)
        else:
            x = self._states(self.text, outputs, valid)
        if x.shape[1] != ids.shape[1]:
            raise TermError(
                f"The term {self.name!r} needs one token of {self.text!r} for each of its "
                f"{ids.shape[1]} ids, but the encoder gives {x.shape[1]}."
            )
        if self.fusion is None:
            return x
        return self.fusion(x, self.real(ids), *((None, None) if memory is None else memory))

    def memory(
        self, outputs: Outputs, valid: jax.Array, key: jax.Array | None = None
    ) -> Tokens | None:
        """What is attended to, f32[B, S, W] and bool[B, S]; None without conditions.

        Args:
          outputs: of the conditions' towers.
          valid: bool[B], the rows that count.
          key: of the noise; None adds none.
        """
        if not self.conditions:
            return None
        if self.layer == "unit":
            outputs = {v: self._copied(outputs[v], v, key) for v in self.conditions}
        return joined(
            [tokens_of(self.name, v, outputs, valid, self.project) for v in self.conditions]
        )

    def _copied(self, embedding: Embedding, view: str, key: jax.Array | None) -> Embedding:
        """The unit vector as tokens."""
        unit = embedding.unit
        shape = (len(unit), self.copies, unit.shape[1])
        tokens = jnp.broadcast_to(unit[:, None], shape)
        if key is not None:
            key = jax.random.fold_in(key, self.conditions.index(view))
            tokens = unit_norm(tokens + self.noise * jax.random.normal(key, shape))
        return embedding._replace(encoding=Encoding(unit, tokens))

    def _answers(self, outputs: Outputs, batch: Batch) -> Loss:
        """The mean over the sequences that the text is the end of."""
        ids = batch[self.text]
        found: list[Loss] = []
        for view in self.within:
            valid = _rows((self.text, view), batch)
            # Of the position before the text, the end of what asks for it, and all but its last.
            x = self._states(view, outputs, valid)[:, -ids.shape[1] - 1 : -1]
            asked = self.real(ids) & valid[:, None]
            found.append(token_loss(self.answer, x, ids, asked, self.reduction))
        metrics = {key: mean_over([own[key] for _, own in found]) for key in found[0][1]}
        return mean_over([loss for loss, _ in found]), metrics

    def _states(self, view: str, outputs: Outputs, valid: jax.Array) -> jax.Array:
        """The tokens that a tower or a fusion made itself."""
        encoding = outputs[view].encoding
        if encoding is None or encoding.tokens is None:
            raise TermError(f"The term {self.name!r} needs the tokens of {view!r}.")
        tokens = encoding.tokens.astype(jnp.float32)
        if tokens.shape[-1] != self.answer.in_features:
            raise TermError(
                f"'inputs' of the term {self.name!r} says that tokens of {view!r} have "
                f"{self.answer.in_features} numbers, but they have {tokens.shape[-1]}: set that."
            )
        return jnp.where(valid[:, None, None], tokens, 0.0)


def _rows(views: Iterable[str], batch: Batch) -> jax.Array:
    """bool[B], the rows that have all of some views."""
    there = valid_rows(views, batch)
    return jnp.ones(len(batch["id"]), bool) if there is None else there
