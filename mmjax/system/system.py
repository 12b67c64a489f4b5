"""All that trains, in one module: the towers of every modality and the objective terms.

Parameters leave the module as a flat dict, path -> array (`towers/image/encoder/...`), which is
what rules for layout, learning rate and freezing match, what checkpoints hold and what weights are
imported to and exported from.
"""

import dataclasses
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax import recipe as config_lib
from mmjax.encoders import ENCODERS
from mmjax.encoders.layers import fold_in
from mmjax.model import adapters, codebook
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.heads import HEADS
from mmjax.model.towers import Embedding, Tower
from mmjax.objectives import Objectives
from mmjax.schema.names import modality_of


class System(nnx.Module):
    """Towers, their adapters and codebooks, and objective terms, built from a checked config.

    Args:
      config: the whole config; `model` and `objectives` are used.
      dtype: of the towers' computation; parameters are float32.
      rngs: source of the initial parameters. Each tower draws from a key of its own name, so that
        adding a modality or a term does not change the others' initial values.
    """

    def __init__(self, config: Mapping, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        key = rngs.params()
        towers = {}
        for name, spec in config["model"]["towers"].items():
            own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(name.encode())))
            encoder = config_lib.build(ENCODERS, spec["encoder"], dtype=dtype, rngs=own)
            head = config_lib.build(HEADS, spec["head"], width=encoder.width, dtype=dtype, rngs=own)
            heads = {
                other: config_lib.build(HEADS, each, width=encoder.width, dtype=dtype, rngs=own)
                for other, each in (spec.get("heads") or {}).items()
            }
            augment = spec.get("augment")
            if augment is not None:
                augment = config_lib.build(AUGMENTATIONS, augment)
            towers[name] = Tower(encoder, head, augment, heads)
        self.towers = nnx.Dict(towers)
        self.deterministic: tuple[str, ...] = tuple(
            view
            for spec in config["model"]["towers"].values()
            for view in spec.get("deterministic", ())
        )
        own = jax.random.fold_in(key, zlib.crc32(b"adapters"))
        self.adapters = adapters.install(config["model"].get("adapters", {}), towers, own)
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"codebooks")))
        heads = [head for t in towers.values() for head in (t.head, *(t.heads or {}).values())]
        self.codebooks = codebook.codebooks(heads, own)
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"objectives")))
        self.objectives = Objectives(config_lib.plain(config["objectives"]), rngs=own)

    def embed(
        self, batch: Mapping[str, jax.Array], *, train: bool = False, key: jax.Array | None = None
    ) -> dict[str, Embedding]:
        """Embeds every modality, and every further view `<modality>@2`, of a batch.

        Args:
          batch: arrays by name; names without a tower (ids) are passed over. Of training batches
            `<modality>_present` says which rows count in statistics of the batch.
          train: dropout and batch statistics as in training; encoders of the views that their tower
            names `deterministic` run as in evaluation.
          key: for dropout, one key or key[B]; each view uses a key of its own.

        Returns:
          name -> Embedding, for each name of the batch that has a tower.
        """
        outputs, prompts = {}, adapters.prompts_of(self.adapters, self.towers)
        for name in sorted(batch):
            modality = modality_of(name)
            if modality in self.towers:
                rngs = None
                if key is not None:
                    rngs = nnx.Rngs(dropout=fold_in(key, zlib.crc32(name.encode())))
                outputs[name] = self.towers[modality](
                    batch[name],
                    train=train,
                    rngs=rngs,
                    shared=self.codebooks,
                    prompts=prompts.get(modality),
                    present=batch.get(f"{modality}_present") if train else None,
                    deterministic=name in self.deterministic,
                )
        return outputs


@dataclasses.dataclass(frozen=True)
class Definition:
    """A module without its arrays: makes flat arrays a module again, and back.

    Attributes:
      graphdef: the module's static structure.
      variables: path -> (key path, abstract variable).
    """

    graphdef: Any
    variables: dict[str, tuple[tuple, nnx.Variable]]

    @classmethod
    def of(cls, make: Callable[[], nnx.Module]) -> "Definition":
        """The definition of the module that `make` constructs; nothing is computed."""
        graphdef, state = nnx.split(nnx.eval_shape(make))
        variables = {"/".join(map(str, path)): (path, v) for path, v in nnx.to_flat_state(state)}
        return cls(graphdef, variables)

    def kinds(self, kind: type[nnx.Variable]) -> dict[str, jax.ShapeDtypeStruct]:
        """path -> shape and dtype, of the variables of one kind."""
        return {
            path: jax.ShapeDtypeStruct(v.shape, v.dtype)
            for path, (_, v) in self.variables.items()
            if isinstance(v, kind)
        }

    def merge(self, arrays: Mapping[str, jax.Array]) -> nnx.Module:
        """The module with these arrays; every path has to be there."""
        return nnx.merge(
            self.graphdef,
            nnx.from_flat_state(
                [(key, v.replace(arrays[path])) for path, (key, v) in self.variables.items()]
            ),
        )

    @staticmethod
    def arrays(module: nnx.Module) -> dict[str, jax.Array]:
        """The module's arrays by path."""
        _, state = nnx.split(module)
        return {"/".join(map(str, path)): v[...] for path, v in nnx.to_flat_state(state)}
