"""Vision transformers over listed patches."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import NaFlexViT

LONGEST, PATCH = 12, 4
GRIDS = ((3, 4), (1, 5), (2, 3), (5, 2), (1, 1))


def images(rows, rng):
    """Patches of images of different shapes, with row and column; NaN where there is none."""
    found = np.full((rows, LONGEST, 2 + PATCH * PATCH * 3), np.nan)
    for image, (height, width) in zip(found, GRIDS * rows, strict=False):
        count = height * width
        image[:count, :2] = np.indices((height, width)).reshape(2, count).T
        image[:count, 2:] = rng.normal(size=(count, PATCH * PATCH * 3))
    return found


SETTINGS = (
    Setting(
        NaFlexViT,
        {"grid": (3, 5), "patch": PATCH, "width": 16, "depth": 2, "heads": 2},
        inputs=images,
        variants=(
            {},
            {"pool": "mean", "registers": 2, "layer_scale": 0.1, "pre_norm": True},
            {"pool": "cls", "activation": "swiglu", "bias": False, "patch_bias": False},
            {"pool_heads": 4, "pool_mlp_width": 24, "activation": "gelu_tanh"},
        ),
        dropping=({"dropout": 0.3}, {"patch_dropout": 0.5}),
        wrong_options=(
            ({"patch": 0}, r"^patch=0: at least 1"),
            ({"heads": 3}, r"^heads=3 does not divide width=16$"),
            ({"pool": "max"}, r"^pool='max' is not one of 'cls', 'mean', 'map'$"),
        ),
        wrong_inputs=(
            (
                {},
                np.zeros((2, 12, 12, 3)),
                r"shape \(2, 12, 12, 3\) where \[B, N, 50\] is expected",
            ),
            ({"patch": 2}, np.zeros((2, 12, 50)), r"shape \(2, 12, 50\) where \[B, N, 14\]"),
        ),
    ),
)
