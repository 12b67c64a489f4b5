"""The section `data` of a recipe: where examples come from and how they become a batch."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from mmjax.data.galleries import GalleryConfig
from mmjax.data.groups import GroupsConfig
from mmjax.data.match import MatchConfig
from mmjax.data.mixing import MixConfig
from mmjax.data.records import Source
from mmjax.data.registry import SOURCES, TOKENIZERS, VIEWS
from mmjax.data.tokenizers import Tokenizer
from mmjax.data.views import View
from mmjax.errors import ConfigError
from mmjax.schema.bounds import BelowOne, Bounds, Count, Positive
from mmjax.schema.names import PartName, modality_of
from mmjax.schema.registry import Spec
from mmjax.schema.sections import section_of


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


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """One view of a recipe: a word of `VIEWS` with its options, and beside them

    Attributes:
      view: the word and its options.
      field: of a record that it reads; what stands before `@` in the view's name where None.
      tower: whether towers embed it; False for what only terms read, such as boxes.
      train: whether batches of training hold it; with False it is for evaluation and exports, and
        a tower that embeds no other view is a constant.
    """

    view: Spec[View]
    field: str | None = None
    tower: bool = True
    train: bool = True

    @classmethod
    def parse(cls, value: Any, where: str, file: str) -> "ViewConfig":
        """From the dict of a recipe, where all stands side by side."""
        view, beside = VIEWS.parse_with(_BESIDE_VIEWS, value, where, file)
        return cls(view, **beside)

    def plain(self) -> dict[str, Any]:
        """As plain values of a recipe, with all options."""
        own = {key: getattr(self, key) for key in _BESIDE_VIEWS}
        return {**self.view.plain(), **own}

    @property
    def embedded(self) -> bool:
        """Whether towers embed it."""
        return self.tower and cast("type[View]", self.view.word).embedded

    def reads(self, name: str) -> str:
        """The field that it says or that its name says, by which rows have it or not."""
        return self.field or modality_of(name)

    @property
    def options(self) -> Mapping[str, Any]:
        """Those of the word."""
        return self.view.options

    def build(self, tokenizer: Tokenizer | None = None) -> View:
        """The view; which field it reads, its name says unless `field` does."""
        view = self.view.build(tokenizer=tokenizer)
        view.field = self.field or ""
        return view


_BESIDE_VIEWS = {"field": (str | None, None), "tower": (bool, True), "train": (bool, True)}


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
            sources[name], beside = SOURCES.parse_with(
                {"weight": (Positive, 1.0)}, part, f"{where}.{name}", file
            )
            weights[name] = beside["weight"]
        return Mixture(sources, weights)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where examples come from and how they become a batch.

    Attributes:
      source: one source, or a mixture.
      views: name of an array of the batch, a modality or `modality@2`, -> view.
      batch_size: global, over all processes and devices.
      galleries: inputs for terms that are no rows of the batch, by name.
      groups: which rows lie side by side in a batch; None shuffles single rows.
      match: of which views a stage keeps only the alternatives that fit another view best.
      mix_inputs: which inputs training mixes with those of other rows, by the name of a view.
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
    views: dict[str, ViewConfig]
    batch_size: Count
    galleries: dict[PartName, GalleryConfig] = dataclasses.field(default_factory=dict)
    groups: GroupsConfig | None = None
    match: dict[str, MatchConfig] = dataclasses.field(default_factory=dict)
    mix_inputs: dict[str, MixConfig] = dataclasses.field(default_factory=dict)
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
