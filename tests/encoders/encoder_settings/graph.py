"""Networks of graphs."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import GraphNetwork


def graph(rng, count, room):
    """Rows of a random graph of `count` nodes in an array for `room`: f[room, 4 + room]."""
    x = np.zeros((room, 4 + room))
    x[:count, 0] = rng.integers(5, size=count)
    x[:count, 1] = rng.integers(3, size=count)
    x[:count, 2:4] = rng.normal(size=(count, 2))
    links = np.triu(rng.integers(4, size=(count, count)), 1)
    x[:count, 4 : 4 + count] = links + links.T + np.eye(count)
    return x


def graphs(rows, rng):
    """Of 4 to 6 nodes."""
    return np.stack([graph(rng, count=6 - i % 3, room=6) for i in range(rows)])


SETTINGS = (
    Setting(
        GraphNetwork,
        {"categories": (5, 3), "features": 2, "edges": 3, "width": 16, "depth": 2},
        inputs=graphs,
        variants=(
            {},
            {"heads": 2, "walk": 3, "pool": "max"},
            {"categories": (), "features": 4, "pool": "sum", "heads": 2},
        ),
        dropping=({"dropout": 0.3},),
        wrong_options=(
            ({"categories": (), "features": 0}, r"^categories=\(\) and features=0: a node"),
            ({"edges": 0}, r"^edges=0: at least 1 is needed$"),
            ({"heads": 3}, r"^heads=3 does not divide width=16$"),
            ({"walk": -1}, r"^categories=\(5, 3\) have to be 1 or more, .* walk=-1"),
            ({"pool": "cls"}, r"^pool='cls' is not one of 'mean', 'sum', 'max'$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 5, 8)), r"where \[B, N, 4 \+ N\] is expected: 2 categories"),
        ),
    ),
)
