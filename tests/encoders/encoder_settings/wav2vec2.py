"""wav2vec 2.0."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import Wav2Vec2

SETTINGS = (
    Setting(
        Wav2Vec2,
        {
            "samples": 200,
            "conv_widths": (6, 8),
            "conv_kernels": (5, 3),
            "conv_strides": (3, 2),
            "position_kernel": 4,
            "position_groups": 2,
            "width": 16,
            "depth": 2,
            "heads": 2,
        },
        inputs=normal(200),
        variants=({}, {"conv_norm": "layer", "conv_bias": True, "norm": "pre"}),
        dropping=({"dropout": 0.3}, {"drop_path": 0.9}),
        wrong_options=(
            ({"conv_widths": (6,)}, r"^conv_widths, .* need one number for each convolution$"),
            ({"conv_norm": "batch"}, r"^conv_norm='batch' is not one of 'group', 'layer'$"),
            ({"position_groups": 3}, r"^position_groups=3 do not divide 16$"),
            ({"samples": 10}, r"^samples=10 are fewer than one position sees$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 201)), r"^201 samples for an encoder of samples=200"),
            ({}, np.zeros((2, 9)), r"^9 samples for an encoder"),
            ({}, np.zeros((2, 200), np.int32), r"f32\[B, N\] is expected"),
        ),
    ),
)
