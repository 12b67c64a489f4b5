"""The vision transformer."""

import numpy as np
from encoder_harness import Setting, normal

from mmjax.encoders import ViT
from mmjax.encoders.relative import GridRotary

SETTINGS = (
    Setting(
        ViT,
        {"image_size": (16, 24), "patch": 8, "width": 16, "depth": 2, "heads": 2},
        inputs=normal(16, 24, 3),
        variants=(
            {},
            {"pool": "mean", "positions": "sincos", "registers": 2, "layer_scale": 0.1},
            {"pool": "map", "activation": "swiglu", "bias": False, "init": "xavier"},
            {"stem": "conv", "pre_norm": True, "patch_bias": False, "init": "clip"},
            {"positions": "none", "rotary": GridRotary(), "registers": 1},
            {"pool": "map", "pool_heads": 4, "rotary": GridRotary(100.0, "index", (3, 4))},
        ),
        dropping=(
            {"dropout": 0.3},
            {"drop_path": 0.9},
            {"drop_key": 0.5},
            {"patch_dropout": 0.5, "pool": "mean"},
        ),
        wrong_options=(
            ({"patch": 5}, r"^image_size=\(16, 24\) is not divisible by patch=5$"),
            ({"patch": 0}, r"^patch=0: at least 1"),
            ({"heads": 3}, r"^heads=3 does not divide width=16$"),
            ({"depth": 0}, r"^depth=0: at least 1 is needed$"),
            ({"pool": "max"}, r"^pool='max' is not one of 'cls', 'mean', 'map'$"),
            (
                {"positions": "rope"},
                r"^positions='rope' is not one of 'learned', 'sincos', 'none'$",
            ),
            ({"stem": "patches"}, r"^stem='patches' is not one of"),
            ({"stem": "conv", "patch": 12, "image_size": (24, 24)}, r"^patch=12: .* power of 2$"),
            ({"positions": "sincos", "width": 18}, r"^width=18: sincos positions .* by 4$"),
            ({"activation": "swish"}, r"^activation='swish' is not one of 'gelu', "),
            ({"init": "he"}, r"^init='he' is not one of 'trunc_normal', 'clip', 'xavier'$"),
            ({"remat": "all"}, r"^remat='all' is not one of 'none', 'full', "),
            ({"drop_path": -0.1}, r"^drop_path=-0.1 is not in \[0, 1\)$"),
            ({"patch_dropout": 1}, r"^patch_dropout=1 is not in \[0, 1\)$"),
            (
                {"rotary": GridRotary(), "heads": 8},
                r"rotary positions need heads .* divisible by 4$",
            ),
            ({"rotary": GridRotary(), "patch_dropout": 0.5}, r"without patch_dropout$"),
            ({"registers": -1}, r"^registers=-1 is negative: give 0 for none$"),
        ),
        wrong_inputs=(
            ({}, np.zeros((2, 16, 24, 1)), r"shape \(2, 16, 24, 1\) where \[B, H, W, 3\]"),
            ({}, np.zeros((2, 24, 24, 3)), r"images of \(24, 24\) .* learned positions for \(16"),
            ({"positions": "sincos"}, np.zeros((2, 20, 24, 3)), r"divisible by patch=8"),
        ),
    ),
)
