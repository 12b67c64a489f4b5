"""Galleries: inputs that are no rows of the batch, such as all class names, or a catalogue.

    "galleries": {"classes": {"source": {"like": "data.source"}, "view": "text@name",
                              "by": "label", "size": 20, "template": "a photo of a {}"}}

under `data`. Its inputs are read once, when a stage begins, and go to the step beside every batch;
the towers embed them anew in every step, with a gradient, and terms read what they make of them as
`context.galleries`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from mmjax.data.records import BadExample, Source
from mmjax.data.registry import SOURCES
from mmjax.data.views import View, field_of, render
from mmjax.errors import ConfigError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count
from mmjax.schema.registry import Spec
from mmjax.text import is_template

# Of the names under which a step gets galleries beside the views of a batch.
PREFIX = "gallery/"


@dataclasses.dataclass(frozen=True)
class GalleryConfig:
    """A gallery of a recipe.

    Attributes:
      source: whose records are its entries.
      view: of `data.views`, by the tower of its name, that the entries go through, as in
        evaluation: nothing is drawn at random.
      size: number of its entries, which the source has to have.
      by: a view of a label: then the first record of each of the label's values is an entry, with
        the value as its id; records without the label or the field of `view` are passed over. None
        makes every record an entry, with its own id.
      template: for texts, what is said of one, with a `{}` in its place.
      weight: a field of its records with a number at least 0, such as how often a word occurs, for
        terms that weight the entries; None where there is none.
    """

    source: Annotated[Spec[Source], SOURCES]
    view: ViewRef
    size: Count
    by: LabelRef | None = None
    template: str = "{}"
    weight: str | None = None

    def read(
        self, views: Mapping[str, View], where: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Its inputs [size, ...], ids i32[size] and weights f32[size], in the order of the ids.

        Args:
          views: of the recipe, by name.
          where: path of the gallery in the recipe, for messages.

        Raises:
          ConfigError: when the source has other than `size` entries, or lacks a field.
          BadExample: for an entry that cannot be read.
        """
        source, view = self.source.build(), views[self.view]
        fields = {name: self._field(name, views, source, where) for name in self._names}
        found: dict[int, np.ndarray] = {}
        weights: dict[int, float] = {}
        for index in range(len(source)):
            try:
                record = source[index]
                number, value = self._entry(record, views, fields)
            except BadExample:
                if self.by is None:
                    raise
                continue
            if value is not None and number not in found:
                found[number] = value
                weights[number] = self._weight(record, where)
        if len(found) != self.size:
            kind = "records" if self.by is None else f"values of {self.by!r}"
            raise ConfigError(
                f"'{where}.size' is {self.size}, but its source has {len(found)} {kind}: set it to "
                f"{len(found)}"
            )
        numbers = sorted(found)
        inputs = np.stack([found[number] for number in numbers]).astype(view.dtype)
        ids = np.array(numbers, np.int32)
        if self.weight is None:
            return inputs, ids, None
        return inputs, ids, np.array([weights[number] for number in numbers], np.float32)

    def _weight(self, record: Mapping[str, Any], where: str) -> float:
        """What a record says of its weight; 1 where that is not asked for."""
        value = 1.0 if self.weight is None else record.get(self.weight)
        if not isinstance(value, int | float | np.number) or not 0 <= value < float("inf"):
            raise ConfigError(
                f"'{where}.weight': {record['key']} has {value!r} as its {self.weight!r}, which "
                "should be a number at least 0"
            )
        return float(value)

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.view,) if self.by is None else (self.view, self.by)

    def _field(self, name: str, views: Mapping[str, View], source: Source, where: str) -> str:
        field = field_of(name, views[name], source.readable)
        if field not in source.readable:
            raise ConfigError(
                f"'{where}.source' has no field {field!r}, which the view {name!r} reads: it has "
                f"{', '.join(map(repr, source.readable))}"
            )
        return field

    def _entry(
        self, record: dict[str, Any], views: Mapping[str, View], fields: Mapping[str, str]
    ) -> tuple[int, np.ndarray | None]:
        """The id of a record's entry, and its input; None where the record is none."""
        number, field = record["id"], fields[self.view]
        if self.by is not None:
            label = render(views[self.by], record, fields[self.by], None, False)
            if label is None or field not in record:
                return 0, None
            number = int(label)
        elif field not in record:
            raise BadExample(record["key"], field, "the record lacks it")
        value = record[field]
        if isinstance(value, list | tuple) and value:
            value = value[0]
        if isinstance(value, str):
            value = self.template.format(value)
        return number, render(views[self.view], {**record, field: value}, field, None, False)

    def check(self, views: Mapping[str, Any], where: str) -> None:
        """Checks what needs no data.

        Args:
          views: of the recipe, by name.
          where: path of the gallery, for messages.

        Raises:
          ConfigError: for a name that is no view's, and for a template without a place.
        """
        for key, name in (("view", self.view), ("by", self.by)):
            if name is not None and name not in views:
                raise ConfigError(
                    f"'{where}.{key}' is {name!r}, which 'data.views' lacks; it has "
                    f"{', '.join(map(repr, sorted(views)))}"
                )
        if not is_template(self.template):
            raise ConfigError(
                f"'{where}.template' is {self.template!r}, but should have exactly one {{}}, for "
                "the text of an entry"
            )


def inputs_of(name: str) -> str:
    """The name of a gallery's inputs beside a batch."""
    return PREFIX + name


def ids_of(name: str) -> str:
    """The name of the ids of its entries there."""
    return f"{PREFIX}{name}/id"


def weights_of(name: str) -> str:
    """The name of the weights of its entries there, where it has any."""
    return f"{PREFIX}{name}/weight"
