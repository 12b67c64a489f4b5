"""Transformers of signals."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import SignalTransformer

SETTINGS = (
    Setting(
        SignalTransformer,
        {"channels": 3, "length": 40, "patch": 4, "width": 16, "depth": 2, "heads": 2},
        inputs=normal(37, 3),
        variants=({"pool": "cls", "stem": "conv"},),
        wrong_options=(
            ({"stem": "conv", "length": 16}, r"^length=16 is 4 patches of patch=4"),
            ({"positions": "sincos", "width": 15}, r"^width=15: sincos .* by 2$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 3, 40)), r"\(2, 3, 40\) where \[B, T, 3\] is"),
            ({}, np.zeros((2, 41, 3)), r"\(41,\) for learned positions up to \(40,"),
        ),
    ),
)
