"""The network of ready-made tokens."""

from encoder_harness import Setting, normal

from mmjax.encoders import TokenMLP

SETTINGS = (
    Setting(
        TokenMLP,
        {"inputs": 6, "hidden": (12,), "width": 8},
        inputs=normal(5, 6),
        variants=({}, {"pool": "max", "activation": "relu"}),
    ),
)
