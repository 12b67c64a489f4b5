"""EfficientNet-Lite, whose sizes are fixed."""

from encoder_harness import Setting, normal

from mmjax.encoders import EfficientNetLite

SETTINGS = (
    Setting(
        EfficientNetLite,
        {},
        inputs=normal(32, 32, 3),
        without="fifty layers at its smallest: test_efficientnet.py has tests of its own",
    ),
)
