"""A trained model as a function from arrays to unit embeddings, for evaluation and inference."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.model.definition import Definition
from mmjax.model.embedding import Embedding
from mmjax.parallel import mesh as mesh_lib
from mmjax.schema.names import modality_of
from mmjax.system import code_numbers, layers, scoring
from mmjax.system.free_words import FreeWords, free_words
from mmjax.system.inversion import invert
from mmjax.system.layers import Waiting
from mmjax.system.system import System
from mmjax.system.term_scores import Matcher, Predictor, TermScores
from mmjax.system.texts import TextModel

_OF_CODES = {"codes": code_numbers.shares, "numbers": code_numbers.numbers}
_TERM = "objectives."  # begins the layer that is what a term compares
Arrays = Mapping[str, jax.Array]
# Of one output: an array [B, ...]; of a fusion a tuple of them, one for each input.
Values = np.ndarray | tuple[np.ndarray, ...]


class Embedder:
    """Embeds batches of any modality on a mesh; what evaluators call `model`.

    A fusion is a modality whose values are tuples.

    Args:
      definition: structure of the System.
      arrays: path -> array, all of the System's variables, laid out on the mesh.
      mesh: the mesh.
      check: called before every batch; may raise, to end what is being computed.
    """

    def __init__(
        self,
        definition: Definition[System],
        arrays: Mapping[str, jax.Array],
        mesh: jax.sharding.Mesh,
        *,
        check: Callable[[], None] = lambda: None,
    ):
        self._check = check
        self._definition, self._arrays, self._mesh = definition, dict(arrays), mesh
        # Of the module and not of the paths: a tower that hands features on has no parameters.
        system = definition.merge(arrays)
        towers = system.towers
        self.fused = dict(system.fused)  # output of a fusion -> its inputs
        self._dims = system.dims
        self._heads = {name: frozenset(tower.heads or ()) for name, tower in towers.items()}
        self._quantizing = frozenset(n for n, tower in towers.items() if tower.head.quantizes)
        self.modalities = (*sorted(towers), *sorted(system.fusions))
        own = jax.process_index()
        alone = all(device.process_index == own for device in mesh.devices.flat)
        # Which part of the records of an evaluation this process reads, and of how many.
        self.reading = (0, 1) if alone else mesh_lib.reading(mesh.devices, own)
        self._on_demand: dict[tuple[str, str], Callable[[Arrays, Arrays], Any]] = {}
        self._forwards: dict[str | None, Callable[[Arrays, Arrays], Any]] = {}
        self._terms = TermScores(definition, self._arrays, mesh, frozenset(self.fused))
        self._orders: dict[int, np.ndarray] = {}  # of the rows of all parts, by those of one

    def dim(self, modality: str) -> int:
        """D, the size of the embeddings of a modality."""
        return self._dims[modality]

    def invert(
        self, modality: str, value: np.ndarray, targets: np.ndarray, **how: Any
    ) -> np.ndarray:
        """Embeddings f32[Q, D] of `value` with pseudo-tokens fitted to targets f32[Q, D].

        Args:
          modality: of the value and its tower.
          value: input of the tower without a batch.
          targets: unit rows.
          how: of `mmjax.system.inversion.invert`.
        """
        self._check()
        return invert(self._definition, self._arrays, modality, value, targets, **how)

    def function(self, modality: str) -> Callable[[jax.Array], jax.Array]:
        """A tower as a function of inputs [B, ...] that has a gradient: f32[B, D], unit rows.

        It is a pytree, so that a compiled program takes it as an argument and does not hold the
        parameters as constants.

        Raises:
          KeyError: for a modality without a tower.
        """
        if modality in self.fused or modality not in self.modalities:
            raise KeyError(f"no tower embeds {modality!r}; there are {self.modalities}")
        self._check()

        def embed(arrays: Arrays, x: jax.Array) -> jax.Array:
            outputs = self._definition.merge(arrays).embed({modality: x})
            return outputs[modality].unit.astype(jnp.float32)

        return jax.tree_util.Partial(embed, self._arrays)

    def free_words(self, modality: str) -> FreeWords:
        """A text tower as a function of the vectors of words, see `mmjax.system.free_words`."""
        self._check()
        return free_words(self._definition, self._arrays, modality)

    @functools.cached_property
    def texts(self) -> TextModel:
        """What generates texts, of a model with a term `captioning`."""
        return TextModel(self._definition, self._arrays, self._mesh, check=self._check)

    def _forward(self, fusion: str | None) -> Callable[[Arrays, Arrays], Any]:
        """Of a batch the layers of each output; of a fusion those of it alone."""
        if fusion in self._forwards:
            return self._forwards[fusion]

        def forward(arrays: Arrays, batch: Arrays) -> dict[str, dict[str, jax.Array]]:
            system = self._definition.merge(arrays)
            outputs = _outputs(system, batch, fusion)
            return {name: layers.small(system, name, e) for name, e in outputs.items()}

        # Every process reads the whole result, so that each computes the same metrics.
        self._forwards[fusion] = jax.jit(forward, out_shardings=mesh_lib.replicated(self._mesh))
        return self._forwards[fusion]

    def embed(self, modality: str, values: Values, layer: str = "unit") -> np.ndarray:
        """Embeds one batch.

        Args:
          modality: name of a tower, or of another of its outputs, `image@2`; or of a fusion.
          values: [B, ...] as the modality's view makes them; of a fusion a tuple, those of each
            input. B is padded to a multiple of the devices; every other B compiles once more, so
            use few.
          layer: `unit`, the embedding; `raw`, before it is made a unit vector; `encoder`, what the
            encoder gives to the head; `codes`, of a head of type 'codebook', the weights of the
            codes, and of one that quantizes the share of each code in the tokens; `numbers`, of
            such a head, those of the codes; `continuous`, of one that takes no tokens, what its
            codes are of; the name of a further head of the tower; or several of these as
            `unit+local`, side by side over the root of their number, so that a cosine is the mean
            of their cosines; or as `0.7*unit+0.3*local`, so that it is a weighted one; or `tokens`,
            of a head with tokens=True, side by side, unless a further head is so named,
            `NAME.tokens` of a further head, or `encoder.tokens`, before any head, or
            `NAME.encoder.tokens`, of the level that a further head takes, before it; or
            `objectives.NAME`, what a term with a score of its own compares, for `scorer`.

        Returns:
          f32[B, D], rows of length 1; f32[B, W] of the encoder; f32[B, K], rows of sum 1, of the
          codes; f32[B, T] of numbers, -1 at padding; or f32[B, T D] of tokens, before any head
          f32[B, T W], zero at padding; or f32[B, F] of a term.

        Raises:
          KeyError: for a modality without a tower.
          ValueError: for a layer that the tower does not have.
        """
        return self.begin(modality, values, layer)()

    def begin(self, modality: str, values: Values, layer: str = "unit") -> Waiting:
        """As `embed`, without waiting: the devices compute while the caller makes the next batch.

        Returns:
          A function that waits and gives what `embed` gives.
        """
        if modality_of(modality) not in self.modalities:
            raise KeyError(f"no tower embeds {modality!r}; there are {self.modalities}")
        self._check()
        named = self._named(modality, values)
        rows = len(next(iter(named.values())))
        batch = {name: mesh_lib.whole_batch(own, self._mesh) for name, own in named.items()}
        wait = self._layer(modality, batch, layer)
        return lambda: wait()[:rows]

    def _named(self, modality: str, values: Values) -> dict[str, np.ndarray]:
        """The inputs of towers by the names of outputs."""
        if modality not in self.fused:
            return {modality: cast(np.ndarray, values)}
        inputs = self.fused[modality]
        if not isinstance(values, tuple) or len(values) != len(inputs):
            raise ValueError(f"{modality!r} takes a tuple of {len(inputs)} arrays, {inputs}")
        return dict(zip(inputs, values, strict=True))

    def embed_parts(self, modality: str, values: Values, layer: str = "unit") -> np.ndarray:
        """Embeds a batch of which every process has the rows of its part, see `reading`.

        Args:
          modality, layer: as of `embed`.
          values: [b, ...], or a tuple of them, as many in every process; padded to what the
            devices need.

        Returns:
          As `embed`, [parts x b, ...], the rows of the first part first, in all processes.
        """
        return self.begin_parts(modality, values, layer)()

    def begin_parts(self, modality: str, values: Values, layer: str = "unit") -> Waiting:
        """As `embed_parts`, without waiting, see `begin`."""
        self._check()
        named = self._named(modality, values)
        parts, rows = self.reading[1], len(next(iter(named.values())))
        padding = -rows % (mesh_lib.batch_shards(self._mesh) // parts)
        padded = {
            name: np.concatenate([own, np.repeat(own[-1:], padding, axis=0)])
            for name, own in named.items()
        }
        size = rows + padding
        batch = mesh_lib.to_device(padded, self._mesh)
        order, wait = self._order(size), self._layer(modality, batch, layer)

        def in_order() -> np.ndarray:
            by_part: np.ndarray = wait()[order].reshape(parts, size, -1)[:, :rows]
            return by_part.reshape(parts * rows, -1)

        return in_order

    def _order(self, rows: int) -> np.ndarray:
        """Where the mesh holds the rows of the parts, of so many each; it may mix them."""
        if rows not in self._orders:
            numbers = self.reading[0] * rows + np.arange(rows, dtype=np.int32)
            batch = mesh_lib.to_device({"numbers": numbers}, self._mesh)["numbers"]
            everywhere = jax.jit(lambda x: x, out_shardings=mesh_lib.replicated(self._mesh))
            self._orders[rows] = np.argsort(np.asarray(everywhere(batch)))
        return self._orders[rows]

    def _layer(self, modality: str, batch: Arrays, layer: str) -> Waiting:
        """A layer of all rows of a batch, which the devices have begun."""
        of = self._large(modality, layer)
        if of is not None:
            return self._further(layer, modality, batch, of)
        fusion = modality if modality in self.fused else None
        found = self._forward(fusion)(self._arrays, batch)[modality]
        parts = list(map(layers.weighted, layer.split("+")))
        for _, part in parts:
            if part not in found:
                raise ValueError(
                    f"layer={layer!r}: the tower of {modality!r} has no {part!r}, only "
                    f"{', '.join(map(repr, found))}"
                )
        return layers.side_by_side([(weight, found[part]) for weight, part in parts])

    def _large(self, modality: str, layer: str) -> Callable[[System, Embedding], jax.Array] | None:
        """What gives a layer that is not computed with every batch; None for those that are."""
        heads = self._heads.get(modality, ())
        head, dot, last = layer.rpartition(".")
        # A further head of that name is what is meant, as of all other layers.
        plain = layer == layers.TOKENS and layers.TOKENS not in heads
        known = {layers.ENCODER, *heads, *(f"{name}.{layers.ENCODER}" for name in heads)}
        if plain or (dot and last == layers.TOKENS and head in known):
            return lambda _, embedding: layers.tokens(embedding, modality, head)
        if layer in _OF_CODES and modality_of(modality) in self._quantizing:
            return lambda system, embedding: _OF_CODES[layer](system, modality, embedding)
        if layer.startswith(_TERM):
            return self._terms.features(layer.removeprefix(_TERM), modality)
        return None

    def _further(
        self, name: str, modality: str, batch: Arrays, of: Callable[[System, Embedding], jax.Array]
    ) -> Waiting:
        """A layer that is large, and computed only where one asks for it."""
        key = name, modality
        if key not in self._on_demand:

            def forward(arrays: Arrays, batch: Arrays) -> jax.Array:
                system = self._definition.merge(arrays)
                fusion = modality if modality in self.fused else None
                embedding = _outputs(system, batch, fusion)[modality]
                return of(system, embedding).astype(jnp.float32)

            replicated = mesh_lib.replicated(self._mesh)
            self._on_demand[key] = jax.jit(forward, out_shardings=replicated)
        return layers.side_by_side([(1.0, self._on_demand[key](self._arrays, batch))])

    def scorer(self, term: str, queries: str, answers: str) -> scoring.FlatScore:
        """The score f32[q, a] of two modalities' rows, see `TermScores`."""
        return self._terms.scorer(term, queries, answers)

    def matcher(self, term: str, queries: str, answers: str) -> Matcher:
        """Scores f32[P] of aligned rows of two modalities, see `TermScores`."""
        return self._terms.matcher(term, queries, answers)

    def predictor(self, term: str, view: str) -> Predictor:
        """What a term predicts of rows of a view, see `TermScores`."""
        return self._terms.predictor(term, view)


def _outputs(system: System, batch: Arrays, fusion: str | None) -> dict[str, Embedding]:
    """Embeddings of a batch by output; of a fusion, of whose inputs the batch is, it alone."""
    outputs = system.embed(batch)
    return outputs if fusion is None else system.fuse(outputs, {}, names=(fusion,))
