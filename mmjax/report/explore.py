"""The page to explore embeddings: one self-contained file that works without network.

Every item is a point of the plane; a click shows its nearest neighbours in every modality, and a
search finds items by their names. All numbers are computed here, among the items that are shown.
"""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from mmjax.evaluators.data import Embedded
from mmjax.files import write_atomically
from mmjax.report.gather import principal_plane
from mmjax.report.page import environment
from mmjax.report.thumbnails import Thumbnails

MOST = 5000  # items of a page
NEIGHBOURS = 8  # of an item in each modality
PICTURE_SIDE = 64  # pixels: thousands of them are in one file
_BLOCK = 1024  # rows of cosines at once


@dataclass(frozen=True)
class Items:
    """What a page shows: N items of one or more modalities in one space.

    Attributes:
      modalities: their names.
      modality: i64[N], which of them an item is of.
      unit: f32[N, D], unit rows.
      ids: i64[N]; items with equal ids belong together.
      shown: how each is shown: `key`, with `text` or `picture`, a number of `pictures`.
      pictures: encoded images.
    """

    modalities: tuple[str, ...]
    modality: np.ndarray
    unit: np.ndarray
    ids: np.ndarray
    shown: Sequence[Mapping[str, Any]]
    pictures: Sequence[bytes] = field(default=())

    def __len__(self) -> int:
        return len(self.unit)


def of_embedded(embedded: Mapping[str, Embedded], most: int = MOST, seed: int = 0) -> Items:
    """Items of the same records in all modalities; where there are too many, drawn at random.

    Args:
      embedded: modality -> its items, whose embeddings have one size.
      most: items.
      seed: of the draw.
    """
    rows = np.unique(np.concatenate([each.rows for each in embedded.values()]))
    rows = np.random.default_rng(seed).permutation(rows)
    total = {int(row): 0 for row in rows}
    for each in embedded.values():
        for row in each.rows:
            total[int(row)] += 1
    # Whole records, as many as there is room for, and one at least.
    count = np.cumsum([total[int(row)] for row in rows])
    kept = rows[: max(1, int((count <= most).sum()))]
    thumbnails = Thumbnails(PICTURE_SIDE)
    parts = []
    for number, items in enumerate(embedded.values()):
        places = np.flatnonzero(np.isin(items.rows, kept))
        shown = [thumbnails.item(items, int(place)) for place in places]
        parts.append((np.full(len(places), number), items.unit[places], items.ids[places], shown))
    return Items(
        tuple(embedded),
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
        [each for part in parts for each in part[3]],
        [file for _, file in thumbnails.files()],
    )


def of_index(columns: Mapping[str, Sequence[Any]], most: int = MOST, seed: int = 0) -> Items:
    """Items of what `mmjax.embed` has written, without pictures; see `of_embedded`.

    Args:
      columns: modality, key, id, embedding and, perhaps, text.
      most, seed: as there.
    """
    names = np.asarray(columns["modality"])
    modalities = tuple(dict.fromkeys(names.tolist()))
    keys = np.asarray(columns["key"])
    distinct = np.unique(keys)
    drawn = np.random.default_rng(seed).permutation(distinct)
    places = {key: i for i, key in enumerate(drawn.tolist())}
    order = np.argsort([places[key] for key in keys.tolist()], kind="stable")[:most]
    order = np.sort(order)
    texts = columns.get("text", [""] * len(keys))
    shown = [
        {"key": str(keys[i]), **({"text": str(texts[i])} if str(texts[i]) else {})} for i in order
    ]
    return Items(
        modalities,
        np.array([modalities.index(name) for name in names[order].tolist()]),
        np.stack([np.asarray(columns["embedding"][i], np.float32) for i in order]),
        np.asarray(columns["id"])[order].astype(np.int64),
        shown,
    )


