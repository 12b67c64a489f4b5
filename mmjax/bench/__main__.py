"""`python -m mmjax.bench NAME [options]`."""

import importlib
import sys

BENCHMARKS = {
    "input": "examples per second of decoding, augmenting, tokenizing and the whole pipeline",
    "loss": "time and memory of the InfoNCE loss under every schedule",
    "step": "time and memory of a training step beside open_clip's, and where the time goes",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in BENCHMARKS:
        print("usage: python -m mmjax.bench NAME [options], where NAME is one of", file=sys.stderr)
        for name, about in BENCHMARKS.items():
            print(f"  {name:8}{about}", file=sys.stderr)
        return 2
    importlib.import_module(f"mmjax.bench.{arguments[0]}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
