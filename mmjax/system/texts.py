"""Texts of a trained model on a mesh: generated ones, and how likely given ones are."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax
import numpy as np

from mmjax.decoding import Decoder, Start, Texts
from mmjax.model.definition import Definition
from mmjax.objectives.errors import TermError
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.generation import Arrays, Likelihood, Writer, generate
from mmjax.system.system import System


class TextModel:
    """The decoder of a model: a term of type `captioning`, with the towers that it reads.

    Args:
      definition: structure of the System.
      arrays: path -> array, all of the System's variables, laid out on the mesh.
      mesh: the mesh.
      check: called before every batch; may raise, to end what is being computed.
    """

    def __init__(
        self,
        definition: Definition[System],
        arrays: Arrays,
        mesh: jax.sharding.Mesh,
        *,
        check: Callable[[], None] = lambda: None,
    ):
        self._definition, self._arrays, self._mesh = definition, arrays, mesh
        self._check = check
        self._compiled: dict[Hashable, Callable[[Arrays, Arrays], Any]] = {}

    def generate(
        self,
        term: str,
        decoder: Decoder,
        given: Mapping[str, np.ndarray],
        start: Start,
        *,
        eos: int | None,
        never: tuple[int, ...] = (),
    ) -> Texts:
        """Continues a batch of prompts.

        Args:
          term: the recipe's name of the term.
          decoder: the algorithm.
          given: view -> values [B, ...] that stand for the term's conditions, in their order.
          start: prompts, in a buffer as long as texts may get.
          eos: the id that ends a text.
          never: ids that are not generated, such as padding.

        Returns:
          NumPy arrays of B texts. A text does not depend on the others of its batch.

        Raises:
          ValueError: for a term of another type, and for other conditions.
        """
        views = tuple(given)

        def run(system: System, batch: Arrays) -> Texts:
            begun = Start(*(batch[f"start/{name}"] for name in Start._fields))
            return generate(system, term, decoder, views, batch, begun, eos=eos, never=never)

        batch = {**given, **{f"start/{name}": each for name, each in start._asdict().items()}}
        key = ("generate", term, decoder, views, eos, never)
        found: Texts = self._call(key, run, batch)
        return found

    def likelihood(self, term: str, given: Mapping[str, np.ndarray], ids: np.ndarray) -> Likelihood:
        """How likely texts are, ids i32[B, T].

        Args:
          term: the recipe's name of the term.
          given: as of `generate`.
          ids: whole texts.

        Raises:
          ValueError: as `generate`.
        """
        views = tuple(given)

        def run(system: System, batch: Arrays) -> Likelihood:
            return Writer(system, term, views, batch).likelihood(batch["ids"])

        found: Likelihood = self._call(("likelihood", term, views), run, {**given, "ids": ids})
        return found

    def _call(
        self, key: Hashable, run: Callable[[System, Arrays], Any], batch: Mapping[str, Any]
    ) -> Any:
        """What is computed of a batch, compiled once for a key and the batch's shapes."""
        self._check()
        if key not in self._compiled:

            def forward(arrays: Arrays, batch: Arrays) -> Any:
                return run(self._definition.merge(arrays), batch)

            replicated = mesh_lib.replicated(self._mesh)
            self._compiled[key] = jax.jit(forward, out_shardings=replicated)
        rows = len(next(iter(batch.values())))
        placed = {
            name: mesh_lib.whole_batch(np.asarray(each), self._mesh) for name, each in batch.items()
        }
        try:
            found = self._compiled[key](self._arrays, placed)
        except TermError as error:
            raise ValueError(str(error)) from error
        return jax.tree.map(lambda x: np.asarray(x)[:rows], found)
