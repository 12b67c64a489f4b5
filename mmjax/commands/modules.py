"""Commands of `mmjax` that `python -m` has, too: which module, and what a bare word means there.

`mmjax report RUN` is `python -m mmjax.report --workdir=RUN`: the module is run as the main program,
with the same words.
"""

import runpy
import sys
from collections.abc import Sequence
from typing import NamedTuple

from mmjax import cli
from mmjax.errors import nearest


class Module(NamedTuple):
    """A module that is a program.

    Attributes:
      name: of the module.
      words: the options that the first bare words are the values of; none leaves words as they are.
      example: words that do something.
    """

    name: str
    words: tuple[str, ...] = ()
    example: str = ""


MODULES = {
    "train": Module("mmjax.main", ("config",), "clip_uniform --config.steps=100"),
    "evaluate": Module("mmjax.evaluate", ("workdir",), "runs/clip_uniform-... --checkpoint=best"),
    "report": Module("mmjax.report", ("workdir",), "runs/clip_uniform-..."),
    "claims": Module("mmjax.claims", (), "clip_uniform"),
    "export": Module(
        "mmjax.export", ("workdir",), "runs/clip-... --format=hf --out=exports/clip-hf"
    ),
    "embed": Module("mmjax.embed", ("model",), "runs/clip-... --data=pairs.csv --out=pairs.npz"),
    "search": Module("mmjax.search", ("index", "query"), "pairs.npz 'a red kite' --top=5"),
    "explore": Module("mmjax.explore", ("model",), "runs/clip_uniform-..."),
    "beam": Module(
        "mmjax.beam", ("do",), "convert --data=shards --out=records --pipeline='--runner=...'"
    ),
    "bench": Module("mmjax.bench", (), "loss"),
}
DATA = {
    "validate": Module("mmjax.data.validate", (), "--data=captions.csv"),
    "convert": Module("mmjax.data.convert", (), "--data=captions.csv --out=shards"),
    "select": Module("mmjax.data.select", (), "--data=captions.csv --model=MODEL --out=scores.npz"),
    "index": Module("mmjax.data.index", (), "--data='shards/*.tar' --workers=8"),
    "train_tokenizer": Module(
        "mmjax.data.train_tokenizer", (), "--data=captions.csv --out=m.model"
    ),
}


def run(command: str, arguments: Sequence[str]) -> int:
    """Runs a command's module as the main program, which ends the process by itself if it fails.

    Args:
      command: a key of `MODULES`, or `data`, whose first word is a key of `DATA`.
      arguments: the other words.

    Returns:
      0, when the module came to its end.
    """
    module, arguments = MODULES.get(command), list(arguments)
    if module is None:
        part, *arguments = arguments or [""]
        command = f"{command} {part}"
        module = DATA.get(part)
        if module is None:
            return _which_of_data(part)
    if module.words and not arguments:
        cli.fail(f"{command} needs more words, such as: mmjax {command} {module.example}")
    # A benchmark has options of its own: `mmjax bench loss --help` is its to answer.
    if any(word in cli.HELP for word in arguments[: 1 if command == "bench" else None]):
        print(f"mmjax {command} {module.example}\n", flush=True)
        arguments = ["--help"]
    for place, name in enumerate(module.words[: len(arguments)]):
        if arguments[place].startswith("-"):
            break
        arguments[place] = f"--{name}={arguments[place]}"
    sys.argv[1:] = arguments
    # Also the place of the program's name: worker processes find their main module by it.
    runpy.run_module(module.name, run_name="__main__", alter_sys=True)
    return 0


def _which_of_data(part: str) -> int:
    if part in ("", *cli.HELP):
        for name, module in DATA.items():
            print(f"  mmjax data {name} {module.example}")
        return 0
    near = nearest(part, DATA)
    hint = f"; did you mean {near!r}?" if near else ""
    cli.fail(f"data has no {part!r}{hint} (valid: {', '.join(DATA)})")
