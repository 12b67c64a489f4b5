"""Collects what the page shows of a model on a set: heat map, 2-D plot, cosines, galleries.

All of it is small and goes into one file, `report_data.npz`, so that the page can be written again
without the model or the data.
"""

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mmjax.evaluators import ranking, tiles
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.files import DamagedFile, json_object, read_arrays, write_atomically
from mmjax.report.thumbnails import Thumbnails

FILE = "report_data.npz"
SAMPLE = 2000  # pairs that cosines, ranks and the plane are taken from, at most
COSINE_BINS = 60


def gather(
    model: Model,
    data: EvalData,
    folder: str | Path | None,
    *,
    name: str = "",
    pair: tuple[str, str] | None = None,
    label: str | None = None,
    heat_map_pairs: int = 48,
    points: int = 250,
    queries: int = 4,
    answers: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Collects the page's images of a model, and writes them to `report_data.npz`.

    In a run of several processes every one has to call it, since embedding is a joint computation;
    the first one writes. What is shown is drawn at random with a fixed seed, not picked by how well
    it looks.

    Args:
      model: the model.
      data: the set to show.
      folder: of the run; None writes nothing.
      name: of the set, for the page.
      pair: two modalities; None takes the first two that both the model and the data have.
      label: in the galleries, records that have the same are right answers of each other; None for
        records of the same id.
      heat_map_pairs: pairs of the heat map.
      points: pairs of the 2-D image.
      queries: of each part of a gallery (right, wrong, worst).
      answers: shown for each query.
      seed: of the draws.

    Returns:
      What was written, see `read`.
    """
    both = data.embedded_by(model)
    chosen: tuple[str, ...] = pair or both[:2]
    if len(chosen) < 2 or not set(chosen) <= {*both, *data.fusions}:
        missing = (
            f"The model and the set {name!r} have {', '.join(both) or 'no modality'} in common, "
            "and an image of pairs needs two modalities."
        )
        return _write(folder, {}, {"name": name, "missing": missing})
    try:
        embedded = embed(model, data, chosen)
    except EvaluationError as error:  # such as queries, whose answers are of another source
        missing = f"The set {name!r} has no pairs to show: {error}."
        return _write(folder, {}, {"name": name, "missing": missing})
    first, second = (embedded[m] for m in chosen)
    if first.unit.shape[1] != second.unit.shape[1]:
        missing = (
            f"{chosen[0]} and {chosen[1]} of the set {name!r} have embeddings of "
            f"{first.unit.shape[1]} and {second.unit.shape[1]} numbers, which are not compared."
        )
        return _write(folder, {}, {"name": name, "missing": missing})
    _, a, b = np.intersect1d(first.rows, second.rows, return_indices=True)
    if not len(a):
        missing = f"No record of the set {name!r} has both {chosen[0]} and {chosen[1]}."
        return _write(folder, {}, {"name": name, "missing": missing})

    # Two records of one concept would put right answers off the diagonal of the heat map.
    _, distinct = np.unique(first.ids[a], return_index=True)
    drawn = np.random.default_rng(seed).permutation(np.sort(distinct))[:SAMPLE]
    x, y = first.unit[a[drawn]], second.unit[b[drawn]]
    projected, explained = principal_plane(x, y)
    order = like_beside_like(x[:heat_map_pairs] + y[:heat_map_pairs])
    arrays = {
        "similarity": x[order] @ y[order].T,
        "points": np.stack([part[:points] for part in projected]),
        "centroids": np.stack([part.mean(axis=0) for part in projected]),
        "explained": explained,
        **cosines(x, y),
    }
    thumbnails = Thumbnails()
    one, other = (first, second) if label is None else _of_classes(first, second, label)
    galleries = [
        _gallery(one, other, a[drawn], queries, answers, thumbnails),
        _gallery(other, one, b[drawn], queries, answers, thumbnails),
    ]
    arrays |= {f"picture/{n}": np.frombuffer(file, np.uint8) for n, file in thumbnails.files()}
    description = {
        "name": name,
        "pair": list(chosen),
        "pairs": len(a),
        "dimensions": int(x.shape[1]),
        "centroid_distance": float(
            np.linalg.norm(first.unit[a].mean(0, np.float64) - second.unit[b].mean(0, np.float64))
        ),
        "galleries": galleries,
    }
    return _write(folder, arrays, description)


def read(folder: str | Path) -> dict[str, Any] | None:
    """What `gather` wrote into a run's folder, or None if there is none.

    Returns:
      Either `name` and `missing`, a sentence that says why nothing could be shown, or:
      similarity f32[n,n]: cosines of n pairs, like ones beside each other.
      points f64[2,M,2]: both modalities of M pairs on the plane of the first two principal
        components of both together.
      centroids f64[2,2]: the centre of each modality on that plane.
      explained f64[2]: shares of the variance of these components.
      edges f64[k+1], positive f64[k], negative f64[k]: shares of the cosines of pairs, and of items
        that are no pair, in k bins.
      image/<n> u8[bytes]: image files.
      name, pair, pairs, dimensions, centroid_distance: the set, its two modalities, how many pairs
        it has, the length of an embedding and the centroid distance in that space.
      galleries: for both directions `{query, answer, size, asked, right, parts}`: `right` of
        `asked` queries had a right answer in the first place; the parts `right`, `wrong` and
        `worst` are lists of `{item, rank, answers, best}`, rank being the place of the best right
        answer `best`. An answer is `{item, score, right}`, an item `{key}` with `text`, or with
        `image` (an n).

    Raises:
      DamagedFile: if the file is damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = read_arrays(path)
        description = content.pop("description", np.zeros(0)).tobytes()
        return content | json_object(description, f"the description in {path}")
    except DamagedFile as error:
        raise DamagedFile(f"{error}: delete it or evaluate again") from error


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


def like_beside_like(x: np.ndarray) -> np.ndarray:
    """An order i64[N] of the rows of f[N,D] in which each one is followed by the most like it."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-12)
    order, left = [0], np.ones(len(x), bool)
    left[0] = False
    while left.any():
        likeness = np.where(left, x @ x[order[-1]], -np.inf)
        order.append(int(likeness.argmax()))
        left[order[-1]] = False
    return np.array(order)


def cosines(x: np.ndarray, y: np.ndarray, negatives: int = 500) -> dict[str, np.ndarray]:
    """Histograms of the cosines of N pairs, and of items that are no pair; see `read`.

    Args:
      x, y: f32[N,D], unit rows; row i of both is a pair, and no other row is.
      negatives: the cosines between non-pairs are those of so many rows of x to all of y.
    """
    pairs = np.einsum("nd,nd->n", x, y)
    others = x[:negatives] @ y.T
    others = others[~np.eye(len(others), len(y), dtype=bool)]
    all_of_them = np.concatenate([pairs, others])
    edges = np.linspace(all_of_them.min() - 1e-6, all_of_them.max() + 1e-6, COSINE_BINS + 1)
    shares = {
        name: np.histogram(values, edges)[0] / max(len(values), 1)
        for name, values in (("positive", pairs), ("negative", others))
    }
    return {"edges": edges, **shares}


def _of_classes(first: Embedded, second: Embedded, label: str) -> tuple[Embedded, Embedded]:
    """The same items with numbers of their classes as ids; one without a label is of its own."""
    names = [
        [
            ("label", each[label]) if each.get(label) is not None else ("id", each["id"])
            for each in own
        ]
        for own in (first.fields, second.fields)
    ]
    numbers = {name: n for n, name in enumerate(dict.fromkeys([*names[0], *names[1]]))}
    one, other = (np.array([numbers[name] for name in own], np.int64) for own in names)
    return dataclasses.replace(first, ids=one), dataclasses.replace(second, ids=other)


def _gallery(
    queries: Embedded,
    answers: Embedded,
    drawn: np.ndarray,
    count: int,
    shown: int,
    thumbnails: Thumbnails,
) -> dict[str, Any]:
    """Some queries of those drawn that were answered rightly, wrongly and worst."""
    ranks = ranking.rank(queries.unit[drawn], answers.unit, queries.ids[drawn], answers.ids)
    place = ranking.expected_rank(ranking.best(ranks))
    right, wrong = np.flatnonzero(place == 1), np.flatnonzero(place > 1)
    chosen = {"right": right[:count], "wrong": wrong[:count]}
    rest = wrong[count:]
    chosen["worst"] = rest[np.argsort(-place[rest], kind="stable")[:count]]

    def answer(own: np.ndarray, position: int, query: int) -> dict[str, Any]:
        return {
            "item": thumbnails.item(answers, position),
            "score": float(own[position]),
            "right": bool(answers.ids[position] == queries.ids[query]),
        }

    def row(which: int) -> dict[str, Any]:
        query = int(drawn[which])
        own = np.asarray(tiles.scores(queries.unit[query][None], answers.unit))[0]
        its = np.flatnonzero(answers.ids == queries.ids[query])
        return {
            "item": thumbnails.item(queries, query),
            "rank": float(place[which]),
            "answers": [
                answer(own, int(position), query)
                for position in np.argsort(-own, kind="stable")[:shown]
            ],
            "best": answer(own, int(its[own[its].argmax()]), query),
        }

    return {
        "query": queries.modality,
        "answer": answers.modality,
        "size": len(answers),
        "asked": len(drawn),
        "right": len(right),
        "parts": {part: [row(int(which)) for which in them] for part, them in chosen.items()},
    }


def _write(
    folder: str | Path | None, arrays: Mapping[str, Any], description: dict[str, Any]
) -> dict[str, Any]:
    """Writes the file, whole or not at all, in the first process; returns all that is in it."""
    if folder is not None and jax.process_index() == 0:
        path = Path(folder) / FILE
        # ASCII only: a text with half a surrogate pair cannot be encoded in any other way.
        text = np.frombuffer(json.dumps(description).encode(), np.uint8)
        out = io.BytesIO()
        np.savez_compressed(out, description=text, **arrays)
        write_atomically(path, out.getvalue())
    return {**arrays, **description}
