"""Throughput of the input pipeline on one core: examples per second of its parts and the whole.

    python -m mmjax.bench input --examples 512 --repeats 5

Seconds are CPU seconds of this process, so that what else the machine does counts little; several
threads or workers make as many times more as they have cores to themselves. `emoji` are the
embedded 64-pixel WebP images; `photo` is a synthetic 500 x 375 JPEG of a photograph's weight,
and `jpeg` the same, whole and at half its size, by every decoder that is installed.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import PIL
from PIL import Image

from mmjax.bench import timing
from mmjax.bench.decoders import Decode, decoders
from mmjax.data import SOURCES, TOKENIZERS, Source, TrainData, View
from mmjax.data.formats.images import EncodedImage
from mmjax.data.views import ImageView, TextView

# The augmentation that the recipes use most.
AUGMENT: dict[str, Any] = {
    "crop_scale": (0.5, 1.0),
    "flip": 0.5,
    "brightness": 0.2,
    "contrast": 0.2,
    "saturation": 0.2,
}


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench input", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--examples", type=int, default=512, help="emoji of each measurement")
    parser.add_argument("--photos", type=int, default=32, help="photographs of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, in which all take turns")
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args(arguments)
    if min(options.examples, options.photos, options.repeats) < 1:
        parser.error("--examples, --photos and --repeats must be at least 1")
    if options.examples > len(SOURCES["emoji"]()):
        parser.error(
            f"--examples can be at most {len(SOURCES['emoji']())}: so many emoji there are"
        )
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    about = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "pillow": PIL.__version__,
        "numpy": np.__version__,
        "examples": options.examples,
        "photos": options.photos,
        "repeats": options.repeats,
    }
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    rows = measure(options.examples, options.photos, options.repeats)
    print(timing.table(rows))
    if options.output:
        timing.save(options.output, about, rows)


def measure(examples: int, photos: int, repeats: int) -> list[dict[str, Any]]:
    """One row for each part: examples per CPU second (median and quartiles), microseconds each."""
    programs = {
        **{name: (examples, run) for name, run in _emoji(examples).items()},
        **{name: (photos, run) for name, run in _photos(photos).items()},
        **{name: (photos, run) for name, run in _decoders(photos).items()},
    }
    seconds = _cpu_seconds({name: run for name, (_, run) in programs.items()}, repeats)
    rows = []
    for name, (count, _) in programs.items():
        time_each = seconds[name]
        rows.append(
            {
                "part": name,
                "per second": round(count / time_each["median"]),
                "low": round(count / time_each["high"]),
                "high": round(count / time_each["low"]),
                "us each": round(1e6 * time_each["median"] / count, 1),
            }
        )
    return rows


def _cpu_seconds(
    functions: Mapping[str, Callable[[], Any]], repeats: int
) -> dict[str, dict[str, float]]:
    """As `timing.interleaved`, in CPU seconds of this process instead of seconds on the clock."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            begin = time.process_time()
            function()
            if repeat:  # the first round warms up
                seconds[name].append(time.process_time() - begin)
    return {name: timing.spread(values) for name, values in seconds.items()}


def _emoji(count: int) -> dict[str, Callable[[], Any]]:
    source = SOURCES["emoji"]()
    records = [source[i] for i in range(count)]
    text = TextView(tokenizer=TOKENIZERS["sentencepiece"](), length=24)
    plain = ImageView(size=64, **AUGMENT)
    keeps = ImageView(size=64, **AUGMENT, cache_decoded=True)
    for i in range(len(source)):
        for picture in source[i]["image"]:
            keeps(picture, None, False)
    rng = np.random.default_rng(0)
    return {
        "emoji: read": lambda: [source[i] for i in range(count)],
        "emoji: decode": lambda: [EncodedImage(r["image"][0], 10**6).decode() for r in records],
        "emoji: decode, augment to 64": lambda: [plain(r["image"], rng, True) for r in records],
        "emoji: augment kept pixels": lambda: [keeps(r["image"], rng, True) for r in records],
        "emoji: tokenize": lambda: [text(r["text"], rng, True) for r in records],
        "emoji: whole": _batches(source, {"image": plain, "text": text}, count),
        "emoji: whole, kept pixels": _batches(source, {"image": keeps, "text": text}, count),
    }


def _batches(source: Source, views: Mapping[str, View], size: int) -> Callable[[], Any]:
    """Makes the next batch at each call: order, reading, views and joining, in this thread."""
    data, steps = TrainData(source, views, batch_size=size, seed=0), itertools.count()
    return lambda: data[next(steps)]


def _photos(count: int) -> dict[str, Callable[[], Any]]:
    content = photo()
    plain = ImageView(size=224)
    augmented = ImageView(size=224, **AUGMENT)
    small = ImageView(size=64, **AUGMENT)
    rng = np.random.default_rng(0)
    turns = range(count)
    return {
        "photo: decode": lambda: [EncodedImage(content, 10**6).decode() for _ in turns],
        "photo: decode, resize to 224": lambda: [plain(content, None, False) for _ in turns],
        "photo: decode, augment to 224": lambda: [augmented(content, rng, True) for _ in turns],
        "photo: decode, augment to 64": lambda: [small(content, rng, True) for _ in turns],
    }


def _decoders(count: int) -> dict[str, Callable[[], Any]]:
    content = photo()
    return {
        f"jpeg: {name}, 1/{shrink}": partial(_each, decode, content, shrink, count)
        for name, decode in decoders().items()
        for shrink in (1, 2)
    }


def _each(decode: Decode, content: bytes, shrink: int, count: int) -> list[np.ndarray]:
    return [decode(content, shrink) for _ in range(count)]


def photo(width: int = 500, height: int = 375) -> bytes:
    """A JPEG with large smooth shapes and fine grain, as photographs have, some 45 kB."""
    rng = np.random.default_rng(0)
    shapes = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(shapes.resize((width, height), Image.Resampling.BICUBIC), float)
    pixels = pixels + 8 * rng.standard_normal((height, width, 1))
    content = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=85)
    return content.getvalue()
