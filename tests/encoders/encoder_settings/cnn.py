"""Plain convolutional networks."""

from encoder_harness import Setting, normal

from mmjax.encoders import ConvNet

SETTINGS = (
    Setting(
        ConvNet,
        {"image_size": (16, 24), "widths": (8, 16), "width": 12},
        inputs=normal(16, 24, 3),
        variants=(),
    ),
)
