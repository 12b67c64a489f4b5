"""The trunks of a model: what several towers share of their encoders."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import EncoderError, Trunk, TrunkConfig, TrunkTokens
from mmjax.errors import ConfigError, unknown
from mmjax.model.towers import Tower


def trunks(
    configs: Mapping[str, TrunkConfig],
    towers: Mapping[str, Tower],
    fusions: Iterable[str] = (),
    *,
    dtype: DTypeLike,
    key: jax.Array,
) -> nnx.Dict[Trunk]:
    """Builds the trunks of a recipe, each once.

    Args:
      configs: of the recipe, by name.
      towers: modality -> Tower, of which some name a trunk.
      fusions: names of the model's fusions.
      dtype: of the computation.
      key: each trunk draws from a key of its own name.

    Raises:
      ConfigError: for towers whose trunk there is not, or which do not fit it, and for a trunk
        without towers.
    """
    found = {}
    for name, config in configs.items():
        if name in towers or name in fusions:
            raise ConfigError(
                f"'model.trunks.{name}' has the name of a tower or a fusion: call it otherwise"
            )
        rngs = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(name.encode())))
        try:
            found[name] = config.build(dtype=dtype, rngs=rngs)
        except EncoderError as error:
            raise ConfigError(f"'model.trunks.{name}': {error}") from error
    named = set()
    for modality, tower in towers.items():
        encoder, where = tower.encoder, f"model.towers.{modality}.encoder"
        if not isinstance(encoder, TrunkTokens):
            continue
        if encoder.trunk not in found:
            raise unknown(str(encoder.trunk), found, f"{where}.trunk", "this model", "trunk")
        trunk = found[encoder.trunk]
        named.add(encoder.trunk)
        if encoder.width != trunk.width:
            raise ConfigError(
                f"'{where}.width' is {encoder.width}, but 'model.trunks.{encoder.trunk}.width' is "
                f"{trunk.width}: make them equal"
            )
        if trunk.causal and encoder.pool in ("cls", "first"):
            raise ConfigError(
                f"'{where}.pool' is {encoder.pool!r}, the first place, which sees nothing "
                f"but itself in the causal trunk {encoder.trunk!r}: take pool='last' or 'mean'"
            )
        encoder.causal = trunk.causal
        try:
            trunk.check(encoder.skills)
        except EncoderError as error:
            raise ConfigError(f"'{where}': {error}") from error
    for name in found.keys() - named:
        raise ConfigError(
            f"'model.trunks.{name}' is named by no tower: give one an encoder of type "
            f"'trunk_tokens' with trunk={name!r}, or leave it out"
        )
    return nnx.Dict(found)
