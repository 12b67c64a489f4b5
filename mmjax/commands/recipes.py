"""Lists the recipes, with their papers, modalities and variants.

    mmjax recipes                   # all
    mmjax recipes audio text        # those that have all of these words
    mmjax recipes --folder=mine     # the recipes in another folder

A word is looked for in the name, the paper, the modalities, the types of components (`info_nce`,
`resnet`, ...) and what the recipe's file says of itself; a recipe's own name comes first.
"""

import argparse
import shutil
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NamedTuple

from mmjax import cli
from mmjax.errors import ConfigError, nearest
from mmjax.recipe.find import packaged, recipes


class About(NamedTuple):
    """What is to be known of a recipe.

    Attributes:
      name: its file's name.
      paper: as the recipe cites it.
      modalities: that have a tower.
      variants: that one can ask for, without those of claims.
      claim: whether an experiment stands behind it.
      text: what its file says of itself.
      words: the types of its components.
    """

    name: str
    paper: str
    modalities: tuple[str, ...]
    variants: tuple[str, ...]
    claim: bool
    text: str
    words: frozenset[str]

    def has(self, word: str) -> bool:
        """Whether a word, in any case, is somewhere in it."""
        texts = (self.name, self.paper, *self.modalities, *self.variants, *self.words, self.text)
        return any(word.lower() in text.lower() for text in texts)


def about(file: Path) -> About:
    """Reads one recipe; its config is made, and not checked.

    Raises:
      ConfigError: for a file that is no recipe.
    """
    text, variants, config = _read(file)
    return About(
        name=file.stem,
        paper=str(config.get("paper", "")),
        modalities=tuple(config.get("model", {}).get("towers", {})),
        variants=tuple(name for name in variants if not name.startswith("claim")),
        claim=any(name.startswith("claim") for name in variants)
        or (file.parent / "claims" / file.name).is_file(),
        text=text,
        words=frozenset(_types(config)),
    )


def _read(file: Path) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """Docstring, variants and the default variant's config of a recipe's file."""
    module = types.ModuleType(f"mmjax_recipe_{file.stem}")
    loader = SourceFileLoader(module.__name__, str(file))
    module.__file__, module.__loader__ = str(file), loader
    try:
        loader.exec_module(module)
        make = module.get_config
        variants = tuple(getattr(make, "variants", ("small",)))
        return module.__doc__ or "", variants, make(variants[0])
    except Exception as error:  # a recipe is code of anyone's
        raise ConfigError(f"{file} is no recipe: {type(error).__name__}: {error}") from error


def _types(config: Any) -> Iterator[str]:
    """The values of `type`, at any depth."""
    if hasattr(config, "items"):
        for key, value in config.items():
            if key == "type" and isinstance(value, str):
                yield value
            yield from _types(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _types(value)


def every(folder: Path) -> tuple[list[About], list[str]]:
    """The recipes of a folder, and a sentence for each that cannot be read."""
    found, trouble = [], []
    for file in recipes(folder):
        try:
            found.append(about(file))
        except ConfigError as error:
            trouble.append(str(error))
    return found, trouble


def table(found: Sequence[About], width: int) -> list[str]:
    """The recipes as lines of text; long papers are broken."""
    heads = ("recipe", "modalities", "variants", "paper")
    rows = [
        (
            each.name,
            ", ".join(each.modalities),
            ", ".join((*each.variants, *(("claim",) if each.claim else ()))),
            each.paper,
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    # What is too long for a line of the terminal goes on in the next one.
    widths[1], widths[2] = min(widths[1], 20), min(widths[2], 20)
    widths[3] = max(30, width - sum(widths[:3]) - 3 * 2)
    lines = []
    for row in (heads, *rows):
        cells = [textwrap.wrap(cell, w) or [""] for cell, w in zip(row, widths, strict=True)]
        for place in range(max(map(len, cells))):
            parts = [
                (cell[place] if place < len(cell) else "").ljust(w)
                for cell, w in zip(cells, widths, strict=True)
            ]
            lines.append("  ".join(parts).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def main(arguments: Sequence[str]) -> int:
    """Prints the table of the recipes that have all the words; 1 if there is none."""
    parser = argparse.ArgumentParser(
        "mmjax recipes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="all of them have to be in a recipe")
    parser.add_argument("--folder", type=Path, help="of recipes; by default those of the package")
    options = parser.parse_args(arguments)
    folder = packaged() if options.folder is None else options.folder
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}")
    found, trouble = every(folder)
    for sentence in trouble:
        cli.say(f"left out: {sentence}")
    chosen = [each for each in found if all(each.has(word) for word in options.words)]
    chosen.sort(key=lambda each: (each.name not in options.words, each.name))
    if not chosen:
        known = {word for each in found for word in (each.name, *each.modalities, *each.words)}
        near = [nearest(word, sorted(known)) for word in options.words]
        hint = " ".join(word for word in near if word)
        cli.say(
            f"no recipe has {' and '.join(options.words) or 'been found'}"
            + (f"; did you mean: mmjax recipes {hint}" if hint else "")
        )
        return 1
    cli.say("\n".join(table(chosen, min(shutil.get_terminal_size().columns, 140))))
    cli.say(f"\n{len(chosen)} of {len(found)} recipes. Train one: mmjax train {chosen[0].name}")
    return 0
