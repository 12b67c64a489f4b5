"""Commands of `mmjax` that `python -m` has, too: which module, and what a bare word means there.

`mmjax report RUN` is `python -m mmjax.report --workdir=RUN`: the module is run as the main program,
with the same words.
"""

import importlib
import importlib.util
import inspect
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
      word: the option that a first bare word is the value of; empty leaves words as they are.
      example: words that do something.
    """

    name: str
    word: str = ""
    example: str = ""


MODULES = {
    "train": Module("mmjax.main", "config", "clip_uniform --config.steps=100"),
    "evaluate": Module("mmjax.evaluate", "workdir", "runs/clip_uniform-... --checkpoint=best"),
    "report": Module("mmjax.report", "workdir", "runs/clip_uniform-..."),
    "claims": Module("mmjax.claims", "", "clip_uniform"),
    "export": Module("mmjax.export", "workdir", "runs/clip-... --format=hf --out=exports/clip-hf"),
    "embed": Module("mmjax.embed", "model", "runs/clip-... --data=pairs.csv --out=pairs.npz"),
    "bench": Module("mmjax.bench", "", "loss"),
}
DATA = {
    "validate": Module("mmjax.data.validate", "", "--data=captions.csv"),
    "convert": Module("mmjax.data.convert", "", "--data=captions.csv --out=shards"),
    "train_tokenizer": Module(
        "mmjax.data.train_tokenizer", "", "--data=captions.csv --out=m.model"
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
    if module.word and not arguments:
        cli.fail(f"{command} needs more words, such as: mmjax {command} {module.example}")
    # A benchmark has options of its own: `mmjax bench loss --help` is its to answer.
    if any(word in ("-h", "--help") for word in arguments[: 1 if command == "bench" else None]):
        return _help(command, module)
    if module.word and not arguments[0].startswith("-"):
        arguments[0] = f"--{module.word}={arguments[0]}"
    sys.argv[1:] = arguments
    # Also the place of the program's name: worker processes find their main module by it.
    runpy.run_module(module.name, run_name="__main__", alter_sys=True)
    return 0


def _which_of_data(part: str) -> int:
    if part in ("", "-h", "--help"):
        for name, module in DATA.items():
            print(f"  mmjax data {name} {module.example}")
        return 0
    near = nearest(part, DATA)
    hint = f"; did you mean {near!r}?" if near else ""
    cli.fail(f"data has no {part!r}{hint} (valid: {', '.join(DATA)})")


def _help(command: str, module: Module) -> int:
    """What the module says of itself, its options, and an example."""
    from absl import flags

    from mmjax.commands import data_source

    found = importlib.import_module(module.name)
    if hasattr(found, "__path__"):  # a package, whose program is beside
        apart = importlib.util.find_spec(f"{module.name}.main") is not None
        found = importlib.import_module(f"{module.name}.{'main' if apart else '__main__'}")
    # `mmjax.data.validate` only hands on what `mmjax.commands.validate` is.
    own = inspect.getmodule(getattr(found, "main", None)) or found
    print(f"mmjax {command} {module.example}\n\n{inspect.getdoc(own)}")
    for name, about in getattr(own, "BENCHMARKS", {}).items():
        print(f"  {name:8}{about}")
    options = flags.FLAGS.get_key_flags_for_module(own.__name__)
    if any(value is data_source for value in vars(own).values()):
        options += flags.FLAGS.get_key_flags_for_module(data_source.__name__)
    if options:
        print("\nOptions:")
    for flag in options:
        print(f"  --{flag.name}: {flag.help}")
    return 0
