"""The sections of a recipe: frozen dataclasses whose fields are its keys."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from mmjax.data.config import DataConfig
from mmjax.evaluators import EvaluatorConfig, EvaluatorTable
from mmjax.model.config import ModelConfig
from mmjax.model.outputs import Output, by_output, fused, outputs, with_fused
from mmjax.objectives import ObjectiveConfig
from mmjax.schema.annotations import Pattern
from mmjax.schema.bounds import (
    BelowOne,
    Bounds,
    Count,
    Fraction,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Seed,
)
from mmjax.schema.names import ModuleName, PartName
from mmjax.schema.registry import Spec
from mmjax.schema.sections import section
from mmjax.schema.values import plain
from mmjax.system.queue import QueueConfig
from mmjax.system.teachers import TEACHERS, Teacher


@dataclasses.dataclass(frozen=True)
class PairwiseConfig:
    """How losses over pairs are computed; every choice gives the same result.

    Attributes:
      schedule: of the tiles; see `mmjax.parallel.pairwise`.
      tile: rows and columns of a tile; None takes the engine's default.
    """

    schedule: Literal["auto", "dense", "gather", "ring"] = "auto"
    tile: Count | None = None


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer, schedule and per-parameter rules; see `mmjax.train.optimizer`.

    Attributes:
      learning_rate: the peak.
      type: which optimizer.
      b1: decay of the first moment; for `sgd` and `lars` the momentum.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      weight_decay: times the learning rate; decoupled, but for `sgd` and `lars` part of the
        gradient.
      schedule: of the learning rate after the warm-up.
      warmup_steps: of a linear warm-up.
      final_fraction: where the decay ends, at step `steps`, as a share of the peak.
      clip_norm: global norm to which the gradient is clipped.
      learning_rate_rules: table of (regular expression over the whole parameter path, factor), the
        first match wins. A tuple has a factor for each of the blocks that a transformer stacks, of
        which 0 leaves one as it is.
      weight_decay_rules: the same for the decay. By default only kernels of linear layers and
        convolutions decay: not biases, norms, embeddings, scales.
      turns: groups of regular expressions: updates in turn, each with moments and a schedule of its
        own, which leaves the parameters of the other groups as they are and trains what no group
        names.
      keep_idle: leave a parameter whose gradient is 0 in a step as it is, with its moments and
        without decay: towers, skills and terms whose modality no row of a batch has.
      freeze: parameters that match are constants without optimizer state; those of adapters never
        do.
    """

    learning_rate: NonNegative
    type: Literal["adamw", "lamb", "lars", "lion", "sgd"] = "adamw"
    b1: BelowOne = 0.9
    b2: BelowOne = 0.999
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup_steps: NonNegativeInt = 0
    final_fraction: Fraction = 0.0
    clip_norm: Positive | None = None
    learning_rate_rules: tuple[tuple[Pattern, NonNegative | tuple[NonNegative, ...]], ...] = ()
    weight_decay_rules: tuple[tuple[Pattern, NonNegative], ...] = (
        (r".*/kernel", 1.0),
        (r".*", 0.0),
    )
    turns: tuple[tuple[Pattern, ...], ...] = ()
    keep_idle: bool = False
    freeze: tuple[Pattern, ...] = ()


# How a parameter lies: whole, split at its largest axis from a number on, or axis by axis.
LayoutRule = (
    Literal["replicate"]
    | tuple[Literal["fsdp"], NonNegativeInt]
    | tuple[str | tuple[str, ...] | None, ...]
)

