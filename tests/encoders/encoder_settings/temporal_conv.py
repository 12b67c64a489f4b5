"""Convolutions along time, of frames that may be padding."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import TemporalConv

SETTINGS = (
    Setting(
        TemporalConv,
        {"channels": 6, "widths": (8, 8), "kernel": 3},
        inputs=normal(5, 6),
        variants=(
            {},
            {"causal": True, "kernel": 2, "dilation": 2},
            {"widths": (8,), "activation": "elu"},
        ),
        wrong_options=(
            ({"widths": ()}, r"^widths=\(\) of a temporal_conv: give one layer's width"),
            ({"kernel": 4}, r"^kernel=4 of a temporal_conv has no middle"),
            ({"dilation": 0}, r"^dilation=0: at least 1 is needed$"),
            ({"activation": "tanh"}, r"^activation='tanh' is not one of 'relu', "),
        ),
        wrong_inputs=(({}, np.zeros((2, 5, 7)), r"shape \(2, 5, 7\) where \[B, T, 6\]"),),
    ),
)
