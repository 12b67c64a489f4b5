"""Trunks: transformers whose parameters several towers share, with blocks for some skills alone."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders.base import EncoderError
from mmjax.encoders.block import NormPlace
from mmjax.encoders.initializers import initialization
from mmjax.encoders.transformer import Transformer
from mmjax.encoders.transformer_config import TransformerConfig
from mmjax.schema.bounds import CountOrZero
from mmjax.schema.names import PartName


@dataclasses.dataclass(frozen=True)
class TrunkConfig(TransformerConfig):
    """One transformer for the towers whose encoder is `trunk_tokens` and names it.

    With `skills` every block has a feed-forward layer for each of them, and a tower uses those that
    its encoder names: y = (1 / |A|) Σ_{k in A} F_k(x), of its active skills A. Attention is shared,
    or with `skill_attention` likewise (Dai et al. 2022, SkillNet, arXiv 2205.06126; with one skill
    for each modality it is the multiway transformer of Wang et al. 2022, BEiT-3, arXiv 2208.10442).
    What a tower computes costs as much as one of the same width without skills, where it has one
    active. A step gives the skills of towers without rows a gradient of 0; `optimizer.keep_idle`
    then leaves them as they are to the last bit.

    Attributes:
      width, depth, heads, mlp_width: of the transformer, see `Transformer`.
      causal: each position sees only those before it, and itself.
      norm: `pre` (with a final layer norm) or `post`, see `Block`.
      bias: biases in attention and feed-forward layers.
      skills: their names; empty for one feed-forward layer for all.
      skill_attention: attention by skill, too.
      summary: learned vectors that stand behind what is to be embedded, whatever its modality, as
        the prompt "Summarize the above in one word:" does; with `pool='summary'` an embedding is
        what becomes of the last of them (Xiao et al. 2025, LCO-Emb, arXiv 2510.11693).
      activation, eps, dropout, drop_path, drop_key, init, scan, remat: see `Transformer`.
    """

    causal: bool = False
    norm: NormPlace = "pre"
    bias: bool = True
    skills: tuple[PartName, ...] = ()
    skill_attention: bool = False
    summary: CountOrZero = 0

    def __post_init__(self) -> None:
        if len(set(self.skills)) < len(self.skills):
            raise ValueError(f"skills={self.skills} names one of them twice")
        if self.skill_attention and not self.skills:
            raise ValueError("skill_attention=True is for a trunk with skills: give it some")

    def build(self, *, dtype: DTypeLike, rngs: nnx.Rngs) -> Trunk:
        """The trunk.

        Raises:
          ValueError: for options that no transformer can have.
        """
        return Trunk(self, dtype=dtype, rngs=rngs)


class Trunk(nnx.Module):
    """A transformer that several towers run their tokens through, f[B, T, W] -> f[B, T, W].

    Args:
      config: its options.
      dtype: of the computation; parameters are float32.
      rngs: for the initial parameters.

    Attributes:
      width: W.
      causal: whether a position sees only those before it.
      skills: that it has blocks for.
      summary: f32[n, W], the vectors behind what is to be embedded; None where n is 0.
    """

    def __init__(self, config: TrunkConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.width, self.causal, self.skills = config.width, config.causal, config.skills
        own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        del own["causal"], own["summary"]
        pre = config.norm == "pre"
        self.transformer = Transformer(**own, final_norm=pre, dtype=dtype, rngs=rngs)
        start = initialization(config.init, width=config.width, depth=1)
        shape = config.summary, config.width
        self.summary = (
            nnx.Param(start.special(rngs.params(), shape, jnp.float32)) if config.summary else None
        )

    def summaries(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The summary's vectors for every row of x f[B, T, W], f[B, n, W], and bool[B, n]: all.

        Raises:
          EncoderError: where it has none.
        """
        if self.summary is None:
            raise EncoderError("it has no vectors that summarize: set its summary to 1 or more")
        own = self.summary[...].astype(x.dtype)
        shape = len(x), *own.shape
        return jnp.broadcast_to(own, shape), jnp.ones(shape[:2], bool)

    def check(self, skills: tuple[str, ...]) -> None:
        """Raises EncoderError unless these can be the active ones."""
        if bool(skills) != bool(self.skills) or not set(skills) <= set(self.skills):
            has = ", ".join(map(repr, self.skills)) or "none"
            raise EncoderError(
                f"skills={skills} of a trunk that has the skills {has}: name "
                + ("some of these" if self.skills else "none")
            )

    def __call__(
        self,
        x: jax.Array,
        *,
        mask: jax.Array | None = None,
        skills: tuple[str, ...] = (),
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> jax.Array:
        """Runs the blocks.

        Args:
          x: f[B, T, W].
          mask: bool[B, T], False at padding.
          skills: those that are active.
          train: apply dropout, drop-path and DropKey.
          rngs: random numbers for them.
        """
        return self.transformer(
            x, mask=mask, causal=self.causal, skills=skills, train=train, rngs=rngs
        )
