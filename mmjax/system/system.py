"""The whole model: the towers of every modality and the objective terms.

Parameters leave the module as a flat dict, path -> array (`towers/image/encoder/...`), which is
what rules for layout, learning rate and freezing match, what checkpoints hold and what weights are
imported to and exported from.
"""

import zlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.layers import fold_in
from mmjax.model import adapters, codebook
from mmjax.model.config import ModelConfig
from mmjax.model.embedding import Embedding
from mmjax.model.towers import Tower
from mmjax.objectives import ObjectiveConfig, Objectives
from mmjax.schema.names import modality_of, presence


class System(nnx.Module):
    """Towers, their adapters and codebooks, and objective terms, built from a checked recipe.

    Args:
      model: towers and adapters.
      objectives: name -> term.
      dtype: of the towers' computation; parameters are float32.
      rngs: source of the initial parameters. Each tower draws from a key of its own name, so that
        adding a modality or a term does not change the others' initial values.
    """

    def __init__(
        self,
        model: ModelConfig,
        objectives: Mapping[str, ObjectiveConfig],
        *,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ):
        key = rngs.params()
        towers = {}
        for name, config in model.towers.items():
            own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(name.encode())))
            encoder = config.encoder.build(dtype=dtype, rngs=own)
            head = config.head.build(width=encoder.width, dtype=dtype, rngs=own)
            heads = {
                other: each.build(width=encoder.width, dtype=dtype, rngs=own)
                for other, each in config.heads.items()
            }
            augment = None if config.augment is None else config.augment.build()
            towers[name] = Tower(encoder, head, augment, heads)
        self.towers = nnx.Dict(towers)
        self.deterministic: tuple[str, ...] = tuple(
            view for config in model.towers.values() for view in config.deterministic
        )
        of_adapters = jax.random.fold_in(key, zlib.crc32(b"adapters"))
        self.adapters = adapters.install(model.adapters, towers, of_adapters)
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"codebooks")))
        every = [head for t in towers.values() for head in (t.head, *(t.heads or {}).values())]
        encoders = {name: tower.encoder for name, tower in towers.items()}
        self.codebooks = codebook.codebooks(every, own, encoders)
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"objectives")))
        self.objectives = Objectives(objectives, rngs=own)
        self.objectives.check(towers)

    def embed(
        self,
        batch: Mapping[str, jax.Array],
        *,
        train: bool = False,
        key: jax.Array | None = None,
        prompted: bool = True,
    ) -> dict[str, Embedding]:
        """Embeds every output of a batch.

        Args:
          batch: arrays by the names of outputs (see `mmjax.model.outputs`): `image`, and `image@2`
            by the same tower; names without a tower (ids) are passed over. Of training batches
            `image_present` says which rows count in statistics of the batch.
          train: dropout and batch statistics as in training; encoders of the outputs that their
            tower names `deterministic` run as in evaluation.
          key: for dropout, one key or key[B]; each output uses a key of its own.
          prompted: whether the towers get the prompts of adapters.

        Returns:
          name -> Embedding, for each name of the batch that has a tower.
        """
        outputs: dict[str, Embedding] = {}
        prompts = adapters.prompts_of(self.adapters, self.towers) if prompted else {}
        for name in sorted(batch):
            modality = modality_of(name)
            if modality in self.towers:
                rngs = None
                if key is not None:
                    rngs = nnx.Rngs(dropout=fold_in(key, zlib.crc32(name.encode())))
                tower = self.towers[modality]
                only = () if tower.augment is None else tower.augment.views
                outputs[name] = tower(
                    batch[name],
                    train=train,
                    rngs=rngs,
                    shared=self.codebooks,
                    prompts=prompts.get(modality),
                    present=presence(batch, name) if train else None,
                    deterministic=name in self.deterministic,
                    augmented=not only or name in only,
                )
        return outputs
