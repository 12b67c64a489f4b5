"""Training steps of a CLIP model, here and in open_clip on PyTorch: time, memory, and its parts.

    python -m mmjax.bench step --model ViT-B-32 --batch 16 --repeats 7 --parts

One step is forward, backward and AdamW in float32 on the CPU. Each framework runs in a process of
its own; they take turns in one run, so that what else the machine does falls on all of them, and
beside the time on the clock stand CPU seconds. `unrolled` is mmjax with its layers unrolled instead
of scanned. `--parts` times the pieces of the step alone (`mmjax.bench.step_parts`), in turns with
the steps. Needs the extra `torch` for open_clip: pip install 'mmjax[torch]'.
"""

import argparse
import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmjax.bench import timing
from mmjax.bench.step_models import MODELS
from mmjax.bench.turns import Worker

UNROLLED = ("model.towers.image.encoder.scan=False", "model.towers.text.encoder.scan=False")
CONTENDERS = ("mmjax", "unrolled", "open_clip")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmjax.bench step", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model", choices=MODELS, default="ViT-B-32")
    parser.add_argument("--batch", type=int, default=16, help="examples in a step")
    parser.add_argument("--repeats", type=int, default=7, help="rounds, in which all take turns")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="which to compare")
    parser.add_argument("--parts", action="store_true", help="time the pieces of the step, too")
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the recipe of mmjax's step",
    )
    parser.add_argument("--output", help="JSON file to write")
    options = parser.parse_args(arguments)
    options.contenders = options.contenders.split(",")
    for name in options.contenders:
        if name not in CONTENDERS:
            parser.error(f"unknown contender {name!r}: choose from {', '.join(CONTENDERS)}")
    if options.parts and "mmjax" not in options.contenders:
        parser.error("--parts are those of mmjax: add it to --contenders")
    if min(options.batch, options.repeats) < 1:
        parser.error("--batch and --repeats must be at least 1")
    if "open_clip" in options.contenders:
        needs_open_clip(parser, "mmjax,unrolled")
    return options


def needs_open_clip(parser: argparse.ArgumentParser, others: str) -> None:
    """Ends the command where it is not installed; `others` are what it may be run with."""
    if importlib.util.find_spec("open_clip") is None:
        parser.error(
            "open_clip is not installed: pip install 'mmjax[torch]', or leave it out with "
            f"--contenders={others}"
        )


Times = Mapping[tuple[str, str], Mapping[str, float]]


def take_turns(workers: Mapping[str, Worker], repeats: int) -> tuple[Times, Times]:
    """Seconds on the clock and CPU seconds of what each worker can run, by rounds in which all do.

    Returns:
      Two of (worker, what) -> median and quartiles.
    """
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for name, worker in workers.items():
            for what in worker.names:
                taken.setdefault((name, what), []).append(worker.run(what))
    clock, cpu = (
        {key: timing.spread([both[i] for both in values]) for key, values in taken.items()}
        for i in (0, 1)
    )
    return clock, cpu


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    shape = [options.model, str(options.batch)]
    commands = {
        "mmjax": ("mmjax.bench.step_mmjax", [*shape, *options.config]),
        "unrolled": ("mmjax.bench.step_mmjax", [*shape, *options.config, *UNROLLED]),
        "open_clip": ("mmjax.bench.step_open_clip", shape),
        "parts": ("mmjax.bench.step_mmjax", [*shape, "parts", *options.config]),
    }
    chosen = [*options.contenders, *(["parts"] if options.parts else [])]
    workers = {name: Worker(*commands[name]) for name in chosen}
    clock, cpu = take_turns(workers, options.repeats)
    peaks = {name: workers[name].peak() for name in options.contenders}
    about = {
        "model": options.model,
        "batch": options.batch,
        "cores": os.cpu_count(),
        "repeats": options.repeats,
        **{name: worker.about for name, worker in workers.items()},
    }
    for worker in workers.values():
        worker.close()

    rows = steps(clock, cpu, peaks, about)
    print(timing.table(rows))
    if options.parts:
        pieces = [
            {**row, "cpu": other["seconds"], "cpu share": other["share"]}
            for row, other in zip(breakdown(clock, about), breakdown(cpu, about), strict=True)
        ]
        print()
        print(timing.table(pieces))
        rows += pieces
    if options.output:
        timing.save(options.output, about, rows)


def steps(
    clock: Times, cpu: Times, peaks: Mapping[str, int], about: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One row for each contender: seconds of a step, CPU seconds, examples per second, memory."""
    return [
        {
            "step": name,
            **clock[name, "step"],
            "cpu": cpu[name, "step"]["median"],
            "examples/s": about["batch"] / clock[name, "step"]["median"],
            "peak GB": peaks[name] / 1e9,
            "parameters": about[name]["parameters"],
        }
        for name in peaks
    ]


def breakdown(times: Times, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each kind of piece: seconds in a step and share of the step.

    `at the ceiling` is what the model's products would take at the speed of a large square one;
    its share is how much of the ceiling the step reaches.
    """
    from mmjax.bench.step_parts import CEILING

    of_step = times["mmjax", "step"]["median"]
    counts = about["parts"]["counts"]
    kinds: dict[str, float] = {}
    for part, count in counts.items():
        if count:
            kind = part.split(" [")[0]
            kinds[kind] = kinds.get(kind, 0.0) + count * times["parts", part]["median"]
    rate = 2 * CEILING**3 / times["parts", "ceiling"]["median"]
    table = {
        "step": of_step,
        "at the ceiling": about["mmjax"]["flops"] / rate,
        **kinds,
        "between the parts": of_step - sum(kinds.values()),
    }
    return [
        {"part": name, "seconds": value, "share": value / of_step} for name, value in table.items()
    ]
