"""Transformers of frames."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import FrameTransformer


def clips(rows, rng):
    """The last frame of the first one is not there."""
    x = rng.normal(size=(rows, 4, 8, 12, 3))
    x[0, 3:] = np.nan
    return x


SETTINGS = (
    Setting(
        FrameTransformer,
        {"frames": 4, "image_size": (8, 12), "patch": 4, "width": 16, "depth": 1, "heads": 2},
        inputs=clips,
        variants=({"temporal_depth": 1}, {"pool": "mean", "pre_norm": True, "patch_bias": False}),
        dropping=({"dropout": 0.3, "temporal_depth": 1},),
        wrong_options=(
            ({"frames": 0}, r"^frames=0: at least 1 is needed$"),
            ({"temporal_depth": -1}, r"^temporal_depth=-1 is negative"),
        ),
        wrong_inputs=(({}, np.zeros((2, 5, 8, 12, 3)), r"\[B, at most 4, H, W, 3\] is expected"),),
    ),
)
