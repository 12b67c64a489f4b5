"""Towers of shared trunks, which are tried with one: tests/train/test_trunks.py."""

from encoder_harness import Setting, normal

from mmjax.encoders import ENCODERS, TrunkTokens

SETTINGS = (
    Setting(
        TrunkTokens,
        {
            "stem": ENCODERS.spec("token_mlp", inputs=6, width=8),
            "trunk": "shared",
            "width": 8,
            "length": 5,
        },
        inputs=normal(5, 6),
        without="it runs through a trunk, which the System has",
    ),
)
