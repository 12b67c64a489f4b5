"""Transformers over tokens of many modalities."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import SlotTransformer

SLOTS = {"image": (4, 5), "text": (3, 7)}


def slots(rows, rng):
    """Tokens of which some are missing; at least one is there."""
    x = np.concatenate([rng.integers(0, 5, (rows, 4)), rng.integers(0, 7, (rows, 3))], axis=1)
    there = rng.random(x.shape) < 0.6
    there[:, 1] = True
    return np.where(there, x, -1).astype(np.int32)


SETTINGS = (
    Setting(
        SlotTransformer,
        {"slots": SLOTS, "width": 8, "depth": 1, "heads": 2},
        inputs=slots,
        variants=({}, {"length": 3}, {"depth": 2, "mlp_width": 12}),
        dropping=({"dropout": 0.3},),
        wrong_options=(({"slots": {}}, r"^slots=\{\} names no modality"),),
        wrong_inputs=(
            ({}, np.zeros((2, 6), np.int32), r"tokens of shape \(2, 6\) where \[B, 7\]"),
            ({}, np.zeros((2, 7), np.float32), r"tokens are of float32; whole numbers"),
        ),
    ),
)
