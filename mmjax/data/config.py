"""The section `data` of a recipe: where examples come from and how they become a batch."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from mmjax.data.records import Source
from mmjax.data.registry import SOURCES, TOKENIZERS, VIEWS
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views import View
from mmjax.errors import ConfigError
from mmjax.schema.bounds import BelowOne, Bounds, Count, Positive
from mmjax.schema.registry import Spec
from mmjax.schema.sections import match, section_of


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Several sources, each with its weight.

    Attributes:
      sources: by name.
      weights: by the same names; the rows of a batch are in these proportions.
    """

    sources: dict[str, Spec[Source]]
    weights: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe: {name: the source's spec with `weight`}."""
        return {
            name: {**source.plain(), "weight": self.weights[name]}
            for name, source in self.sources.items()
        }


class _OneOrMixture:
    """Reads `data.source`: a spec, or {name: spec with `weight`}."""

    def parse(self, value: Any, where: str, file: str) -> Spec[Source] | Mixture:
        if isinstance(value, Spec | Mixture):
            value = value.plain()
        if "type" in section_of(value, where, file):
            return SOURCES.parse(value, where, file)
        if not value:
            raise ConfigError(f"{file}: {where!r} is empty: name a source, by its 'type'")
        sources, weights = {}, {}
        for name, part in value.items():
            own = dict(section_of(part, f"{where}.{name}", file))
            given = {"weight": own.pop("weight")} if "weight" in own else {}
            fields = {"weight": (Positive, 1.0)}
            weights[name] = match(fields, given, f"{where}.{name}", file)["weight"]
            sources[name] = SOURCES.parse(own, f"{where}.{name}", file, fields)
        return Mixture(sources, weights)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where examples come from and how they become a batch.

    Attributes:
      source: one source, or a mixture.
      views: name of an array of the batch, a modality or `modality@2`, -> view.
      batch_size: global, over all processes and devices.
      tokenizer: for the text views.
      workers: processes that decode and augment; 0 means threads of this process.
      prefetch: batches made ahead.
      mix: of a mixture, each batch has rows of all sources, or is of one, source after source.
      on_error: what an unreadable example does; it is reported.
      max_bad_fraction: with on_error='skip', the run ends when more of the rows are bad: of those
        that a source lists, of those read so far (from 500 on, or a pass over a smaller set), and
        of each 10,000 read; and when a whole batch is.
    """

    source: Annotated[Spec[Source] | Mixture, _OneOrMixture()]
    views: dict[str, Annotated[Spec[View], VIEWS]]
    batch_size: Count
    tokenizer: Annotated[Spec[Tokenizer], TOKENIZERS] | None = None
    workers: Annotated[int, Bounds(ge=0, le=1024)] = 0
    prefetch: Annotated[int, Bounds(ge=1, le=1024)] = 4
    mix: Literal["rows", "batches"] = "rows"
    on_error: Literal["skip", "fail"] = "skip"
    max_bad_fraction: BelowOne = 0.1

    @property
    def sources(self) -> Mapping[str, Spec[Source]]:
        """The sources by name; one alone has that of its type."""
        if isinstance(self.source, Mixture):
            return self.source.sources
        return {self.source.type: self.source}

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each of `sources`."""
        if isinstance(self.source, Mixture):
            return self.source.weights
        return {self.source.type: 1.0}
