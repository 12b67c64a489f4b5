"""Transformers of texts."""

import numpy as np
from encoder_harness import Setting, sentences

from mmjax.encoders import TextTransformer
from mmjax.encoders.relative import Rotary

SETTINGS = (
    Setting(
        TextTransformer,
        {"vocab_size": 30, "length": 9, "width": 16, "depth": 2, "heads": 2, "eos_id": 1},
        inputs=sentences,
        variants=(
            {},
            {"causal": False, "pool": "cls", "norm": "post", "embedding_norm": True, "segments": 2},
            {"causal": False, "pool": "pooler", "norm": "post"},
            {"causal": False, "pool": "map", "activation": "gelu_tanh"},
            {"pool": "last", "activation": "quick_gelu", "init": "clip"},
            {"causal": False, "pool": "mean", "norm": "post", "relative_buckets": 6},
            {"pool": "mean", "keep_last": 4},
            {
                "causal": False,
                "pool": "cls",
                "embedding_norm": True,
                "first_norm": False,
                "bias": False,
                "activation": "geglu",
                "rotary": Rotary(base=100.0, window=2, every=2),
                "relative_buckets": 4,
            },
        ),
        dropping=({"dropout": 0.3}, {"drop_path": 0.9}, {"drop_key": 0.5}),
        wrong_options=(
            ({"pool": "max"}, r"^pool='max' is not one of 'eot', "),
            ({"norm": "rms"}, r"^norm='rms' is not one of 'pre', 'post'$"),
            ({"keep_last": 4}, r"^keep_last=4 is of pool='mean': leave it out for pool='eot'"),
            ({"pool": "cls"}, r"^pool='cls' reads position 0, .* causal=False$"),
            ({"eos_id": 30}, r"^eos_id=30 is no id of .* vocab_size=30"),
            ({"length": 0}, r"^length=0: at least 1 is needed$"),
            ({"dropout": 2.0}, r"^dropout=2.0 is not in"),
            ({"relative_buckets": 5}, r"^relative_buckets=5: an even number of at least 4"),
            ({"rotary": Rotary(), "heads": 16}, r"rotary positions need heads .* divisible by 2$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 5)), r"type float\S+ where i32\[B, T\] is needed"),
            ({}, np.zeros((2, 10), np.int32), r"10 tokens for an encoder of length=9"),
        ),
    ),
)
