"""Transformers of texts in sentences."""

import numpy as np
from encoder_harness import Setting

from mmjax.encoders import HierarchicalText


def texts(rows, rng):
    """Sentences of different lengths, i32[rows, 4, 5], of which some are all padding."""
    ids = rng.integers(1, 30, (rows, 4, 5), dtype=np.int32)
    ids[np.arange(5) >= rng.integers(1, 6, (rows, 4, 1))] = 0
    ids[np.arange(4) >= rng.integers(1, 5, (rows, 1))] = 0
    return ids


SETTINGS = (
    Setting(
        HierarchicalText,
        {"vocab_size": 30, "length": 7, "width": 16, "depth": 3, "heads": 2, "blocks": (1, 1)},
        inputs=texts,
        variants=(
            {},
            {"norm": "post", "embedding_norm": True, "segments": 1, "blocks": (2, 0)},
            {"depth": 1, "blocks": (1, 0), "scan": False},
            {"depth": 2, "activation": "quick_gelu", "init": "clip", "remat": "full"},
        ),
        dropping=({"dropout": 0.3}, {"drop_path": 0.9}, {"drop_key": 0.5}),
        wrong_options=(
            ({"blocks": (0, 1)}, r"^blocks=\(0, 1\) of depth=3: at least one is of words"),
            ({"blocks": (2, 2)}, r"^blocks=\(2, 2\) of depth=3: .* no more than all$"),
            ({"length": 0}, r"^length=0: at least 1 is needed$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 5), np.int32), r"where i32\[B, S, W\] is needed.*'sentences'"),
            ({}, np.zeros((2, 8, 3), np.int32), r"8 sentences of 3 words .* of length=7"),
            ({}, np.zeros((2, 3, 8), np.int32), r"3 sentences of 8 words .* of length=7"),
        ),
    ),
)
