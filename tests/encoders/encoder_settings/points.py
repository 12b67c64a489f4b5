"""Networks of point clouds."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import PointNet


def clouds(rows, rng):
    """Of 5 to 7 points."""
    x = rng.normal(size=(rows, 7, 4))
    for i in range(rows):
        x[i, 7 - i % 3 :] = np.nan
    return x


SETTINGS = (
    Setting(
        PointNet,
        {"channels": 4, "widths": (12, 16), "hidden": (10,), "width": 8},
        inputs=clouds,
        dropping=({"dropout": 0.5},),
        wrong_options=(
            ({"channels": 2}, r"^channels=2: a point has three coordinates at least$"),
            ({"widths": ()}, r"^widths=\(\) and hidden=\(10,\): at least one layer"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 7, 3)), r"shape \(2, 7, 3\) where \[B, N, 4\] is expected"),
        ),
    ),
)
