"""The hierarchical transformer of sounds."""

from encoder_harness import Setting, normal

from mmjax.encoders import HTSAT

SETTINGS = (
    Setting(
        HTSAT,
        {
            "frames": 16,
            "mels": 4,
            "patch": 3,
            "stride": 1,
            "width": 8,
            "depths": (2, 1),
            "heads": (2, 2),
            "window": 4,
        },
        inputs=normal(13, 4),
        dropping=({"drop_path": 0.9},),
    ),
)
