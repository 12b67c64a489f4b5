"""Patches through one linear layer."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import PatchTokens

SETTINGS = (
    Setting(
        PatchTokens,
        {"patch": (4, 4), "channels": 2, "width": 8},
        inputs=normal(8, 10, 2),
        wrong_options=(({"patch": ()}, r"^patch=\(\) has no axis"),),
        wrong_inputs=(
            ({}, np.zeros((2, 8, 2)), r"\(2, 8, 2\) where \[B, S1, S2, 2\] is expected"),
            ({"patch": (4,)}, np.zeros((2, 8, 3)), r"where \[B, S1, 2\] is expected"),
        ),
    ),
)
