"""Residual networks of vectors."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import ResidualMLP

SETTINGS = (
    Setting(
        ResidualMLP,
        {
            "inputs": 6, "hidden": 10, "depth": 2, "tokens": 3, "width": 4, "projector": (5,),
            "first_dropout": 0.0, "dropout": 0.0,
        },
        inputs=normal(6),
        variants=({}, {"tokens": 1, "projector": (), "depth": 0}),
        dropping=({"dropout": 0.3}, {"first_dropout": 0.4}),
        wrong_options=(
            ({"tokens": 0}, r"^tokens=0: at least 1 is needed$"),
            ({"first_dropout": 1.0}, r"^first_dropout=1.0 is not in \[0, 1\)$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 7)), r"vectors of shape \(2, 7\) where \[B, 6\] is expected"),
        ),
    ),
)  # fmt: skip
