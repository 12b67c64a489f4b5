"""ConvNeXt."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import ConvNeXt

SETTINGS = (
    Setting(
        ConvNeXt,
        {
            "image_size": (16, 24),
            "patch": 4,
            "blocks": (1, 2),
            "widths": (8, 12),
            "layer_scale": 0.5,
        },
        inputs=normal(16, 24, 3),
        variants=({}, {"layer_scale": None, "response_norm": True, "activation": "gelu_tanh"}),
        dropping=({"drop_path": 0.9},),
        wrong_options=(
            (
                {"widths": (8,)},
                r"^widths=\(8,\) and blocks=\(1, 2\) need one number for each stage$",
            ),
            ({"blocks": (), "widths": ()}, r"need one number for each stage$"),
            ({"drop_path": 1.0}, r"^drop_path=1.0 is not in"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 16, 24)), r"shape \(2, 16, 24\) where \[B, H, W, 3\]"),
            ({}, np.zeros((2, 7, 24, 3)), r"of at least 8 pixels a side"),
        ),
    ),
)
