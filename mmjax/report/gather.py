"""What the page shows of a model on a set: a heat map, a 2-D picture, and galleries of answers.

All of it is small and goes into one file, `report_data.npz`, so that the page can be written again
without the model or the data.
"""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmjax.evaluators import ranking, tiles
from mmjax.evaluators.data import Embedded, EvalData, Model, embed

FILE = "report_data.npz"
THUMBNAIL = 96  # pixels of the longer side


def gather(
    model: Model,
    data: EvalData,
    folder: str | Path | None,
    *,
    name: str = "",
    pair: tuple[str, str] | None = None,
    heat_map_pairs: int = 48,
    points: int = 250,
    queries: int = 8,
    answers: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Collects the page's pictures of a model, and writes them to `report_data.npz`.

    In a run of several processes every one has to call it, since embedding is a joint computation.
    What is shown is drawn at random with a fixed seed, not picked by how well it looks.

    Args:
      model: the model.
      data: the set to show.
      folder: of the run; None writes nothing (processes other than the first).
      name: of the set, for the page.
      pair: two modalities; None takes the first two that both the model and the data have.
      heat_map_pairs: pairs of the heat map.
      points: pairs of the 2-D picture.
      queries, answers: of each gallery.
      seed: of the draws.

    Returns:
      What was written, see `read`.

    Raises:
      ValueError: if there are no two modalities, or no record has both.
    """
    if pair is None:
        both = [m for m in data.modalities if m in model.modalities][:2]
        if len(both) < 2:
            raise ValueError(
                f"the page shows pairs, but model and data share only {', '.join(both) or 'no'} "
                "modality"
            )
        pair = (both[0], both[1])
    embedded = embed(model, data, pair)
    first, second = (embedded[m] for m in pair)
    _, a, b = np.intersect1d(first.rows, second.rows, return_indices=True)
    if not len(a):
        raise ValueError(f"no record of the data has both {pair[0]!r} and {pair[1]!r}")
    # Two records of one concept would put right answers off the diagonal of the heat map.
    _, distinct = np.unique(first.ids[a], return_index=True)
    drawn = np.random.default_rng(seed).permutation(np.sort(distinct))

    heat = drawn[:heat_map_pairs]
    shown = drawn[:points]
    projected, explained = principal_plane(first.unit[a], second.unit[b])
    arrays = {
        "similarity": first.unit[a[heat]] @ second.unit[b[heat]].T,
        "points": np.stack([part[shown] for part in projected]),
        "explained": explained,
    }
    pictures = _Pictures()
    galleries = [
        _gallery(first, second, a[drawn[:queries]], answers, pictures),
        _gallery(second, first, b[drawn[:queries]], answers, pictures),
    ]
    arrays |= {f"picture/{n}": np.frombuffer(png, np.uint8) for n, png in pictures.png.items()}
    description = {
        "name": name,
        "pair": list(pair),
        "pairs": len(a),
        "galleries": galleries,
    }
    if folder is not None:
        _write(Path(folder) / FILE, arrays, description)
    return {**arrays, **description}


def read(folder: str | Path) -> dict[str, Any] | None:
    """What `gather` wrote into a run's folder, or None if there is none.

    Returns:
      similarity f32[n,n]: cosines of n pairs.
      points f64[2,M,2]: both modalities of M pairs on the plane of the first two principal
        components of both together.
      explained f64[2]: shares of the variance of these components.
      picture/<n> u8[bytes]: PNG files.
      name, pair, pairs: of the set, its two modalities, and how many pairs it has.
      galleries: for both directions `{query, answer, size, queries}`; each query is
        `{item, rank, answers}`, rank being the place of its best right answer; each answer is
        `{item, score, right}`; each item is `{key}` with `text` or `picture` (an n) if it is one.

    Raises:
      ValueError: if the file is damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = {key: archive[key] for key in archive.files}
        return content | json.loads(content.pop("description").tobytes().decode())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it or evaluate again") from error


def principal_plane(
    x: np.ndarray, y: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Projects both modalities on the first two principal components of their union.

    Args:
      x, y: f32[N,D].

    Returns:
      f64[N,2] of x and of y, and the shares f64[2] of the variance.
    """
    both = np.concatenate([x, y]).astype(np.float64)
    both -= both.mean(axis=0)
    values, vectors = np.linalg.eigh(both.T @ both)
    axes = vectors[:, ::-1][:, :2]
    # A component has no sign of its own; this one is the same on every machine.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    plane = np.zeros((len(both), 2))
    plane[:, : axes.shape[1]] = both @ axes
    explained = np.zeros(2)
    explained[: axes.shape[1]] = values[::-1][:2].clip(0) / max(values.clip(0).sum(), 1e-12)
    return (plane[: len(x)], plane[len(x) :]), explained


def _gallery(
    queries: Embedded, answers: Embedded, chosen: np.ndarray, count: int, pictures: "_Pictures"
) -> dict[str, Any]:
    """The first answers to some queries, of all answers there are."""
    vectors, ids = queries.unit[chosen], queries.ids[chosen]
    scores = np.asarray(tiles.scores(vectors, answers.unit))
    best = ranking.best(ranking.rank(vectors, answers.unit, ids, answers.ids))
    rows = []
    for query, own, rank in zip(chosen, scores, ranking.expected_rank(best), strict=True):
        found = [
            {
                "item": pictures.item(answers, place),
                "score": float(own[place]),
                "right": bool(answers.ids[place] == queries.ids[query]),
            }
            for place in np.argsort(-own, kind="stable")[:count]
        ]
        item = pictures.item(queries, query)
        rows.append({"item": item, "rank": float(rank), "answers": found})
    return {
        "query": queries.modality,
        "answer": answers.modality,
        "size": len(answers),
        "queries": rows,
    }


class _Pictures:
    """Thumbnails by number, each picture once."""

    def __init__(self):
        self.png: dict[int, bytes] = {}
        self._numbers: dict[tuple, int] = {}

    def item(self, items: Embedded, place: int) -> dict[str, Any]:
        """How an item is shown: as text, as a picture, or, of other modalities, by its key."""
        shown: dict[str, Any] = {"key": items.fields[place]["key"]}
        raw = items.raw(place)
        if isinstance(raw, str):
            shown["text"] = raw
            return shown
        at = (items.modality, int(items.rows[place]), int(items.alternatives[place]))
        if at not in self._numbers:
            png = thumbnail(raw)
            if png is None:
                return shown
            self._numbers[at] = len(self.png)
            self.png[self._numbers[at]] = png
        shown["picture"] = self._numbers[at]
        return shown


def thumbnail(raw: Any) -> bytes | None:
    """A small PNG of encoded bytes or of a uint8 array [H,W,3 or 4]; None for anything else."""
    if isinstance(raw, bytes):
        try:
            picture = Image.open(io.BytesIO(raw))
            picture.load()
        except OSError:  # bytes that are not of a picture: audio, say
            return None
    elif isinstance(raw, np.ndarray) and raw.dtype == np.uint8 and raw.ndim == 3:
        picture = Image.fromarray(raw)
    else:
        return None
    picture = picture.convert("RGBA")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    white = Image.new("RGBA", picture.size, "white")
    out = io.BytesIO()
    Image.alpha_composite(white, picture).convert("RGB").save(out, "PNG", optimize=True)
    return out.getvalue()


def _write(path: Path, arrays: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Whole or not at all."""
    text = json.dumps(description, ensure_ascii=False).encode()
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez_compressed(file, description=np.frombuffer(text, np.uint8), **arrays)
    os.replace(part, path)
