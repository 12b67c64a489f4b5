"""An index: embeddings of items of several modalities, as `mmjax.embed` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmjax import extras
from mmjax.data.formats.files import parts_of
from mmjax.errors import ConfigError, UserError
from mmjax.evaluators import neighbours
from mmjax.files import read_arrays, write_atomically

SUFFIXES = (".parquet", ".npz")
# A graph of HNSW: edges of an item, and how many candidates are kept while building and searching.
EDGES, BUILD, SEARCH = 32, 100, 128


class Hit(NamedTuple):
    """An item that was found.

    Attributes:
      score: its cosine with the query.
      row: of the index.
      item: its modality, key and id, its text where it has one, and its labels.
    """

    score: float
    row: int
    item: dict[str, Any]


class Index:
    """Items to search.

    Args:
      columns: `modality`, `key`, `id` and `embedding`, perhaps `text` and labels; N values each.
      name: of it, for messages.

    Attributes:
      embeddings: f32[N, D], unit rows.
      modalities: that items have, in the order of the file.
    """

    def __init__(self, columns: Mapping[str, Any], name: str = "the index"):
        self.name = name
        self._columns = {n: np.asarray(v) for n, v in columns.items() if n != "embedding"}
        sizes = {len(e) for e in columns["embedding"]}
        if len(sizes) != 1:
            found = f"embeddings of sizes {sorted(sizes)}" if sizes else "no items"
            raise ConfigError(f"{name} holds {found}: nothing can be searched in it")
        self.embeddings = np.ascontiguousarray(np.stack(list(columns["embedding"])), np.float32)
        self.modalities = tuple(dict.fromkeys(self._columns["modality"].tolist()))
        self._graph: Any = None
        self._gallery: tuple[bytes, np.ndarray, neighbours.Gallery] | None = None  # the last one

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(
        self, query: np.ndarray, k: int = 10, modalities: Sequence[str] = ()
    ) -> list[list[Hit]]:
        """The nearest items of each query, by cosine; exact, unless a graph was made or read.

        Args:
          query: f32[Q, D], unit rows.
          k: how many; fewer where there are fewer.
          modalities: of the items to search among; all of them by default.

        Raises:
          ConfigError: for embeddings of another size, or a modality that no item has.
        """
        if query.shape[1] != self.embeddings.shape[1]:
            raise ConfigError(
                f"the query has {query.shape[1]} numbers and {self.name} holds embeddings of "
                f"{self.embeddings.shape[1]}: was it made by another model?"
            )
        for name in modalities:
            if name not in self.modalities:
                raise ConfigError(
                    f"{self.name} has no items of {name!r}, only of {', '.join(self.modalities)}"
                )
        among = set(modalities or self.modalities) != set(self.modalities)
        rows = np.isin(self._columns["modality"], list(modalities)) if among else None
        if self._graph is not None:
            found = self._approximate(query, k, rows)
        else:
            found = self._exact(query, k, rows)
        return [
            [Hit(float(s), int(i), self.item(int(i))) for s, i in zip(*both, strict=True) if i >= 0]
            for both in zip(*found, strict=True)
        ]

    def item(self, row: int) -> dict[str, Any]:
        """What is known of an item but its embedding; empty texts and labels are left out."""
        found = {name: values[row].item() for name, values in self._columns.items()}
        return {name: value for name, value in found.items() if value != ""}

    def approximate(self, file: Path | None = None) -> str:
        """Makes `search` approximate: by a graph of near items (HNSW), of the library faiss.

        Malkov and Yashunin 2016, arXiv 1603.09320.

        Args:
          file: of the graph. One that is there and of these embeddings is read, another is made
            anew and written.

        Returns:
          What was done, in words.

        Raises:
          MissingExtra: without faiss.
        """
        faiss = extras.needs("faiss", "faiss", "an approximate search", "or search exactly")
        if file is not None and file.is_file():
            try:
                self._graph = faiss.read_index(str(file))
            except RuntimeError as error:
                raise UserError(
                    f"{file} is no graph of faiss, or damaged: remove it ({error})"
                ) from error
            if self._is_of_these(self._graph):
                return f"graph read from {file}"
        size = self.embeddings.shape[1]
        self._graph = faiss.IndexHNSWFlat(size, EDGES, faiss.METRIC_INNER_PRODUCT)
        self._graph.hnsw.efConstruction = BUILD
        self._graph.add(self.embeddings)
        if file is None:
            return "graph made"
        part = file.with_name(f"{file.name}.part")
        faiss.write_index(self._graph, str(part))
        part.replace(file)
        return f"graph made and written to {file}"

    def _is_of_these(self, graph: Any) -> bool:
        """Whether a graph holds these embeddings, all of which it has a copy of."""
        if (graph.ntotal, graph.d) != self.embeddings.shape:
            return False
        return bool(np.array_equal(graph.reconstruct_n(0, graph.ntotal), self.embeddings))

    def _exact(self, query: np.ndarray, k: int, rows: np.ndarray | None) -> neighbours.Found:
        among = b"" if rows is None else rows.tobytes()
        if self._gallery is None or self._gallery[0] != among:
            kept = np.arange(len(self)) if rows is None else np.flatnonzero(rows)
            part = self.embeddings if rows is None else self.embeddings[kept]
            self._gallery = among, kept, neighbours.Gallery(part)
        _, kept, gallery = self._gallery
        scores, places = gallery.nearest(query, k)
        return neighbours.Found(scores, kept[places])

    def _approximate(self, query: np.ndarray, k: int, rows: np.ndarray | None) -> neighbours.Found:
        import faiss

        options: dict[str, Any] = {"efSearch": max(SEARCH, k)}
        if rows is not None:
            options["sel"] = faiss.IDSelectorBatch(np.flatnonzero(rows))
        k = min(k, len(self) if rows is None else int(rows.sum()))
        scores, places = self._graph.search(
            np.ascontiguousarray(query, np.float32), k, params=faiss.SearchParametersHNSW(**options)
        )
        return neighbours.Found(scores, places)


def read(path: str | Path) -> dict[str, Any]:
    """The columns of a file of `mmjax.embed`, or of all parts that a pattern `pairs-*.npz` finds.

    Raises:
      ConfigError: for a file that is none.
      SourceError: for a pattern that finds none, or not all parts.
      MissingExtra: for parquet without pyarrow.
    """
    tables = [_read(Path(file)) for file in parts_of(str(path), "index")]
    if len({frozenset(table) for table in tables}) > 1:
        raise ConfigError(f"the files of {path} do not have the same columns")
    if len(tables) == 1:
        return tables[0]
    return {name: [v for table in tables for v in table[name]] for name in tables[0]}


def _read(file: Path) -> dict[str, Any]:
    if file.suffix not in SUFFIXES:
        raise ConfigError(f"{file} is no index: give a file that `mmjax embed` has written")
    if not file.is_file():
        raise ConfigError(f"there is no file {file}")
    if file.suffix == ".parquet":
        pyarrow = extras.needs("pyarrow.parquet", "parquet", f"reading {file.name}")
        found = pyarrow.read_table(file).to_pydict()
    else:
        found = read_arrays(file)
    missing = [name for name in ("modality", "key", "id", "embedding") if name not in found]
    if missing:
        raise ConfigError(
            f"{file} has no column {', '.join(missing)}: give a file that mmjax.embed has written"
        )
    return dict(found)


def card(path: str | Path) -> Path:
    """The file beside an index that says which model embedded it."""
    return Path(f"{path}.json")


def write_card(path: Path, model: str, checkpoint: str, layer: str = "unit") -> None:
    """Writes what embedded an index: the model as it was named, folders by their whole path."""
    folder = Path(model).expanduser()
    word = str(folder.resolve()) if folder.is_dir() else model
    found = {"model": word, "checkpoint": checkpoint, "layer": layer}
    write_atomically(card(path), json.dumps(found) + "\n")


def read_card(path: str | Path) -> dict[str, str]:
    """What `write_card` wrote of an index, of the first of several parts; empty without a file."""
    file = card(parts_of(str(path), "index")[0])
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in ("model", "checkpoint", "layer")}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is damaged: remove it and give --model") from error
