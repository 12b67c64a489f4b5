"""Tables of learned vectors."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import Lookup


def numbers(rows, rng):
    return rng.integers(0, 30, rows).astype(np.float32)


SETTINGS = (
    Setting(
        Lookup,
        {"size": 30, "width": 6},
        inputs=numbers,
        wrong_options=(({"size": 0}, r"^size=0: at least 1 is needed$"),),
        wrong_inputs=(
            ({}, np.zeros((2, 3)), r"numbers of shape \(2, 3\) where \[B\] is expected"),
        ),
    ),
)
