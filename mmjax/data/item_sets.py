"""The source `item_sets`: sets of another source's records, such as bundles of a catalogue."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from mmjax.data.formats.files import existing
from mmjax.data.records import Record, Source, SourceError, options
from mmjax.data.registry import SOURCES
from mmjax.schema.registry import Spec


class ItemSets(Source):
    """Sets of records of a catalogue, each as the array that the encoder `item_set` reads.

    `sets` is a file of pairs, a line each: the whole numbers of a set and of a member, with tabs,
    commas or spaces between them, as bundles, playlists and interactions of users are published;
    what else a line has is passed over, and so is a first line without numbers. A number of a
    member is the id of its record. A record of the set then has

    - `items` f32[k, D], of each member its `parts` side by side, zeros for one that it lacks, and
      1 + its place in the catalogue, in the order of the file;
    - the labels `set`, its number, and `members`, their places; and, where `wanted` is another such
      file, the label `wanted`, the places of the members that this has for the set.

    Without `sets` every record of the catalogue is a set by itself, whose id and label `item` are
    its place. The catalogue is read once, when the source is opened, and held in memory.

    Args:
      source: the catalogue.
      parts: names of its fields, vectors, in the order of the encoder's `parts`.
      sets: file of what is told of the sets.
      wanted: file of what is to be found for them. Sets that it lacks are left out.

    Raises:
      SourceError: for a field that the catalogue lacks or whose vectors differ in size, and for a
        file without pairs or with a member that the catalogue lacks.
    """

    modalities = ("items",)

    def __init__(
        self,
        *,
        source: Annotated[Spec[Source], SOURCES],
        parts: tuple[str, ...],
        sets: str | None = None,
        wanted: str | None = None,
    ):
        catalogue = source if isinstance(source, Source) else source.build()
        if unknown := [name for name in parts if name not in catalogue.modalities]:
            raise SourceError(
                f"item_sets: the catalogue has no field {unknown[0]!r}, only "
                f"{', '.join(map(repr, catalogue.modalities))}"
            )
        if wanted is not None and sets is None:
            raise SourceError("item_sets: 'wanted' is of sets: give 'sets', too")
        ids = [catalogue.id_of(row) for row in range(len(catalogue))]
        self.table = _table(catalogue, parts)
        self.said = f"{len(ids):,} items of {catalogue.describe()}"
        self.rows: list[dict[str, Any]]
        if sets is None:
            self.label_fields = ("item",)
            self.rows = [{"id": i, "members": np.array([i]), "item": i} for i in range(len(ids))]
        else:
            place = {number: row for row, number in enumerate(ids)}
            told = read_sets(sets, place)
            self.label_fields = ("set", "members")
            self.rows = [
                {"id": number, "set": number, "members": own} for number, own in told.items()
            ]
            if wanted is not None:
                self.label_fields = ("set", "members", "wanted")
                found = read_sets(wanted, place)
                self.rows = [{**r, "wanted": found[r["id"]]} for r in self.rows if r["id"] in found]
                if not self.rows:
                    raise SourceError(f"item_sets: {wanted} and {sets} have no set in common")
            self.said = f"{len(self.rows):,} sets of {self.said}"
        self.single = sets is None
        self._id_limit = max(row["id"] for row in self.rows) + 1

    def __len__(self) -> int:
        return len(self.rows)

    def id_of(self, index: int) -> int:
        return int(self.rows[index]["id"])

    def label_values(self, field: str) -> list[Any]:
        return [row[field] for row in self.rows]

    def __getitem__(self, index: int) -> Record:
        row = self.rows[index]
        record = {**row, "items": self.table[row["members"]]}
        if self.single:
            del record["members"]
        return {**record, "key": f"{'item' if self.single else 'set'} {row['id']}"}

    def describe(self) -> str:
        return self.said


def _table(catalogue: Source, parts: tuple[str, ...]) -> np.ndarray:
    """f32[n, D], the parts of every record and 1 + its place."""
    columns: dict[str, list[Any]] = {name: [] for name in parts}
    for row in range(len(catalogue)):
        record = catalogue[row]
        for name, own in columns.items():
            own.append(np.asarray(options(record[name])[0]) if name in record else None)
    found = []
    for name, own in columns.items():
        shapes = {each.shape for each in own if each is not None}
        if len(shapes) != 1 or len(*shapes) != 1:
            raise SourceError(
                f"item_sets: {name!r} should be vectors of one size, but their shapes are "
                f"{', '.join(sorted(str(list(shape)) for shape in shapes)) or 'none'}"
            )
        empty = np.zeros(shapes.pop(), np.float32)
        found.append(np.stack([empty if each is None else each for each in own]))
    number = 1 + np.arange(len(catalogue), dtype=np.float32)
    table: np.ndarray = np.concatenate([*found, number[:, None]], axis=1).astype(np.float32)
    return table


def read_sets(path: str, place: dict[int, int]) -> dict[int, np.ndarray]:
    """The places of the members of each set of a file of pairs, by the set's number.

    Args:
      path: of the file, see `ItemSets`.
      place: id of an item -> its place in the catalogue.
    """
    found: dict[int, list[int]] = {}
    with existing(path, "file of sets").open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            cells = line.replace(",", " ").split()
            try:
                own, member = int(cells[0]), int(cells[1])
            except (IndexError, ValueError) as error:
                if number == 1 or not cells:
                    continue
                raise SourceError(
                    f"item_sets: {path} line {number}: {line.strip()!r} should begin with two "
                    "whole numbers, of a set and of a member"
                ) from error
            if member not in place:
                raise SourceError(
                    f"item_sets: {path} line {number}: the catalogue has no item with the id "
                    f"{member}"
                )
            found.setdefault(own, []).append(place[member])
    if not found:
        raise SourceError(f"item_sets: {path} has no pairs of a set and a member")
    return {own: np.array(members) for own, members in found.items()}


SOURCES.register("item_sets", ItemSets)
