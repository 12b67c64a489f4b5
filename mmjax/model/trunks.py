"""The trunks of a model: what several towers share of their encoders."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import jax
from flax import nnx
from jax.typing import DTypeLike

from mmjax.encoders import EncoderError, Trunk, TrunkConfig, TrunkTokens
from mmjax.errors import ConfigError, unknown
from mmjax.model.base import Fusion
from mmjax.model.towers import Tower
from mmjax.model.trunk_sequence import TrunkSequence


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
        if encoder.pool == "summary" and trunk.summary is None:
            raise ConfigError(
                f"'{where}.pool' is 'summary', but the trunk {encoder.trunk!r} has none: set "
                f"'model.trunks.{encoder.trunk}.summary' to 1 or more"
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


def check_sequences(
    fusions: Mapping[str, Fusion], towers: Mapping[str, Tower], trunks: Mapping[str, Trunk]
) -> None:
    """Checks the fusions that run through a trunk, and tells them its dropout.

    Args:
      fusions: of the model, by name.
      towers: modality -> Tower.
      trunks: name -> Trunk.

    Raises:
      ConfigError: for a trunk that there is not, or that lacks what the fusion needs, and for
        inputs of towers that run through another one, or none.
    """
    for name, fusion in fusions.items():
        if not isinstance(fusion, TrunkSequence):
            continue
        where = f"model.fusions.{name}"
        named = str(fusion.trunk)
        if named not in trunks:
            raise unknown(named, trunks, f"{where}.trunk", "this model", "trunk")
        trunk, of = trunks[named], f"'model.trunks.{named}"
        for each in (each for own in fusion.inputs for each in own):
            if towers[each.tower].encoder.trunk != named:
                raise ConfigError(
                    f"'{where}' has the input {each.name!r}, whose tower does not run through the "
                    f"trunk {named!r}: give it an encoder of type 'trunk_tokens' that does"
                )
        if trunk.skills:
            raise ConfigError(f"'{where}' is for a trunk without skills: leave out {of}.skills'")
        if trunk.summary is None:
            raise ConfigError(f"'{where}' reads a summary: set {of}.summary' to 1 or more")
        if fusion.answer and not trunk.causal:
            raise ConfigError(f"'{where}.answer' needs a trunk that is causal: set {of}.causal'")
        of_blocks = trunk.transformer
        fusion.dropout = max(of_blocks.dropout, of_blocks.drop_path, of_blocks.drop_key)
