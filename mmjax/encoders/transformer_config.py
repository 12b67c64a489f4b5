"""The options that all encoders with a transformer share, and their defaults."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypedDict

from mmjax.encoders.initializers import Scheme
from mmjax.encoders.layers import Activation
from mmjax.schema.bounds import BelowOne, Count, Positive, Repeats

Remat = Literal["none", "full", "dots", "dots_no_batch"]


class TransformerOptions(TypedDict, total=False):
    """Options that every encoder with a transformer has; see `TransformerConfig`."""

    width: Count
    depth: Repeats
    heads: Count
    mlp_width: Count | None
    activation: Activation
    eps: Positive
    dropout: BelowOne
    drop_path: BelowOne
    drop_key: BelowOne
    init: Scheme
    scan: bool
    remat: Remat


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """The options of `TransformerOptions`, with the defaults that most encoders have.

    An encoder takes them as `**transformer: Unpack[TransformerOptions]` and has other defaults as
    its class attribute `transformer_defaults`.

    Attributes:
      width, depth, heads: of the transformer.
      mlp_width: of the feed-forward layers; 4 * width where None.
      activation: of the feed-forward layers.
      eps: of the layer norms.
      dropout: rate after attention and feed-forward layers.
      drop_path: rate of the last block; it rises linearly from 0 (stochastic depth).
      drop_key: rate at which each head's queries leave out keys in training (DropKey, Li et al.
        2023, arXiv 2208.02646).
      init: scheme of the initial parameters.
      scan: whether blocks are stacked and scanned over, so that compile time does not grow.
      remat: which activations the backward pass computes again.
    """

    width: Count = 768
    depth: Repeats = 12
    heads: Count = 12
    mlp_width: Count | None = None
    activation: Activation = "gelu"
    eps: Positive = 1e-6
    dropout: BelowOne = 0.0
    drop_path: BelowOne = 0.0
    drop_key: BelowOne = 0.0
    init: Scheme = "trunc_normal"
    scan: bool = True
    remat: Remat = "none"

    def of(self, options: TransformerOptions) -> TransformerConfig:
        """These options, where others are not given."""
        return dataclasses.replace(self, **options)

    @property
    def hidden(self) -> int:
        """Width of the feed-forward layers."""
        return 4 * self.width if self.mlp_width is None else self.mlp_width

    def options(self) -> TransformerOptions:
        """All of them, as keyword arguments."""
        found: Any = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        options: TransformerOptions = found
        return options
