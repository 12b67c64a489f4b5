"""Lists the components that a recipe can use, or describes one.

    mmjax words                 # every word, by kind
    mmjax words encoder         # the words of one kind
    mmjax words info_nce        # options with types and defaults, docstring, source, recipes

A word is what `type` names in a recipe: an encoder, a term of the objective, a view, a source. Its
options are the arguments of the class or function that it stands for.
"""

import argparse
import functools
import inspect
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mmjax.commands.recipes import every
from mmjax.errors import ConfigError, nearest
from mmjax.recipe.find import packaged
from mmjax.recipe.words import REGISTRIES
from mmjax.schema.registry import Registry
from mmjax.schema.values import describe


class Kind(NamedTuple):
    """Words that can stand in one place of a recipe.

    Attributes:
      place: where such a word stands.
      words: that there are.
      also: keys that every such word has in a recipe, besides its arguments: key -> what it is.
    """

    place: str
    words: Registry[Any]
    also: Mapping[str, str] = MappingProxyType({})

    @property
    def name(self) -> str:
        """Of the kind, `encoder`."""
        return self.words.kind


_OF_TERMS = {
    "weight": "1.0 by default (a float, or a schedule: see mmjax.schema.schedule.Schedule)",
    "head": "None by default (one of the towers' `heads`, in place of `head`: a string; or a dict, "
    "a name for each view)",
    "where": "None by default (a dict {label: value}: the only rows that the term sees)",
}
_OF_VIEWS = {
    "field": "what stands before '@' in the view's name by default (a string: of the record that "
    "it reads)",
    "tower": "True by default (a boolean: whether towers embed it; False for what only terms read)",
    "train": "True by default (a boolean: whether batches of training hold it)",
}


_OF_FUSIONS = {
    "inputs": "has to be given (a tuple of names: the outputs of towers that are fused)",
    "also": "{} by default (a dict {label: inputs}: further outputs with the same parameters)",
}


_BESIDE = {"term": _OF_TERMS, "view": _OF_VIEWS, "fusion": _OF_FUSIONS}
_PLACES = {
    "term": "objectives.NAME",
    "encoder": "model.towers.MODALITY.encoder",
    "head": "model.towers.MODALITY.head",
    "fusion": "model.fusions.NAME",
    "adapter": "model.adapters.NAME",
    "augmentation": "model.towers.MODALITY.augment",
    "teacher": "teacher",
    "evaluator": "evaluators.TYPE.NAME",
    "source": "data.source",
    "view": "data.views.MODALITY",
    "tokenizer": "data.tokenizer",
    "decoder": "evaluators.generation.NAME.decoders.NAME",
    "attack": "evaluators.attack.NAME.by",
}


def kinds() -> list[Kind]:
    """All registries there are."""
    return [
        Kind(_PLACES[name], registry, _BESIDE.get(name, {}))
        for name, registry in REGISTRIES.items()
    ]


def listing(chosen: Sequence[Kind], width: int) -> list[str]:
    """Every word of some kinds with the first sentence of its docstring."""
    longest = max(len(word) for kind in chosen for word in kind.words)
    lines = []
    for kind in chosen:
        lines += ["", f"{kind.name}: {len(kind.words)} words for `{kind.place}`"]
        for word, made in kind.words.items():
            meaning = " ".join((inspect.getdoc(made) or "").partition("\n\n")[0].split())
            short = textwrap.shorten(meaning, max(20, width - longest - 4), placeholder=" ...")
            lines.append(f"  {word.ljust(longest)}  {short}")
    return lines[1:]


def entry(word: str, kind: Kind, width: int) -> list[str]:
    """All about one word."""
    made = kind.words[word]
    lines = [f"{word}: {_article(kind.name)}, in a recipe: {kind.place}", ""]
    lines += (inspect.getdoc(made) or "").splitlines()
    options = kind.words.options(word).items()
    said = {name: _option(*option) for name, option in options} | dict(kind.also)
    if said:
        lines += ["", "Options:"]
    longest = max(map(len, said), default=0)
    for name, text in said.items():
        lines += textwrap.wrap(
            f"  {name.ljust(longest)}  {text}", width, subsequent_indent=" " * (longest + 4)
        )
    if used := _used_by(word):
        lines += ["", *textwrap.wrap(f"`{word}` in recipes: {', '.join(used)}", width)]
    return [*lines, "", f"Source: {_place(made)}"]


def _option(annotation: Any, default: Any) -> str:
    """Default and type of an argument."""
    needed = default is inspect.Parameter.empty
    value = "has to be given" if needed else f"{default!r} by default"
    return f"{value} ({describe(annotation)})"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _place(made: Callable[..., Any]) -> str:
    """File and line of a class or function."""
    made = inspect.unwrap(made)
    try:
        return f"{inspect.getsourcefile(made)}:{inspect.getsourcelines(made)[1]}"
    except (TypeError, OSError):  # made on the fly
        return made.__module__


def _used_by(word: str) -> list[str]:
    """Recipes of the package whose default variant has the word."""
    return [name for name, words in _recipes() if word in words]


@functools.cache
def _recipes() -> list[tuple[str, frozenset[str]]]:
    return [(each.name, each.words) for each in every(packaged())[0]]


def main(arguments: Sequence[str]) -> int:
    """Prints the words, or one of them."""
    parser = argparse.ArgumentParser(
        "mmjax words", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="a word, or a kind of words")
    name = parser.parse_args(arguments).name
    width = min(shutil.get_terminal_size().columns, 120)
    every_kind = kinds()
    of_kind = [kind for kind in every_kind if name in (None, kind.name, f"{kind.name}s")]
    entries = [entry(name, kind, width) for kind in every_kind if name in kind.words]
    if not of_kind and not entries:
        words = {word for kind in every_kind for word in (kind.name, *kind.words)}
        near = nearest(name, sorted(words))
        hint = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"there is no word {name!r}{hint} (`mmjax words` lists all)")
    for number, lines in enumerate(entries):
        print("\n".join(["", "=" * width, ""] * (number > 0) + lines))
    if of_kind:
        print("\n".join(["", *listing(of_kind, width)] if entries else listing(of_kind, width)))
        print("\nOne with its options: mmjax words NAME")
    return 0
