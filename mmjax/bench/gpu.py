"""Training steps of CLIP models on one GPU, here and in open_clip: images/s, MFU and memory.

    python -m mmjax.bench gpu --models ViT-B-32:1024,ViT-B-16:512,ViT-L-14:128

One step is forward, backward and AdamW, with parameters in float32 and products in bfloat16, on a
batch that is on the card. `mmjax` keeps what products make and computes the rest again in the
backward pass, `kept` keeps everything, as `open_clip` does, which runs by `torch.compile` with
autocast and PyTorch's own fused attention. Each is a process of its own, and they take turns on the
card; memory is what arrays and programs have held at most. MFU counts the FLOPs of the model, the
same for all, and divides by the card's peak in bfloat16. Needs the extra `torch` for open_clip:
pip install 'mmjax[torch]', and a jax with CUDA. With `--device cpu` it tries itself.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from mmjax.bench import timing
from mmjax.bench.step import needs_open_clip, take_turns
from mmjax.bench.step_models import MODELS
from mmjax.bench.turns import Worker

DEFAULT = "ViT-B-32:1024,ViT-B-16:512,ViT-L-14:128"
CONTENDERS = ("mmjax", "kept", "open_clip")
KEPT = tuple(f"model.towers.{tower}.encoder.remat='none'" for tower in ("image", "text"))
# Both frameworks share the card, so neither may take all of it before it needs it.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench gpu", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--models", default=DEFAULT, help="MODEL:BATCH of each, with commas")
    parser.add_argument("--repeats", type=int, default=20, help="rounds, in which all take turns")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="which to compare")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args(arguments)
    options.contenders = options.contenders.split(",")
    for name in options.contenders:
        if name not in CONTENDERS:
            parser.error(f"unknown contender {name!r}: choose from {', '.join(CONTENDERS)}")
    if "mmjax" not in options.contenders:
        parser.error("MFU is by mmjax's count of the model's FLOPs: add it to --contenders")
    models = []
    for each in options.models.split(","):
        name, _, batch = each.partition(":")
        if name not in MODELS or not batch.isdigit() or int(batch) < 1:
            parser.error(f"--models: {each!r} is not MODEL:BATCH with one of {', '.join(MODELS)}")
        models.append((name, int(batch)))
    options.models = models
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    if "open_clip" in options.contenders:
        needs_open_clip(parser, "mmjax,kept")
    return options


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    about: dict[str, Any] = {"repeats": options.repeats}
    for model, batch in options.models:
        found, about[model] = _measured(model, batch, options)
        rows += found
    print(timing.table(rows))
    if options.output:
        timing.save(options.output, about, rows)


def _measured(
    model: str, batch: int, options: argparse.Namespace
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of one model, and what the frameworks say of themselves."""
    shape, own = [model, str(batch)], [f"device={options.device}", "model.dtype=bfloat16"]
    commands = {
        "mmjax": ("mmjax.bench.step_mmjax", [*shape, *own]),
        "kept": ("mmjax.bench.step_mmjax", [*shape, *own, *KEPT]),
        "open_clip": ("mmjax.bench.step_open_clip", [*shape, f"device={options.device}", "amp"]),
    }
    workers = {name: Worker(*commands[name], SHARED) for name in options.contenders}
    clock = take_turns(workers, options.repeats)[0]
    peaks = {name: worker.peak() for name, worker in workers.items()}
    about = {name: worker.about for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    flops, peak = (about["mmjax"][key] for key in ("flops", "peak flops"))
    rows = []
    for name in options.contenders:
        times = clock[name, "step"]
        mfu = None if peak is None else flops / times["median"] / peak
        rate = batch / times["median"]
        rows.append(
            {"model": model, "batch": batch, "step": name, **times, "images/s": rate, "MFU": mfu,
             "peak GB": peaks[name] / 1e9}
        )  # fmt: skip
    return rows, about
