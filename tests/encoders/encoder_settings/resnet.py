"""Residual networks of images."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import ResNet

SETTINGS = (
    Setting(
        ResNet,
        {
            "image_size": (16, 24),
            "block": "basic",
            "blocks": (1, 2),
            "widths": (8, 16),
            "stem": "patch4",
        },
        inputs=normal(16, 24, 3),
        variants=(
            {},
            {"norm": "group", "pool": "max", "block": "bottleneck", "stem": "imagenet"},
            {
                "norm": "layer",
                "pool": "attention",
                "heads": 2,
                "pool_width": 12,
                "stem": "clip",
                "antialias": True,
            },
        ),
        dropping=({"drop_path": 0.9, "norm": "layer"},),
        wrong_options=(
            ({"blocks": (1, 0)}, r"^blocks=\(1, 0\): every stage needs at least one block$"),
            ({"blocks": ()}, r"^blocks=\(\): every stage"),
            ({"widths": (8,)}, r"^widths=\(8,\) and blocks=\(1, 2\) are of different lengths"),
            ({"block": "wide"}, r"^block='wide' is not one of 'basic', 'bottleneck'$"),
            ({"stem": "patch3"}, r"^stem='patch3' is not one of 'imagenet', "),
            ({"norm": "none"}, r"^norm='none' is not one of 'batch', 'group', 'layer'$"),
            ({"pool": "cls"}, r"^pool='cls' is not one of 'mean', 'max', "),
            ({"pool_width": 8}, r"^pool_width is .*'attention'.*; pool='mean' has none$"),
            ({"pool": "attention", "heads": 3}, r"^heads=3 does not divide width=16$"),
            ({"pool": "attention", "image_size": (20, 24)}, r"^image_size=\(20, 24\) is not "),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 16, 24)), r"shape \(2, 16, 24\) where \[B, H, W, 3\]"),
            ({}, np.zeros((2, 16, 22, 3)), r"not divisible by the stride 4 of the stem"),
            ({"pool": "attention", "heads": 2}, np.zeros((2, 16, 16, 3)), r"attention pooling"),
        ),
    ),
)
