"""Whisper's encoder."""

from encoder_harness import Setting, normal

from mmjax.encoders import Whisper
from mmjax.encoders.spectrogram import Spectrogram

SOUND = Spectrogram(
    rate=1000, window=32, hop=16, fft=32, mels=8, low=20.0, style="whisper", mean=-9.0, std=9.0
)

SETTINGS = (
    Setting(
        Whisper,
        {"samples": 320, "spectrogram": SOUND, "width": 16, "depth": 2, "heads": 2},
        inputs=normal(320),
        variants=({}, {"samples": 130, "fusion": "attention", "mask_padding": True}),
        wrong_options=(({"samples": 31}, r"^samples=31 are fewer than two frames of 16$"),),
    ),
)
