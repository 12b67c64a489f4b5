"""Compares runs: settings that differ, final numbers side by side, curves in one chart.

    mmjax compare runs/clip-... runs/siglip-...
    mmjax compare runs/clip_uniform-* --out=pages/temperatures.html

The tables are printed; the page has them, too, and the curves. Settings are those of `config.json`,
final numbers those of `summary.json` (of a run that goes on, the last that it wrote), curves those
of `metrics.jsonl`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmjax import cli


def main(arguments: Sequence[str]) -> int:
    """Prints the comparison and writes its page."""
    parser = argparse.ArgumentParser(
        "mmjax compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=Path, default=Path("compare.html"), help="the page to write")
    options = parser.parse_args(arguments)

    from mmjax.report import compare

    runs = compare.read(options.runs)
    cli.say("\n".join(compare.lines(runs)))
    for note in runs.notes:
        cli.say(f"  {note}")
    cli.say(f"\n  the curves: {compare.write(runs, options.out)}")
    return 0
