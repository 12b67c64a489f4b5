"""Bags of tokens and of runs of tokens."""

import numpy as np
from encoder_harness import Setting, sentences

from mmjax.encoders import BagOfTokens

SETTINGS = (
    Setting(
        BagOfTokens,
        {"vocab_size": 30, "length": 9, "embedding": 4, "width": 6, "eos_id": 1},
        inputs=sentences,
        variants=({}, {"window": 3, "hidden": (8,), "pool": "concat"}, {"width": None}),
        dropping=({"dropout": 0.3},),
        wrong_options=(
            ({"pool": "cls"}, r"^pool='cls' is not one of 'mean', "),
            ({"width": None, "hidden": (8,)}, r"^hidden=\(8,\) of a bag_of_tokens with width=None"),
            ({"window": 0}, r"^window=0: at least 1 is needed$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 5)), r"type float\S+ where i32\[B, T\] is needed"),
            ({}, np.zeros((2, 10), np.int32), r"10 tokens for an encoder of length=9"),
        ),
    ),
)
