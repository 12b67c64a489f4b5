"""The command `mmjax`: the list of its subcommands, and their modules.

    mmjax train clip_uniform
    mmjax recipes audio
    mmjax words info_nce

A command is a module of `mmjax.commands` with a function `main(arguments)`, or one that
`python -m` runs (`mmjax.commands.modules`). It is imported when it is asked for, so that `--help`
does not wait for jax.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import mmjax
from mmjax import cli
from mmjax.commands import modules
from mmjax.errors import UserError, exit_code, nearest


class Command(NamedTuple):
    """A line of the list.

    Attributes:
      usage: what follows `mmjax`, in short.
      about: what it does, in a few words.
      module: that has `main(arguments)`; empty for those of `mmjax.commands.modules`.
    """

    usage: str
    about: str
    module: str = ""


GROUPS: dict[str, dict[str, Command]] = {
    "Train and evaluate": {
        "train": Command("train RECIPE [--config.KEY=VALUE]", "trains a recipe, or resumes"),
        "evaluate": Command("evaluate RUN", "runs the evaluators of a run on a checkpoint"),
        "report": Command("report RUN", "regenerates the report of a run"),
        "compare": Command(
            "compare RUN RUN ...",
            "settings, final numbers and curves of runs side by side",
            "mmjax.commands.compare",
        ),
        "claims": Command("claims RECIPE ...", "runs the experiment behind a recipe's claim"),
    },
    "Look up": {
        "recipes": Command(
            "recipes [WORD ...]", "all recipes, or those of these words", "mmjax.commands.recipes"
        ),
        "words": Command(
            "words [NAME]",
            "all words of recipes (encoders, terms, ...), or one with its options",
            "mmjax.commands.words",
        ),
        "doctor": Command(
            "doctor", "whether all that is needed is installed", "mmjax.commands.doctor"
        ),
    },
    "Use a model": {
        "explore": Command("explore RUN|INDEX", "writes a page to look around among embeddings"),
        "embed": Command("embed MODEL --data=DATA --out=FILE", "embeds data"),
        "search": Command("search INDEX QUERY", "finds what is nearest to a text or an image"),
        "export": Command(
            "export RUN --format=F --out=DIR",
            "exports to transformers, open_clip, safetensors or StableHLO",
        ),
    },
    "Data and speed": {
        "data": Command(
            "data validate|convert|index|...", "checks, converts or indexes data; makes a tokenizer"
        ),
        "beam": Command("beam convert|validate|embed ...", "the same as a pipeline of Apache Beam"),
        "bench": Command("bench input|loss|step|search", "measures speed and memory"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the words name.

    Args:
      argv: the words after `mmjax`; None takes those of the process.

    Returns:
      The exit code.
    """
    name, *arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        if arguments and arguments[0] in COMMANDS:
            return main([arguments[0], "--help"])
        print(overview())
        return 0
    if name in ("-V", "--version"):
        print(f"mmjax {mmjax.__version__}")
        return 0
    if name not in COMMANDS:
        near = nearest(name, COMMANDS)
        hint = f"did you mean {near!r}? " if near else ""
        cli.fail(f"there is no command {name!r}; {hint}`mmjax --help` lists them")
    try:
        if not (module := COMMANDS[name].module):
            return modules.run(name, arguments)
        return importlib.import_module(module).main(arguments) or 0
    except BrokenPipeError:  # what read the output has ended: `mmjax words | head`
        sys.stderr.close()
        return 0
    except (UserError, OSError) as error:
        if (code := exit_code(error)) is None:
            raise
        cli.fail(error, code)


def overview() -> str:
    """The list of all commands."""
    width = max(len(command.usage) for command in COMMANDS.values())
    lines = [
        f"mmjax {mmjax.__version__}: contrastive pretraining of joint embeddings, in JAX and Flax"
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        for command in commands.values():
            lines.append(f"  mmjax {command.usage.ljust(width)}  {command.about}")
    lines += [
        "",
        "`mmjax COMMAND --help` has the options of one. A RECIPE is a name (clip_uniform),",
    ]
    lines += ["a name and a variant (clip_uniform:paper), or a file (configs/clip.py:paper)."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
