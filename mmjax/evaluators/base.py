"""The base class of evaluators, and the section of a recipe that names one."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from mmjax.data.records import Source
from mmjax.data.registry import SOURCES
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData, Model
from mmjax.evaluators.looks import Look
from mmjax.schema.registry import Registry, Spec


class Evaluator:
    """Metrics of a trained model on a source: `evaluator(model, data, mesh) -> {metric: value}`.

    It is streamed: no N x N array ever exists.

    Attributes:
      further: names of sources that it needs beside `source`, such as `train`, what a probe is
        fitted on; the call gets each as an EvalData of that name.
      optional: those that a recipe may leave out, such as a `gallery`; the call then lacks them.
      least_records: of `source`; fewer are an error before a run begins.
      pair: two modalities whose embeddings the report shows side by side; None leaves the choice.
      classes_by: a label that makes records right answers of each other in the report's galleries.
    """

    further: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    least_records: ClassVar[int] = 1
    pair: tuple[str, str] | None = None
    classes_by: str | None = None

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options whose modalities and labels a source has to have; by default all.

        Args:
          source: `source`, or one of the further ones that the recipe has.
          options: of the evaluator.

        Returns:
          Some of the options, or parts of their values.
        """
        return options

    @classmethod
    def asks_beside(
        cls, source: str, options: Mapping[str, Any], sources: Collection[str]
    ) -> Mapping[str, Any]:
        """The same where it matters which sources there are; by default it does not.

        Args:
          source, options: as of `asks`.
          sources: names of all that the recipe has.
        """
        return cls.asks(source, options)

    def of_run(self, folder: Path, name: str, stages: Sequence[str | None]) -> None:
        """Says of which run this is, before the first call; by default that does not matter.

        Args:
          folder: of the run.
          name: of the evaluator in the recipe.
          stages: names of the stages up to this one.
        """

    def check(self, data: EvalData) -> None:
        """Says before a run what its source lacks, of what no annotation of an option says it.

        Raises:
          EvaluationError: with the option to change.
        """

    def look(self, model: Model, data: EvalData) -> Look | None:
        """What a person would like to see of a few examples, for the report; by default nothing.

        In a run of several processes every one calls it.

        Args:
          model: what embeds.
          data: the source and the views of its fields.
        """
        return None

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *_: Any, **further: Any
    ) -> dict[str, float]:
        """The metrics of a model.

        Args:
          model: what embeds.
          data: the source and the views of its fields.
          mesh: of devices, for an evaluator that computes on all of them.
          further: the sources that `further` and `optional` name.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class EvaluatorConfig:
    """One evaluator of a recipe.

    Attributes:
      evaluator: the word and its options.
      sources: `source`, what it measures, and the further sources of the word, by name.
    """

    evaluator: Spec[Evaluator]
    sources: dict[str, Spec[Source]]

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe: options and sources side by side, without the type."""
        own = self.evaluator.plain()
        del own["type"]
        return own | {name: source.plain() for name, source in self.sources.items()}

    def reads(self, to: str = "view", source: str | None = None) -> Iterator[tuple[str, str]]:
        """(path of the key, name) of every modality, or label, that it asks for.

        Args:
          to: `view` or `label`.
          source: the name of one; None means all that it asks for anywhere.
        """
        if source is None:
            return self.evaluator.reads(to)
        word = cast("type[Evaluator]", self.evaluator.word)
        asked = word.asks_beside(source, self.evaluator.options, self.sources)
        return self.evaluator.reads(to, asked)


def parse(
    word: type[Evaluator],
    spec: Mapping[str, Any],
    registry: Registry[Evaluator],
    where: str,
    file: str,
) -> EvaluatorConfig:
    """An evaluator of a recipe, from its dict of options and sources.

    Args:
      word: its class.
      spec: of the recipe, with the `type` that names the class.
      registry: of evaluators.
      where: path in the recipe.
      file: of the recipe.
    """
    needed = ("source", *word.further)
    names = (*needed, *(name for name in word.optional if spec.get(name) is not None))
    for name in needed:
        if name not in spec:
            raise ConfigError(f"{file}: {where!r} misses the key {name!r}")
    sources = {name: SOURCES.parse(spec[name], f"{where}.{name}", file) for name in names}
    every = (*needed, *word.optional)
    rest = {key: value for key, value in spec.items() if key not in every}
    return EvaluatorConfig(registry.parse(rest, where, file, every), sources)
