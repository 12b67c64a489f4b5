"""Teachers: momentum (EMA) or frozen copies of towers, without gradient.

A recipe has at most one, its section `teacher`. Terms read its embeddings as `context.teacher`. Its
arrays are part of a run's state, under the paths of the towers that they are copies of, so that
they lie as those do; the optimizer holds nothing for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from mmjax.data.galleries import GalleryConfig
from mmjax.encoders.layers import fold_in
from mmjax.errors import ConfigError
from mmjax.model.adapters import AdapterParam, without_updates
from mmjax.model.definition import Definition
from mmjax.model.embedding import Embedding, Gallery
from mmjax.schema.annotations import GalleryRef, ViewRef
from mmjax.schema.names import modality_of
from mmjax.schema.registry import Registry
from mmjax.schema.schedule import Schedule, ScheduledFraction
from mmjax.system import galleries
from mmjax.system.system import System

# Of the names under which a teacher's views are embedded beside those of the batch.
PREFIX = "teacher/"
SHARED = ("codebooks/", "adapters/", "trunks/")
_OWN_KEY = zlib.crc32(b"teacher")


class Teacher:
    """The base class of teachers: which views are embedded, and how.

    Attributes:
      views: names of the batch.
      galleries: names of those of the recipe that it embeds, too.
      train: whether dropout and batch statistics are those of training.
      init_from: folder that its arrays come from, or None.
      checkpoint: of a run in that folder.
      adapters: whether it has those of the towers; without, it is what they adapt.
    """

    init_from: str | None = None
    checkpoint: str = "latest"

    def __init__(
        self, views: tuple[str, ...], train: bool, adapters: bool, galleries: tuple[str, ...]
    ):
        if not (views or galleries) or len(set(views)) != len(views):
            raise ConfigError(f"teacher.views={views} has to name views of the batch, each once")
        self.views, self.train, self.adapters, self.galleries = views, train, adapters, galleries
        self._inputs: dict[str, tuple[str, ...]] = {}  # of its views that are fusions

    def of_model(self, fused: Mapping[str, tuple[str, ...]]) -> None:
        """Tells it which of its views are outputs of fusions, name -> inputs; once."""
        self._inputs = {view: fused[view] for view in self.views if view in fused}

    @property
    def _embeds(self) -> tuple[str, ...]:
        """The outputs of towers that it embeds: of its views, or what these are made of."""
        own = (self._inputs.get(view, (view,)) for view in self.views)
        return tuple(dict.fromkeys(name for names in own for name in names))

    @property
    def reduces(self) -> bool:
        """Whether it computes something of all rows: galleries, or fusions."""
        return bool(self.galleries or self._inputs)

    def paths(
        self, definition: Definition[System], trained: Iterable[str], of_galleries: Iterable[str]
    ) -> frozenset[str]:
        """The variables that it has copies of.

        All of its towers and fusions, and of the model's codebooks, adapters and trunks; without
        parameters that are frozen and that it took over, for these are the same in both.

        Args:
          definition: structure of the System.
          trained: paths of the parameters that train.
          of_galleries: the views of its galleries.
        """
        towers = {f"towers/{modality_of(view)}" for view in (*self._embeds, *of_galleries)}
        towers |= {f"fusions/{modality_of(view)}" for view in self._inputs}
        parameters = definition.kinds(nnx.Param)
        trained = set(trained)
        left_out = () if self.adapters else definition.kinds(AdapterParam)
        return frozenset(
            path
            for path in definition.variables
            if "/".join(path.split("/")[:2]) in towers or path.startswith(SHARED)
            if path not in left_out
            if self.init_from is not None or path not in parameters or path in trained
        )

    def entries(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Its views of a batch, under the names that `embed` knows."""
        return {PREFIX + view: batch[view] for view in self._embeds}

    def arrays(
        self, towers: Mapping[str, jax.Array], copies: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        """What it embeds with, path -> array.

        Args:
          towers: all variables of the model.
          copies: its own.
        """
        found = {**towers, **copies}
        return found if self.adapters else without_updates(found)

    def embed(
        self, system: System, batch: Mapping[str, jax.Array], keys: jax.Array
    ) -> dict[str, Embedding]:
        """Embeds those of `entries` that are in the batch; `system` holds what `arrays` gives."""
        own = {
            name.removeprefix(PREFIX): value
            for name, value in batch.items()
            if name.startswith(PREFIX)
        }
        key = fold_in(keys, _OWN_KEY)
        outputs = system.embed(own, train=self.train, key=key, prompted=self.adapters)
        return {PREFIX + name: embedding for name, embedding in outputs.items()}

    @staticmethod
    def split(
        outputs: Mapping[str, Embedding],
    ) -> tuple[dict[str, Embedding], dict[str, Embedding]]:
        """Outputs of the towers by name, and those of the teacher, as constants, by view."""
        students = {name: e for name, e in outputs.items() if not name.startswith(PREFIX)}
        own = {
            name.removeprefix(PREFIX): jax.lax.stop_gradient(e)
            for name, e in outputs.items()
            if name.startswith(PREFIX)
        }
        return students, own

    def fuse(
        self,
        system: System,
        taught: Mapping[str, Embedding],
        batch: Mapping[str, jax.Array],
        keys: jax.Array,
    ) -> dict[str, Embedding]:
        """Those of its views that are fusions, as constants; `system` holds what `arrays` gives.

        Args:
          system: that computes them.
          taught: what `split` gives of the teacher.
          batch: for presence.
          keys: for dropout.
        """
        key = fold_in(keys, _OWN_KEY)
        found = system.fuse(taught, batch, names=self._inputs, train=self.train, key=key)
        return {name: jax.lax.stop_gradient(each) for name, each in found.items()}

    def embed_galleries(
        self,
        system: System,
        configs: Mapping[str, GalleryConfig],
        arrays: Mapping[str, jax.Array],
        mesh: jax.sharding.Mesh,
        key: jax.Array,
    ) -> dict[str, Embedding]:
        """Embeds its galleries, as constants, by name; `system` holds what `arrays` gives.

        Args:
          system: that embeds them.
          configs: galleries of the recipe.
          arrays: their inputs.
          mesh: of the devices.
          key: for dropout.
        """
        found = galleries.embed(
            system,
            configs,
            arrays,
            mesh,
            names=self.galleries,
            train=self.train,
            key=fold_in(key, _OWN_KEY),
            prompted=self.adapters,
        )
        return {name: jax.lax.stop_gradient(own.embedding) for name, own in found.items()}

    def like(
        self, outputs: Mapping[str, Embedding], known: Mapping[str, Gallery]
    ) -> dict[str, Embedding]:
        """What it would give if it were the towers whose outputs these are: the same shapes."""
        own = {view: outputs[view] for view in self.views}
        own |= {name: known[name].embedding for name in self.galleries}
        return {name: jax.lax.stop_gradient(each) for name, each in own.items()}

    def update(
        self, arrays: Mapping[str, jax.Array], towers: Mapping[str, jax.Array], progress: jax.Array
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """After an update of the towers: its new arrays, and metrics.

        Args:
          arrays: path -> array, its own.
          towers: path -> array, of the model after the update.
          progress: f32 scalar in [0, 1], the share of the training that is done.
        """
        raise NotImplementedError


class MomentumTeacher(Teacher):
    """A momentum teacher, an EMA of its towers: θ' <- m θ' + (1 - m) θ after each of their updates.

    Tarvainen and Valpola 2017 (arXiv 1703.01780, mean teacher); He et al. 2020 (arXiv 1911.05722,
    equation 2, the momentum encoder). Batch statistics follow likewise.

    Args:
      views: names of the batch that it embeds, such as `image@2`.
      momentum: m in [0, 1], a number or a schedule (see `mmjax.schema.schedule.Schedule`).
      train: whether it drops out, with draws of its own, and normalises by the batch, as towers do
        in training; otherwise it embeds as in evaluation.
      adapters: whether it has the adapters of the towers.
      galleries: those of `data.galleries` that it embeds, too.
    """

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...],
        momentum: ScheduledFraction = 0.99,
        train: bool = True,
        adapters: bool = True,
        galleries: tuple[GalleryRef, ...] = (),
    ):
        super().__init__(views, train, adapters, galleries)
        self.momentum = Schedule.of(momentum, "teacher.momentum")
        if not all(0 <= m <= 1 for m in (self.momentum.start, self.momentum.end)):
            raise ConfigError(f"teacher.momentum={momentum} has to be in [0, 1]")

    def update(
        self, arrays: Mapping[str, jax.Array], towers: Mapping[str, jax.Array], progress: jax.Array
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        momentum = self.momentum(progress)
        metrics = {} if self.momentum.constant else {"teacher/momentum": momentum}
        return moving_average(arrays, towers, momentum), metrics


class FrozenTeacher(Teacher):
    """A frozen teacher: a copy of the towers that never changes.

    Args:
      views: names of the batch that it embeds.
      init_from: folder of a run, an export or foreign weights, whatever `mmjax.load` reads, whose
        towers have the names and the shapes of the recipe's; None: the towers as they are at the
        start of the training, or of the stage.
      checkpoint: of a run in that folder: `latest`, `previous`, `best` or a step.
      train: whether it drops out and normalises as in training.
      adapters: whether it has the adapters of the towers; without them it is, where the towers are
        frozen, the model as it was before any adapter, and costs no memory.
      galleries: those of `data.galleries` that it embeds, too.
    """

    def __init__(
        self,
        *,
        views: tuple[ViewRef, ...],
        init_from: str | None = None,
        checkpoint: str = "latest",
        train: bool = False,
        adapters: bool = True,
        galleries: tuple[GalleryRef, ...] = (),
    ):
        super().__init__(views, train, adapters, galleries)
        self.init_from, self.checkpoint = init_from, checkpoint

    def update(
        self, arrays: Mapping[str, jax.Array], towers: Mapping[str, jax.Array], progress: jax.Array
    ) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        return dict(arrays), {}


TEACHERS = Registry("teacher", Teacher, {"ema": MomentumTeacher, "frozen": FrozenTeacher})


def moving_average(
    average: Mapping[str, jax.Array], values: Mapping[str, jax.Array], decay: jax.Array | float
) -> dict[str, jax.Array]:
    """decay * average + (1 - decay) * value for every path of `average`; a counter is copied."""
    return {
        path: old + (1 - decay) * (values[path] - old)
        if jnp.issubdtype(old.dtype, jnp.floating)
        else values[path]
        for path, old in average.items()
    }