def nearest(items: Items, count: int = NEIGHBOURS) -> tuple[np.ndarray, np.ndarray]:
    """The nearest items of each modality, the item itself left out.

    Returns:
      i64[N, M, count], places of items, -1 where there are fewer; and their cosines, f32 of the
      same shape.
    """
    size = (len(items), len(items.modalities), count)
    found, cosines = np.full(size, -1), np.zeros(size, np.float32)
    own = [np.flatnonzero(items.modality == m) for m in range(len(items.modalities))]
    for start in range(0, len(items), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(items)))
        for m, places in enumerate(own):
            scores = items.unit[block] @ items.unit[places].T
            scores[block[:, None] == places[None]] = -np.inf
            best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
            values = np.take_along_axis(scores, best, axis=1)
            there = np.isfinite(values)
            found[block, m, : best.shape[1]] = np.where(there, places[best], -1)
            cosines[block, m, : best.shape[1]] = np.where(there, values, 0)
    return found, cosines


def right(items: Items, found: np.ndarray) -> np.ndarray:
    """Whether the nearest item of each modality belongs to an item: 1 or 0, or -1.

    -1 in its own modality, and where the other one has no item that belongs to it.

    Args:
      items: all.
      found: as `nearest` gives them.

    Returns:
      i8[N, M].
    """
    answers = np.full(found.shape[:2], -1, np.int8)
    for m in range(len(items.modalities)):
        asked = (items.modality != m) & np.isin(items.ids, items.ids[items.modality == m])
        first = found[asked, m, 0]
        answers[asked, m] = items.ids[asked] == items.ids[first]
    return answers


def planes(items: Items) -> dict[str, np.ndarray]:
    """Name -> f64[N, 2]: the first two principal components, and UMAP where it is installed."""
    (plane, _), _ = principal_plane(items.unit, items.unit[:0])
    result = {"PCA": plane}
    if importlib.util.find_spec("umap") is not None and len(items) > 15:
        import umap

        made = umap.UMAP(metric="cosine", random_state=0)
        result["UMAP"] = np.asarray(made.fit_transform(items.unit), np.float64)
    return result


def write(items: Items, out: str | Path, title: str) -> Path:
    """Writes the page.

    Args:
      items: at least one.
      out: the file.
      title: what they are of.
    """
    found, cosines = nearest(items)
    answers = right(items, found)
    drawn = planes(items)
    data = {
        "modalities": items.modalities,
        "modality": items.modality.tolist(),
        "ids": items.ids.tolist(),
        "shown": list(items.shown),
        "pictures": [base64.b64encode(file).decode() for file in items.pictures],
        "neighbours": found.shape[2],
        "near": _packed(found.astype("<i4")),
        "cosines": _packed(cosines.astype("<f4")),
        "right": answers.tolist(),
        "planes": {name: _packed(_spread(xy).astype("<f4")) for name, xy in drawn.items()},
    }
    # Nothing in the data can end the script that holds them.
    text = json.dumps(data).replace("<", "\\u003c")
    asked = [
        {
            "query": query,
            "answer": answer,
            "asked": int((answers[items.modality == q, a] >= 0).sum()),
            "right": int((answers[items.modality == q, a] == 1).sum()),
        }
        for q, query in enumerate(items.modalities)
        for a, answer in enumerate(items.modalities)
        if q != a
    ]
    page = (
        environment()
        .get_template("explore.html.jinja")
        .render(
            title=title,
            count=len(items),
            modalities=items.modalities,
            planes=list(drawn),
            asked=[each for each in asked if each["asked"]],
            data=Markup(text),
        )
    )
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode("utf-8", "replace").decode("utf-8"))
    return path


def _spread(plane: np.ndarray) -> np.ndarray:
    """f64[N, 2] moved and scaled, alike in both directions, into the square of -1 to 1."""
    low, high = plane.min(axis=0), plane.max(axis=0)
    spread: np.ndarray = (plane - (low + high) / 2) / max(float((high - low).max()) / 2, 1e-12)
    return spread


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
