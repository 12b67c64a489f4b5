"""Transformers of clips and volumes."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import PatchTransformer

SETTINGS = (
    Setting(
        PatchTransformer,
        {
            "size": (4, 8, 12),
            "patch": (2, 4, 4),
            "channels": 2,
            "width": 24,
            "depth": 2,
            "heads": 2,
        },
        inputs=normal(4, 8, 12, 2),
        variants=(
            {"pool": "mean", "positions": "sincos", "padded": True, "registers": 1},
            {"pool": "map", "padded": True},
            {},
            {"pool": "mean", "padded": True, "levels": {"early": 1}},
        ),
        dropping=({"patch_dropout": 0.5, "padded": True, "pool": "mean"},),
        wrong_options=(
            ({"size": (4, 8)}, r"^size=\(4, 8\) and patch=\(2, 4, 4\) need as many axes"),
            ({"patch": (3, 4, 4)}, r"^size=\(4, 8, 12\) is not divisible by patch=\(3, "),
            ({"levels": {"end": 2}}, r"^levels=\{'end': 2\}: each is after 1 to 1 of depth=2"),
            ({"stem": "conv"}, r"^stem='conv' is for images in squares"),
            ({"positions": "sincos", "width": 16}, r"^width=16: sincos .* 12 .* by 6$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 4, 8, 2)), r"where \[B, S1, S2, S3, 2\] is expected"),
            ({}, np.zeros((2, 2, 8, 12, 2)), r"learned positions for \(4, 8, 12\)"),
            ({"padded": True}, np.zeros((2, 6, 8, 12, 2)), r"positions up to \(4, 8, "),
            ({"positions": "sincos"}, np.zeros((2, 3, 8, 12, 2)), r"not divisible by"),
        ),
    ),
)
