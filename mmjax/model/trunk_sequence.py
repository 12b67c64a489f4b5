"""The fusion `trunk_sequence`: the tokens of several towers as one sequence of their trunk."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.base import EncoderError, Encoding
from mmjax.encoders.trunk import Trunk
from mmjax.model.base import Fusion, FusionInput
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.schema.names import PartName


class TrunkSequence(Fusion):
    """What a trunk makes of the tokens of several of its towers, one behind the other.

    Each tower's stem, projection and places are its own, as where it stands alone; nothing is
    learned beside them. Behind the sequence stands the trunk's `summary`, and the embedding is what
    becomes of the last of its vectors: an image with a text is embedded by the model that embeds
    each of them (Xiao et al. 2025, LCO-Emb, arXiv 2510.11693). With `answer` the last input stands
    behind the summary instead: of a causal trunk, what it says of the inputs before. The term
    `captioning` with `within` trains it so, and the embedding stays that of the others.

    Args:
      trunk: its name in `model.trunks`, which has a summary and no skills.
      answer: whether the last input is an answer to the others; the trunk is causal then.
      inputs: of every output.

    Raises:
      EncoderError: for an answer to nothing.
    """

    def __init__(
        self, *, trunk: PartName, answer: bool = False, inputs: tuple[tuple[FusionInput, ...], ...]
    ):
        if answer and min(map(len, inputs)) < 2:
            raise EncoderError("answer=True needs two inputs, of which the last answers the others")
        self.trunk, self.answer, self.inputs = trunk, answer, inputs
        self.dim = inputs[0][0].width

    def __call__(
        self,
        parts: Sequence[Embedding],
        output: int,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
        trunk: Trunk | None = None,
    ) -> Embedding:
        """Runs the trunk over the inputs of one output.

        Returns:
          Embedding whose `encoding.tokens` are all positions, the summary's too, in their order.
        """
        if trunk is None:
            raise EncoderError(f"it runs through the trunk {self.trunk!r}, which is not given")
        tokens, masks = [], []
        for part, own in zip(parts, self.inputs[output], strict=True):
            x = None if part.encoding is None else part.encoding.inputs
            if part.encoding is None or x is None:
                raise EncoderError(f"only embeddings of {own.name!r} were kept, no tokens")
            mask = part.encoding.mask
            tokens.append(x)
            masks.append(jnp.ones(x.shape[:2], bool) if mask is None else mask)
        more, there = trunk.summaries(tokens[0])
        at = len(tokens) - self.answer
        tokens.insert(at, more)
        masks.insert(at, there)
        x, mask = jnp.concatenate(tokens, axis=1), jnp.concatenate(masks, axis=1)
        x = trunk(x, mask=mask, train=train, rngs=rngs)
        last = sum(each.shape[1] for each in tokens[: at + 1]) - 1
        raw = x[:, last].astype(jnp.float32)
        return Embedding(raw, unit_norm(raw), Encoding(x[:, last], x, mask))
