"""The whole model: the towers of every modality, their trunks, fusions and the objective terms.

Parameters leave the module as a flat dict, path -> array (`towers/image/encoder/...`), which is
what rules for layout, learning rate and freezing match, what checkpoints hold and what weights are
imported to and exported from.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.encoders.base import EncoderError
from mmjax.encoders.layers import fold_in
from mmjax.errors import ConfigError
from mmjax.model import adapters, codebook
from mmjax.model.base import FusionInput
from mmjax.model.config import FusionConfig, ModelConfig
from mmjax.model.embedding import Embedding
from mmjax.model.outputs import present_in_all
from mmjax.model.towers import CODES, Tower
from mmjax.model.trunks import check_sequences, trunks
from mmjax.objectives import ObjectiveConfig, Objectives
from mmjax.schema.names import modality_of, presence

Tree = TypeVar("Tree")


class System(nnx.Module):
    """Towers, trunks, adapters, codebooks, fusions and terms, built from a checked recipe.

    Args:
      model: towers, trunks, fusions and adapters.
      objectives: name -> term.
      dtype: of the towers' computation; parameters are float32.
      rngs: source of the initial parameters. Each tower draws from a key of its own name, so that
        adding a modality or a term does not change the others' initial values.

    Attributes:
      fused: (name, inputs) of every output of the fusions.
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
                other: each.build(
                    width=head.dim if each.options.get("level") == CODES else encoder.width,
                    dtype=dtype,
                    rngs=own,
                )
                for other, each in config.heads.items()
            }
            augment = None if config.augment is None else config.augment.build()
            towers[name] = Tower(encoder, head, augment, heads)
        self.towers = nnx.Dict(towers)
        of_trunks = jax.random.fold_in(key, zlib.crc32(b"trunks"))
        self.trunks = trunks(model.trunks, towers, model.fusions, dtype=dtype, key=of_trunks)
        self.deterministic: tuple[str, ...] = tuple(
            view for config in model.towers.values() for view in config.deterministic
        )
        of_adapters = jax.random.fold_in(key, zlib.crc32(b"adapters"))
        self.adapters = adapters.install(model.adapters, towers, self.trunks, of_adapters)
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"codebooks")))
        every = [head for t in towers.values() for head in (t.head, *(t.heads or {}).values())]
        encoders = {name: tower.encoder for name, tower in towers.items()}
        self.codebooks = codebook.codebooks(every, own, encoders)
        of_fusions = jax.random.fold_in(key, zlib.crc32(b"fusions"))
        self.fusions = nnx.Dict(
            {
                name: config.fusion.build(
                    inputs=_inputs(name, config, towers),
                    dtype=dtype,
                    rngs=nnx.Rngs(jax.random.fold_in(of_fusions, zlib.crc32(name.encode()))),
                )
                for name, config in model.fusions.items()
            }
        )
        check_sequences(self.fusions, towers, self.trunks)
        self.fused: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
            each for name, config in model.fusions.items() for each in config.outputs(name).items()
        )
        own = nnx.Rngs(jax.random.fold_in(key, zlib.crc32(b"objectives")))
        self.objectives = Objectives(objectives, rngs=own)
        by_name = {name: (self.fusions[modality_of(name)], own) for name, own in self.fused}
        self.objectives.check(towers, by_name)

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
                    trunks=self.trunks,
                    prompts=prompts.get(modality),
                    present=presence(batch, name) if train else None,
                    deterministic=name in self.deterministic,
                    augmented=not only or name in only,
                )
        return outputs

    @property
    def dims(self) -> dict[str, int]:
        """D of every tower and every fusion, by name."""
        parts: Any = (*self.towers.items(), *self.fusions.items())
        return {name: part.dim for name, part in parts}

    def fuse(
        self,
        outputs: Mapping[str, Embedding],
        batch: Mapping[str, jax.Array],
        *,
        names: Iterable[str] | None = None,
        train: bool = False,
        key: jax.Array | None = None,
    ) -> dict[str, Embedding]:
        """The embeddings that fusions make of those of towers.

        Args:
          outputs: of `embed`.
          batch: for presence: of a row that lacks an input, all are taken as 0.
          names: of outputs of fusions; all whose inputs are there where None.
          train: dropout as in training.
          key: for dropout, one key or key[B]; each output uses a key of its own.

        Returns:
          name -> Embedding.
        """
        made_of = dict(self.fused)
        number: dict[str, int] = {}  # of an output among those of its fusion
        for name in made_of:
            number[name] = sum(modality_of(n) == modality_of(name) for n in number)
        if names is None:
            names = [name for name, own in made_of.items() if all(each in outputs for each in own)]
        found = {}
        for name in names:
            there = present_in_all(batch, made_of[name])
            parts = [_where(there, outputs[each]) for each in made_of[name]]
            fusion, rngs = self.fusions[modality_of(name)], None
            given: dict[str, Any] = {}
            if fusion.trunk is not None:
                given["trunk"] = self.trunks[fusion.trunk]
            if fusion.dropout and key is not None:
                rngs = nnx.Rngs(dropout=fold_in(key, zlib.crc32(name.encode())))
            try:
                found[name] = fusion(parts, number[name], train=train, rngs=rngs, **given)
            except EncoderError as error:
                raise ConfigError(f"'model.fusions.{modality_of(name)}': {error}") from error
        return found


def _inputs(
    name: str, config: FusionConfig, towers: Mapping[str, Tower]
) -> tuple[tuple[FusionInput, ...], ...]:
    """What a fusion is told of its inputs."""
    found = []
    for own in config.outputs(name).values():
        for each in own:
            if modality_of(each) not in towers:
                raise ConfigError(
                    f"'model.fusions.{name}' has the input {each!r}, which no tower makes; there "
                    f"are towers of {', '.join(map(repr, towers))}"
                )
        inputs = []
        for each in own:
            tower = towers[modality_of(each)]
            width = tower.encoder.token_width or tower.encoder.width
            inputs.append(FusionInput(each, modality_of(each), tower.dim, width))
        found.append(tuple(inputs))
    return tuple(found)


def _where(there: jax.Array | None, tree: Tree) -> Tree:
    """What is of rows that are there, and 0 of others: a placeholder's 0 * inf would be NaN."""
    if there is None:
        return tree

    def masked(x: jax.Array) -> jax.Array:
        rows = there.reshape(-1, *(1,) * (x.ndim - 1))
        return jnp.where(rows, x, jnp.zeros((), x.dtype))

    masked_tree: Tree = jax.tree.map(masked, tree)
    return masked_tree