_AxisSize = Annotated[int, Bounds(ge=-1, le=2**24)]


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Sizes of the device axes; one of them may be -1, for the rest of the devices.

    Attributes:
      data, fsdp, tensor: the sizes.
      rules: table of (regular expression, rule) tried before the defaults of
        `mmjax.parallel.layout`.
      fsdp_min_size: smaller parameters are replicated.
    """

    data: _AxisSize = -1
    fsdp: _AxisSize = 1
    tensor: _AxisSize = 1
    rules: tuple[tuple[Pattern, LayoutRule], ...] = ()
    fsdp_min_size: NonNegativeInt = 4096

    @property
    def shape(self) -> tuple[int, int, int]:
        """The sizes in the order of `mmjax.parallel.mesh.AXES`."""
        return self.data, self.fsdp, self.tensor


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """When to save and what to keep.

    Attributes:
      every: steps.
      keep_last: the newest.
      keep_best: by `metric`, besides.
      metric: name of an evaluation metric.
      mode: whether more of it is better.
      asynchronous: write in the background.
    """

    every: NonNegativeInt = 1000
    keep_last: PositiveInt = 2
    keep_best: NonNegativeInt = 0
    metric: str | None = None
    mode: Literal["max", "min"] = "max"
    asynchronous: bool = True


@dataclasses.dataclass(frozen=True)
class UntilConfig:
    """When a stage ends before its last step: once a metric has moved too far from its beginning.

    The metric is measured before the stage's first step, m_0, and at each of its evaluations, m_k.
    The stage ends at the first of them with |m_k - m_0| > change max(|m_0|, floor).

    Attributes:
      metric: name of an evaluation metric of the stage, which needs `evaluate_every`.
      change: relative to m_0; .1 is a tenth.
      floor: a smaller |m_0| counts as this: near zero a relative change says nothing.
      min_checks: the stage does not end at an evaluation before that one.
    """

    metric: str
    change: Positive
    floor: NonNegative = 0.0
    min_checks: Count = 1


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage of a recipe; see `mmjax.recipe.stages`.

    Attributes:
      name: None where the recipe has no stages.
      fresh: regular expressions over parameter paths: what matches is reinitialized, all else
        continues from the stage before.
      scale: table of (regular expression, factor), the first match wins: the rest is multiplied
        by it, as where a scale of cosines is folded into the towers.
      keep_optimizer: keep the moments of the stage before.
      until: when it ends before it has made its `steps`, from which the next stage counts on.
      changes: what the stage changes of the recipe, nested as the recipe is.
    """

    name: str | None
    fresh: tuple[Pattern, ...] = ()
    scale: tuple[tuple[Pattern, float], ...] = ()
    keep_optimizer: bool = False
    until: UntilConfig | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe: its own keys and its changes side by side."""
        own = {key: plain(getattr(self, key)) for key in OF_A_STAGE}
        return {**plain(self.changes), **own}


OF_A_STAGE = ("name", "fresh", "scale", "keep_optimizer", "until")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A whole recipe: everything that determines a run.

    Attributes:
      recipe, variant: its name, and which variant.
      paper: as a reader would cite it.
      steps: of training; 0: nothing trains, and what is there is evaluated.
      data: where batches come from.
      model: the towers.
      objectives: the terms of the loss, by name; none are needed with `steps=0`.
      optimizer: how parameters are updated; None with `steps=0`.
      teacher: a copy of towers that embeds views without a gradient, or None.
      queue: embeddings of past batches as further columns, or None.
      seed: of parameters, order and augmentation.
      microbatches: slices of the batch through the encoders; exact.
      pairwise: how losses over pairs are computed.
      mesh: sizes of the device axes.
      checkpoints: when to save and what to keep.
      log_every: steps between lines of the log.
      evaluate_every: steps between evaluations; 0: only at the end.
      evaluate_at_start: evaluate before the first step, too: `start/...` in the summary.
      evaluators: {type: {name: evaluator}}.
      stages: phases that change some keys, one after the other.
      imports: modules, or Python files, that register words of their own when they are imported.
    """

    recipe: PartName
    variant: str
    paper: str
    steps: NonNegativeInt
    data: DataConfig
    model: ModelConfig
    objectives: dict[ModuleName, ObjectiveConfig] = dataclasses.field(default_factory=dict)
    optimizer: OptimizerConfig | None = None
    teacher: Annotated[Spec[Teacher], TEACHERS] | None = None
    queue: QueueConfig | None = None
    seed: Seed = 0
    microbatches: Count = 1
    pairwise: PairwiseConfig = dataclasses.field(default_factory=PairwiseConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    checkpoints: CheckpointConfig = dataclasses.field(default_factory=CheckpointConfig)
    log_every: NonNegativeInt = 50
    evaluate_every: NonNegativeInt = 0
    evaluate_at_start: bool = False
    evaluators: Annotated[dict[str, dict[str, EvaluatorConfig]], EvaluatorTable()] = (
        dataclasses.field(default_factory=dict)
    )
    stages: tuple[StageConfig, ...] = ()
    imports: tuple[str, ...] = ()

    @classmethod
    def of(cls, tree: Any, file: str) -> "Recipe":
        """A recipe without stages from plain keys; shorthands are for `recipe.complete`.

        Args:
          tree: its keys.
          file: of the recipe, for messages.

        Raises:
          ConfigError: with the key, and the nearest valid one.
        """
        recipe: Recipe = section(cls, {**tree, "stages": ()}, "", file)
        return recipe

    def plain(self) -> dict[str, Any]:
        """The recipe as plain dicts, tuples and scalars, whole."""
        found = {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        if not self.imports:
            del found["imports"]
        return found

    @functools.cached_property
    def outputs(self) -> dict[str, Output]:
        """What terms, teacher, queue and evaluators name, see `mmjax.model.outputs`."""
        return outputs(self.model.towers, self.data.views)

    @functools.cached_property
    def fused(self) -> dict[str, tuple[str, ...]]:
        """Further such names: the outputs of fusions, each with its inputs."""
        return fused(self.model.fusions)

    def views_of_outputs(self, views: Mapping[str, Any]) -> dict[str, Any]:
        """Views by the names of outputs, those of fusions among them."""
        return with_fused(self.fused, by_output(self.outputs, views))

    @property
    def embedded(self) -> dict[str, bool]:
        """Every name that has an embedding, and whether batches of training have it."""
        own = {name: each.train for name, each in self.outputs.items() if each.tower is not None}
        return own | {
            name: all(own.get(each, False) for each in inputs)
            for name, inputs in self.fused.items()
        }

    def each_evaluator(self) -> Iterator[tuple[str, str, EvaluatorConfig]]:
        """(type, name, evaluator) of every evaluator."""
        for kind, named in self.evaluators.items():
            for name, config in named.items():
                yield kind, name, config
