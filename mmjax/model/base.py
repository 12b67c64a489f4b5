"""The base classes of heads, adapters, fusions and augmentations on the device."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
from flax import nnx

from mmjax.model.embedding import Embedding
from mmjax.schema.bounds import Count


class Head(nnx.Module):
    """A projection head: from the output of an encoder to the joint space, f[B, W] -> f32[B, dim].

    Attributes:
      dim: D, the size of the embedding.
      reads_encoding: whether the call is `(encoding, shared modules)`, the whole Encoding and the
        modules that towers share, and not `(pooled vectors)`.
      reads_present: whether the call takes `present` bool[B], False where a value is a
        placeholder: those with statistics over the batch.
      reads_prompts: whether it reads what became of prompts (`mmjax.encoders.prompts`). The call
        then takes `first`, the tower's first head; and as a further head it gives nothing where
        the tower gets no prompts, as in a teacher without adapters.
      reads_codebook: whether it has a `codebook`, the name of a shared one of so many `codes` of
        `code_dim` numbers, which may start as the token vectors of a tower, `tokens_of`.
      quantizes: whether the embedding is the code `nearest` to what the call gives, of `codes`
        many; with `mean_of_tokens` the mean of the tokens' codes.
      level: of the encoder's levels, the one whose vector, and tokens, it takes; None for its end.
        `codes` is what the tower's first head, which quantizes, makes of that.
      takes_tokens: whether it brings tokens f[B, T, W] to the joint space, too.
      mean_of_tokens: whether the embedding is the mean of these, not made of the pooled vector.
      dropout: rate of its own dropout. Where it is not 0, the call takes `key`, as of
        `mmjax.encoders.layers.draw`, or None where nothing is dropped.
    """

    dim: Count
    reads_encoding: ClassVar[bool] = False
    reads_present: ClassVar[bool] = False
    reads_prompts: ClassVar[bool] = False
    reads_codebook: ClassVar[bool] = False
    quantizes: ClassVar[bool] = False
    codebook: str
    codes: Count
    code_dim: Count
    tokens_of: str | None = None
    level: str | None = None
    takes_tokens: bool = False
    mean_of_tokens: bool = False
    dropout: float = 0.0

    def __call__(self, *args: Any, **options: Any) -> jax.Array:
        raise NotImplementedError

    def nearest(self, z: jax.Array, shared: Any) -> jax.Array:
        """The code f32[..., dim] of each vector of z f32[..., dim], of a head that quantizes.

        Args:
          z: what the call gives.
          shared: the modules that towers share, by name.
        """
        raise NotImplementedError

    def numbers(self, z: jax.Array, shared: Any) -> jax.Array:
        """The number i32[...] of each of these codes, from 0 to below `codes`."""
        raise NotImplementedError


class Adapter:
    """An adapter, trained beside frozen towers; see `mmjax.model.adapters`."""

    def install(self, where: str, parts: Mapping[str, Any], rngs: nnx.Rngs) -> None:
        """Changes towers and trunks that are built already, once; by default nothing.

        Args:
          where: path of the adapter in the recipe, for messages.
          parts: path of a part -> module, such as `towers/image` and `trunks/shared`.
          rngs: for the initial parameters.
        """


class Augmentation:
    """Augmentation on the device, of the inputs of a tower in training; none in evaluation.

    Attributes:
      gives_targets: whether the call gives `(x, targets)`, what it hid for terms to ask for (see
        `Embedding.targets`), or None in evaluation.
      views: outputs of the tower that are augmented; all, if empty.
    """

    gives_targets: ClassVar[bool] = False
    views: tuple[str, ...] = ()

    def __call__(self, x: jax.Array, *, train: bool = False, rngs: nnx.Rngs | None = None) -> Any:
        """Values [B, ...], changed where `train`; `rngs` as encoders take it."""
        raise NotImplementedError


class FusionInput(NamedTuple):
    """One input of a fusion.

    Attributes:
      name: an output of a tower, such as `image` or `text@edit`.
      tower: of it.
      dim: D, the size of the tower's embedding.
      width: W, of its encoder's tokens, or of the pooled vector of one without.
    """

    name: str
    tower: str
    dim: int
    width: int


class Fusion(nnx.Module):
    """One embedding of several outputs of towers, of the same rows; see `mmjax.model.fusions`.

    The call is `(embeddings of the inputs of one of its outputs, number of that output)`. Where a
    row lacks an input, all that the call gets of that row is 0.

    Attributes:
      dim: D, the size of the embedding.
      dropout: rate of its own dropout; where it is not 0, the call takes random numbers in `rngs`.
      trunk: name of the trunk that the call takes as `trunk`; None of a fusion that shares nothing.
    """

    dim: Count
    dropout: float = 0.0
    trunk: str | None = None

    def __call__(
        self,
        parts: Sequence[Embedding],
        output: int,
        *,
        train: bool = False,
        rngs: nnx.Rngs | None = None,
    ) -> Embedding:
        raise NotImplementedError
