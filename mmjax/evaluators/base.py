"""The base class of evaluators, and the section of a recipe that names one."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmjax.data.records import Source
from mmjax.data.registry import SOURCES
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData, Model
from mmjax.schema.registry import Registry, Spec


class Evaluator:
    """Metrics of a trained model on a source: `evaluator(model, data, mesh) -> {metric: value}`.

    It is streamed: no N x N array ever exists.

    Attributes:
      further: names of sources that it needs beside `source`, such as `train`, what a probe is
        fitted on; the call gets each as an EvalData of that name.
      least_records: of `source`; fewer are an error before a run begins.
      pair: two modalities whose embeddings the report shows side by side; None leaves the choice.
      classes_by: a label that makes records right answers of each other in the report's galleries.
    """

    further: ClassVar[tuple[str, ...]] = ()
    least_records: ClassVar[int] = 1
    pair: tuple[str, str] | None = None
    classes_by: str | None = None

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

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *_: Any, **further: Any
    ) -> dict[str, float]:
        """The metrics of a model.

        Args:
          model: what embeds.
          data: the source and the views of its fields.
          mesh: of devices, for an evaluator that computes on all of them.
          further: the sources that `further` names.
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

    def reads(self, to: str = "view") -> Iterator[tuple[str, str]]:
        """(path of the key, name) of every modality, or label, that it asks for."""
        return self.evaluator.reads(to)


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
    names = ("source", *word.further)
    for name in names:
        if name not in spec:
            raise ConfigError(f"{file}: {where!r} misses the key {name!r}")
    sources = {name: SOURCES.parse(spec[name], f"{where}.{name}", file) for name in names}
    rest = {key: value for key, value in spec.items() if key not in names}
    return EvaluatorConfig(registry.parse(rest, where, file, names), sources)
