"""A source of every kind of value, and what is compared of the shards that are written of it."""

from pathlib import Path

import numpy as np

from mmjax.data import BadExample
from mmjax.data.sources import MemorySource

quiet = lambda line: None  # noqa: E731


class Counting(MemorySource):
    """A source with every kind of value, bad examples, labels and ids of its own."""

    def __init__(self, count=60):
        rng = np.random.default_rng(0)
        super().__init__(
            data={
                "x": [rng.normal(size=3).astype(np.float32) for _ in range(count)],
                "text": [
                    [f"one {i}", f"two {i}"] if i % 3 else {"en": f"one {i}"} for i in range(count)
                ],
                "raw": [bytes(rng.integers(0, 256, 200, dtype=np.uint8)) for _ in range(count)],
                "maybe": [None if i % 5 else i for i in range(count)],
            },
            labels={"group": [np.int64(i % 4) for i in range(count)]},
        )
        self.label_fields, self.id_limit = ("group",), 1000
        self.bad = [BadExample("row -1", "x", "left out from the start")]

    def __getitem__(self, index):
        if index % 11 == 7:
            raise BadExample(f"memory row {index}", "raw", "it is damaged")
        return {**super().__getitem__(index), "id": 3 * index}

    def id_of(self, index):
        return 3 * index

    def __len__(self):
        return len(self.data["x"])


def items(source):
    found = []
    for i in range(len(source)):
        try:
            found.append(source[i])
        except BadExample as error:
            found.append((source.id_of(i), error.args))
    return found


def same(a, b):
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def shards(folder):
    return {f.name: f.read_bytes() for f in sorted(Path(folder).glob("*.array_record"))}
