"""Towers of any modalities in one space, for one's own data and two CPU cores."""

from collections.abc import Mapping
from itertools import combinations

from mmjax.configs.common.data import data, image
from mmjax.configs.common.evaluators import retrieval
from mmjax.configs.common.optimizers import adamw
from mmjax.configs.common.recipe import recipe
from mmjax.configs.common.towers import linear_head, tiny_resnet, tiny_text, towers

Part = tuple[dict, dict]  # the view of a modality and its encoder


def joint(source: Mapping, parts: Mapping[str, Part], batch_size: int = 32) -> dict:
    """InfoNCE between all pairs of some modalities, and retrieval among the held-out rows.

    Args:
      source: of the training rows.
      parts: view -> (view, encoder); a further view `image@second` has the encoder of the first.
      batch_size: of training.
    """
    pairs = tuple(combinations(parts, 2))
    views = {name: view for name, (view, _) in parts.items()}
    texts = any(view["type"] == "text" for view in views.values())
    tokenizer = tiny_text("emoji_8k", 1).tokenizer if texts else None
    return recipe(
        "Radford et al. 2021, CLIP, arXiv 2103.00020",
        steps=600,
        data=data(source, batch_size, tokenizer, **views),
        towers=towers(
            linear_head(128),
            **{name: encoder for name, (_, encoder) in parts.items() if "@" not in name},
        ),
        objectives={"clip": dict(type="info_nce", pairs=pairs, temperature=0.07)},
        optimizer=adamw(1e-3, weight_decay=0.1, warmup_steps=50, clip_norm=1.0),
        evaluators=[retrieval("held_out", "val", pairs=pairs, alternatives="all")],
        evaluate_every=200,
    )


def small_image(size: int = 64) -> Part:
    """Images and a small ResNet; colours and left and right may have a meaning."""
    changes = dict(crop_scale=(0.8, 1.2), crop_ratio=(0.9, 1.1), brightness=0.2, contrast=0.2)
    view = image(size, **changes, interpolation="bilinear", cache_decoded=True)
    return view, tiny_resnet(size, "patch8", 64)


def small_text(length: int = 32) -> Part:
    """Texts, of several captions one at random, and a small transformer."""
    made = tiny_text("emoji_8k", length, width=128, caption="random")
    return made.view, made.encoder


def small_audio(seconds: int = 4, rate: int = 16_000) -> Part:
    """Some seconds of a sound and a small CNN14, with SpecAugment's masks."""
    masks = dict(time_masks=1, time_width=12, mel_masks=1, mel_width=4)
    encoder = dict(
        type="cnn14",
        samples=rate * seconds,
        spectrogram=dict(rate=rate, window=800, hop=400, fft=1024, mels=32, high=None),
        augment=dict(gain=6.0, shift=(-0.02, 0.2), **masks),
        widths=(16, 32, 64),
    )
    view = dict(type="audio", rate=rate, length=rate * seconds, normalize=True, cache_decoded=True)
    return view, encoder


def small_video(frames: int = 8, size: int = 32) -> Part:
    """Some frames of a clip and a small transformer over them."""
    sizes = dict(patch=8, width=64, depth=2, heads=4, temporal_depth=1, init="xavier")
    encoder = dict(type="frame_transformer", frames=frames, image_size=(size, size), **sizes)
    return dict(type="video", frames=frames, size=size, crop_scale=(0.7, 1.0)), encoder


def small_series(channels: int = 3, length: int = 256) -> Part:
    """Windows of a series of any rate, standardized, and a small residual network."""
    augment = dict(scale=(0.9, 1.1), noise=0.05)
    view = dict(
        type="signal", channels=channels, length=length, normalize="zscore", augment=augment
    )
    sizes = dict(stem="patch", patch=4, blocks=(1, 1), widths=(48, 96))
    return view, dict(type="signal_resnet", channels=channels, **sizes)


def small_ecg(seconds: int = 10, rate: float = 100.0) -> Part:
    """Twelve leads and a small residual network."""
    augment = dict(scale=(0.9, 1.1), wander=0.1, drop_channels=0.05)
    view = dict(type="ecg", length=round(seconds * rate), rate=rate, augment=augment)
    sizes = dict(stem="patch", patch=4, blocks=(1, 1, 1), widths=(48, 64, 96))
    return view, dict(type="signal_resnet", channels=12, channels_first=True, **sizes)


def small_points(count: int = 256) -> Part:
    """Points of a cloud or a surface and a small PointNet."""
    view = dict(type="points", count=count, scale=0.15, jitter=0.01)
    return view, dict(type="point_net", widths=(64, 64, 256), hidden=(128,), width=128)
