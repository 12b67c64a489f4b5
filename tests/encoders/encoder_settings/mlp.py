"""Networks of vectors."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import MLP, Identity

SETTINGS = (
    Setting(
        MLP,
        {"inputs": 6, "hidden": (12, 10), "width": 8},
        inputs=normal(6),
        variants=({"missing": True}, {}, {"hidden": (), "activation": "gelu"}),
        dropping=({"dropout": 0.3},),
        wrong_options=(
            ({"inputs": 0}, r"^inputs=0: at least 1 is needed$"),
            ({"hidden": (8, 0)}, r"^hidden=\(8, 0\): every layer needs at least 1 unit$"),
            ({"activation": "tanh"}, r"^activation='tanh' is not one of 'relu', 'gelu', "),
            ({"dropout": 1.0}, r"^dropout=1.0 is not in \[0, 1\)$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 7)), r"vectors of shape \(2, 7\) where \[B, 6\] is expected"),
        ),
    ),
    Setting(Identity, {"inputs": 6}, inputs=normal(6), variants=()),
)
