"""Masked modelling of many modalities as discrete tokens, and search by the vectors they tell."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmjax.encoders.initializers import initialization
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
from mmjax.objectives.fusion import Fusion, tokens_of
from mmjax.objectives.scores import PairScore, PairScorer
from mmjax.objectives.token_loss import token_cross_entropy
from mmjax.schema.annotations import ViewRef
from mmjax.schema.bounds import Count
from mmjax.schema.slots import Slots, first_codes, owners


def _cosine(x: Features, y: Features) -> jax.Array:
    return similarity(x["told"], y["vector"])


class MaskedSlots(PairScorer):
    """Masked multimodal modelling: what the tokens of any modality are, by those of any others.

    For the targets (i, s), places of all modalities m, with the numbers y_is that were there,

        l_m = mean_(is of m) -log softmax( A_m d(q_s | x_i) )_(y_is),   L = mean_m l_m,

    over all targets of m in the batch, and over the modalities that have any. The decoder d gives
    each place its learned query q_s and `depth` blocks of cross-attention to the encoder's tokens
    x_i and an MLP; targets do not see each other. Bachmann et al. 2024 (arXiv 2406.09406, 4M-21,
    whose code divides by the number of all modalities, see `count_empty`, and averages over
    devices the losses of each). The view's tower splits inputs from targets: `augment` of type
    `mask_slots`. Logits are computed one position at a time, of all modalities at once.

    With a `vector` v of which the modality `decodes` has the tokens, parts of it as product
    quantization cuts them, a table T is fitted beside, without a gradient to anything else:

        L + mean_(is) |v_is - T_s[y_is]|² / size of a part.

    What the model tells of the vector, Σ_c p_isc T_s[c] of all parts s, is then compared with v by
    cosine, for any tokens that are shown: the evaluator `retrieval` with this term as its `term`
    ranks by it, for every view of the tower.

    Args:
      view: whose tokens were split.
      slots: modality -> (tokens, codes), as of the view `slots`.
      inputs: {view: width of the encoder's tokens}.
      width: of the decoder.
      depth, heads: of it.
      targets: the most targets of an example, as `mask_slots` has them; None decodes every place.
      count_empty: divide by the number of all modalities, those without targets included.
      vector: view of v, the embedding before it is made a unit vector; rows without it take no
        part. None for no search.
      decodes: the modality whose tokens are those of v.
      size: numbers of v.
      rngs: for the initial parameters; T starts at 0.
    """

    least_rows = 1

    def __init__(
        self,
        *,
        view: ViewRef = "slots@masked",
        slots: Slots,
        inputs: dict[str, Count],
        width: Count,
        depth: Count = 1,
        heads: Count = 1,
        targets: Count | None = None,
        count_empty: bool = False,
        vector: ViewRef | None = None,
        decodes: str | None = None,
        size: Count | None = None,
        rngs: nnx.Rngs,
    ):
        if not slots:
            raise TermError("The term 'masked_slots' has slots={}: name a modality.")
        if set(inputs) != {view}:
            raise TermError(
                f"The term 'masked_slots' needs the width of the tokens of {view!r}, but has "
                f"inputs={inputs!r}."
            )
        if len({vector is None, decodes is None, size is None}) > 1:
            raise TermError(
                f"The term 'masked_slots' has vector={vector!r}, decodes={decodes!r} and "
                f"size={size!r}: it needs all three, or none."
            )
        self.view, self.vector, self.count_empty = view, vector, count_empty
        self.pair = (view,) if vector is None else (view, vector)
        counts, codes = zip(*slots.values(), strict=True)
        self._owner, self._begins = owners(slots), first_codes(slots)
        self._codes = tuple(codes)
        self.targets = min(targets or len(self._owner), len(self._owner))
        start = initialization("xavier", width=width, depth=depth)
        self.project = nnx.Dict({view: nnx.Linear(inputs[view], width, rngs=rngs)})
        self.query = nnx.Param(start.position(rngs.params(), (sum(counts), width), jnp.float32))
        self.decoder = Fusion(
            width=width, depth=depth, heads=heads, own=False, init="xavier", rngs=rngs
        )
        self.answer = nnx.Linear(width, sum(codes), rngs=rngs)
        table = None
        if vector is not None and decodes is not None and size is not None:
            if decodes not in slots:
                raise TermError(
                    f"The term 'masked_slots' has decodes={decodes!r}, which is none of "
                    f"slots={tuple(slots)}."
                )
            m = list(slots).index(decodes)
            if size % counts[m]:
                raise TermError(
                    f"The term 'masked_slots' has size={size}, which the {counts[m]} tokens of "
                    f"{decodes!r} do not divide."
                )
            self._decoded, self._start = m, sum(counts[:m])
            table = nnx.Param(jnp.zeros((counts[m], codes[m], size // counts[m])))
        self.table = table

    def __call__(self, outputs: Outputs, batch: Batch, context: Context) -> Loss:
        rows_of(self.name, (self.view,), outputs, batch)  # says what is not there
        there = valid_rows(self.pair, batch)
        valid = jnp.ones(len(batch["id"]), bool) if there is None else there
        targets = outputs[self.view].targets
        if not isinstance(targets, jax.Array) or targets.shape[1:] != (len(self._owner),):
            raise TermError(
                f"The term {self.name!r} asks for the hidden ones of {len(self._owner)} tokens of "
                f"{self.view!r}: give its tower augment={{'type': 'mask_slots', ...}} with these "
                "'slots', and with this view among 'views'."
            )
        every = (targets >= 0) & valid[:, None]
        place = jnp.argsort(~every, axis=1, stable=True)[:, : self.targets]
        asked = jnp.take_along_axis(every, place, axis=1)
        ids = jnp.where(asked, jnp.take_along_axis(targets, place, axis=1), 0)
        owner = jnp.asarray(self._owner)[place]
        x = self._decode(outputs, valid, place)
        loss, right = token_cross_entropy(
            self._logits, (x, owner), jnp.asarray(self._begins)[owner] + ids
        )
        own = asked[..., None] & (owner[..., None] == jnp.arange(len(self._codes)))
        count = own.sum((0, 1), dtype=jnp.float32)
        by_modality = jnp.where(own, loss[..., None], 0.0).sum((0, 1)) / jnp.maximum(count, 1.0)
        number = len(count) if self.count_empty else jnp.maximum((count > 0).sum(), 1)
        total = by_modality.sum() / number
        accuracy = jnp.where(asked, right, 0.0).sum() / jnp.maximum(count.sum(), 1.0)
        if self.table is None:
            return total, {"accuracy": accuracy}
        fit = self._misfit(self._vector(outputs), targets, every)
        return total + fit, {"accuracy": accuracy, "misfit": fit}

    def compared(self, view: str, embedding: Embedding) -> Features:
        if self.table is None:
            raise TermError(
                f"The term {self.name!r} tells no vector: set 'vector', 'decodes' and 'size'."
            )
        if view != self.view:
            return {"vector": unit_norm(self._vector({view: embedding}))}
        parts, codes, _ = self.table.shape
        rows = len(embedding.unit)
        place = jnp.broadcast_to(self._start + jnp.arange(parts), (rows, parts))
        x = self._decode({view: embedding}, jnp.ones(rows, bool), place)
        start = self._begins[self._decoded]
        share = jax.nn.softmax(self.answer(x)[..., start : start + codes], axis=-1)
        told = jnp.einsum("bsc,scd->bsd", share, self.table[...], precision="highest")
        return {"told": unit_norm(told.reshape(rows, -1))}

    def pair_score(self) -> PairScore:
        return _cosine

    def _decode(self, outputs: Outputs, valid: jax.Array, place: jax.Array) -> jax.Array:
        """f32[B, K, W] of the places i32[B, K]."""
        tokens, there = tokens_of(self.name, self.view, outputs, valid, dict(self.project))
        return self.decoder(self.query[...][place], valid, tokens, there)

    def _logits(self, one: tuple[jax.Array, jax.Array]) -> jax.Array:
        """f32[B, V] of f32[B, W] and the modality i32[B] that is asked for; -inf of all others."""
        x, owner = one
        of = jnp.asarray(np.repeat(np.arange(len(self._codes)), self._codes))
        return jnp.where(of == owner[:, None], self.answer(x), -jnp.inf)

    def _vector(self, outputs: Outputs) -> jax.Array:
        """v, f32[B, D], a constant."""
        assert self.vector is not None
        assert self.table is not None
        parts, _, size = self.table.shape
        if self.vector not in outputs or outputs[self.vector].raw.shape[1] != parts * size:
            raise TermError(
                f"The term {self.name!r} needs {self.vector!r} with size={parts * size} numbers: "
                "add a view and a tower of so many, or change 'size'."
            )
        return jax.lax.stop_gradient(outputs[self.vector].raw)

    def _misfit(self, v: jax.Array, targets: jax.Array, asked: jax.Array) -> jax.Array:
        """Mean square of what the table lacks of the parts that are asked for."""
        assert self.table is not None
        parts, codes, size = self.table.shape
        own = slice(self._start, self._start + parts)
        asked, ids = asked[:, own], jnp.clip(targets[:, own], 0, codes - 1)
        v = jnp.where(asked[..., None], v.reshape(len(v), parts, size), 0.0)
        error = v - self.table[...][jnp.arange(parts), ids]
        square = jnp.where(asked[..., None], error**2, 0.0)
        return square.sum() / jnp.maximum(asked.sum() * size, 1)
