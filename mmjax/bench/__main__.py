"""`python -m mmjax.bench NAME [options]`."""

import importlib
import sys

from mmjax import cli
from mmjax.bench.turns import WorkerError

BENCHMARKS = {
    "gpu": "images per second, MFU and memory of training steps on a GPU, beside open_clip's",
    "index": "a start over thousands of tar shards: seconds, memory, and reads at random",
    "input": "examples per second of decoding, augmenting, tokenizing and the whole pipeline",
    "loss": "time and memory of the InfoNCE loss under every schedule",
    "search": "recall and latency of searching an index, exactly and by a graph",
    "step": "time and memory of a training step beside open_clip's, and where the time goes",
}


def main(arguments: list[str]) -> int:
    name, *options = arguments or [""]
    if name in cli.HELP:
        print(_usage())
        return 0
    if name not in BENCHMARKS:
        print(_usage(), file=sys.stderr)
        return 2
    try:
        importlib.import_module(f"mmjax.bench.{name}").main(options)
    except WorkerError as error:
        print(f"bench {name}: {error}", file=sys.stderr)
        return 1
    return 0


def _usage() -> str:
    lines = ["usage: python -m mmjax.bench NAME [options], where NAME is one of"]
    return "\n".join([*lines, *(f"  {name:8}{about}" for name, about in BENCHMARKS.items())])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
