"""Residual networks of signals."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import SignalResNet

SETTINGS = (
    Setting(
        SignalResNet,
        {"channels": 3, "blocks": (1, 1), "widths": (8, 16), "stem": "patch"},
        inputs=normal(37, 3),
        variants=(
            {"norm": "group", "pool": "max", "block": "bottleneck"},
            {"dims": 2, "stem": "imagenet", "norm": "layer"},
        ),
        wrong_options=(
            ({"dims": 2}, r"^stem='patch' cuts along time only: use dims=1"),
            ({"dims": 3}, r"^dims=3 is not one of 1, 2$"),
        ),
        wrong_inputs=(({"channels_first": True}, np.zeros((2, 40, 3)), r"where \[B, 3, T\] is"),),
    ),
)
