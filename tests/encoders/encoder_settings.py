"""Options of a small encoder of each kind."""

import structure_settings

from mmjax.encoders import (
    CNN14,
    MLP,
    AudioTransformer,
    ConvNet,
    Identity,
    ResNet,
    TextTransformer,
    ViT,
)
from mmjax.encoders.ast import SpectrogramTransformer
from mmjax.encoders.gru import TextGRU
from mmjax.encoders.htsat import HTSAT
from mmjax.encoders.signal import SignalTransformer
from mmjax.encoders.signal_resnet import SignalResNet
from mmjax.encoders.spectrogram import Spectrogram
from mmjax.encoders.tokens import TokenMLP

SOUND = Spectrogram(rate=1000, window=32, hop=16, fft=32, mels=8, low=20.0)
SMALL = {
    **structure_settings.SMALL,
    ViT: {"image_size": (16, 24), "patch": 8, "width": 16, "depth": 2, "heads": 2},
    TextTransformer: {
        "vocab_size": 30,
        "length": 9,
        "width": 16,
        "depth": 2,
        "heads": 2,
        "eos_id": 1,
    },
    TextGRU: {
        "vocab_size": 30,
        "length": 9,
        "embedding": 4,
        "hidden": 4,
        "attention": 3,
        "eos_id": 1,
    },
    ResNet: {
        "image_size": (16, 24),
        "block": "basic",
        "blocks": (1, 2),
        "widths": (8, 16),
        "stem": "patch4",
    },
    ConvNet: {"image_size": (16, 24), "widths": (8, 16), "width": 12},
    MLP: {"inputs": 6, "hidden": (12, 10), "width": 8},
    Identity: {"inputs": 6},
    TokenMLP: {"inputs": 6, "hidden": (12,), "width": 8},
    HTSAT: {
        "frames": 16,
        "mels": 4,
        "patch": 3,
        "stride": 1,
        "width": 8,
        "depths": (2, 1),
        "heads": (2, 2),
        "window": 4,
    },
    AudioTransformer: {
        "samples": 320,
        "spectrogram": SOUND,
        "patch": 4,
        "stride": (3, 4),
        "width": 16,
        "depth": 2,
        "heads": 2,
    },
    CNN14: {"samples": 320, "spectrogram": SOUND, "widths": (8, 12)},
    SignalTransformer: {
        "channels": 3,
        "length": 40,
        "patch": 4,
        "width": 16,
        "depth": 2,
        "heads": 2,
    },
    SignalResNet: {"channels": 3, "blocks": (1, 1), "widths": (8, 16), "stem": "patch"},
    SpectrogramTransformer: {
        "frames": 12,
        "mels": 10,
        "patch": 4,
        "stride": (4, 3),
        "width": 16,
        "depth": 2,
        "heads": 2,
    },
}
