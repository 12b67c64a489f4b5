"""Searching a large index: recall, latency, memory and the time to build, exact and by a graph.

    python -m mmjax.bench search --items 100000 --dim 512

Embeddings are generated: unit vectors around centres, one for every hundred items, which queries
lie near, too. They are searched in both ways of `mmjax.search`, in turns: recall is the share of
the exact ten nearest that were found; milliseconds are of one query alone, and of one in a batch.
MB are of the embeddings, and of the graph, which has a copy of them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmjax import extras
from mmjax.bench import timing
from mmjax.inference.index import Index

K = 10


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench search", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--items", type=int, default=100_000, help="of the index")
    parser.add_argument("--dim", type=int, default=512, help="numbers of an embedding")
    parser.add_argument("--queries", type=int, default=100, help="of a batch")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args(arguments)
    if min(options.items, options.dim, options.queries, options.repeats) < 1:
        parser.error("all numbers must be at least 1")
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    extras.find("faiss", "faiss", "the benchmark of searching")
    rows = measure(options.items, options.dim, options.queries, options.repeats)
    about = {key: vars(options)[key] for key in ("items", "dim", "queries")}
    about = {"cores": os.cpu_count(), **about}
    print(", ".join(f"{key} {value:,}" for key, value in about.items()))
    print(timing.table(rows))
    if options.output:
        timing.save(options.output, about, rows)


def measure(items: int, dim: int, queries: int, repeats: int) -> list[dict[str, Any]]:
    """A row of numbers for each way to search."""
    embeddings, asked = generated(items, dim, queries)
    columns = {
        "modality": np.repeat("image", items),
        "key": np.arange(items).astype(str),
        "id": np.arange(items),
        "embedding": embeddings,
    }
    exact, graph = Index(columns), Index(columns)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph"
        begin = time.perf_counter()
        graph.approximate(file)
        built, size = time.perf_counter() - begin, file.stat().st_size
    right = rows_of(exact, asked)

    def batch(index: Index) -> Callable[[], Any]:
        return lambda: rows_of(index, asked)

    def one(index: Index) -> Callable[[], Any]:
        return lambda: rows_of(index, asked[:1])

    ways = {"exact": exact, "graph": graph}
    calls = {
        f"{name} {how.__name__}": how(index) for name, index in ways.items() for how in (one, batch)
    }
    timed = timing.interleaved(calls, repeats)
    bytes_of = {"exact": embeddings.nbytes, "graph": size}
    return [
        {
            "search": name,
            f"recall@{K}": recall(rows_of(index, asked), right),
            "ms, one alone": 1e3 * timed[f"{name} one"]["median"],
            "ms, in a batch": 1e3 * timed[f"{name} batch"]["median"] / queries,
            "MB": bytes_of[name] / 1e6,
            "s to build": built if name == "graph" else 0.0,
        }
        for name, index in ways.items()
    ]


def generated(items: int, dim: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of an index and of queries, f32[items, dim] and f32[queries, dim]."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(items // 100, 1), dim), np.float32)

    def near(count: int) -> np.ndarray:
        x = centres[rng.integers(len(centres), size=count)]
        x = x + rng.standard_normal((count, dim), np.float32)
        unit: np.ndarray = x / np.linalg.norm(x, axis=1, keepdims=True)
        return unit

    return near(items), near(queries)


def rows_of(index: Index, queries: np.ndarray) -> list[list[int]]:
    """The rows of the index that are found for each query."""
    return [[hit.row for hit in hits] for hits in index.search(queries, K)]


def recall(found: list[list[int]], right: list[list[int]]) -> float:
    """The share of the right rows that were found."""
    both = zip(found, right, strict=True)
    return float(np.mean([len({*own} & {*true}) / len(true) for own, true in both]))
