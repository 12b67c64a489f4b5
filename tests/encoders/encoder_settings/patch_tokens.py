"""Patches through one linear layer."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import PatchTokens

SETTINGS = (
    Setting(
        PatchTokens,
        {"patch": (4, 4), "channels": 2, "width": 8},
        inputs=normal(8, 10, 2),
        variants=({}, {"stride": (2, 3)}),
        wrong_options=(
            ({"patch": ()}, r"^patch=\(\) has no axis"),
            ({"stride": (4,)}, r"^stride=\(4,\) should be a number for each axis of patch="),
            ({"stride": (4, 5)}, r"^stride=\(4, 5\) should .* at most its own$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 8, 2)), r"\(2, 8, 2\) where \[B, S1, S2, 2\] is expected"),
            ({"patch": (4,)}, np.zeros((2, 8, 3)), r"where \[B, S1, 2\] is expected"),
        ),
    ),
)
