"""Transformers of spectrograms."""

from encoder_harness import Setting, normal

from mmjax.encoders import SpectrogramTransformer

SETTINGS = (
    Setting(
        SpectrogramTransformer,
        {
            "frames": 12,
            "mels": 10,
            "patch": 4,
            "stride": (4, 3),
            "width": 16,
            "depth": 2,
            "heads": 2,
        },
        inputs=normal(12, 10),
    ),
)
