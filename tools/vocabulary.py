"""Writes docs/vocabulary.md: every word that a recipe can use, and where its code is.

    python tools/vocabulary.py            # writes the page
    python tools/vocabulary.py --check    # ends with 1 if the page is not as new

A word is a key of a registry dict; what it means is the first paragraph of its docstring, and its
options are the arguments of its constructor.
"""

import argparse
import inspect
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mmjax.data import SOURCES, TOKENIZERS, VIEWS
from mmjax.encoders import ENCODERS
from mmjax.evaluators import EVALUATORS
from mmjax.model.adapters import ADAPTERS
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.heads import HEADS
from mmjax.objectives import TERMS
from mmjax.schema.registry import Registry
from mmjax.schema.values import signature
from mmjax.system.teachers import TEACHERS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "vocabulary.md"

# Where a word stands in a recipe, and the words for it.
SECTIONS: tuple[tuple[str, str, Registry], ...] = (
    ("Objective terms", "`objectives.NAME`", TERMS),
    ("Encoders", "`model.towers.MODALITY.encoder`", ENCODERS),
    ("Heads", "`model.towers.MODALITY.head`, and `heads.NAME`", HEADS),
    ("Adapters", "`model.adapters.NAME`", ADAPTERS),
    ("Augmentation on the device", "`model.towers.MODALITY.augment`", AUGMENTATIONS),
    ("Teachers", "`teacher`", TEACHERS),
    ("Evaluators", "`evaluators.TYPE.NAME`", EVALUATORS),
    ("Sources", "`data.source`, and `source` of an evaluator", SOURCES),
    ("Views", "`data.views.MODALITY`", VIEWS),
    ("Tokenizers", "`data.tokenizer`", TOKENIZERS),
)

HEAD = """# Vocabulary

Every word of a recipe: a component is a dict with its `type`, and its options are the arguments of
the class or function that the word links to, whose docstring has the formula and the source. An
option without a value has to be given. How words make a recipe: [recipes.md](recipes.md).

This page is written by `tools/vocabulary.py`.
"""


def page() -> str:
    """The whole page in Markdown."""
    parts = [HEAD]
    for title, place, registry in SECTIONS:
        parts += [f"## {title}\n", f"In a recipe: {place}.\n"]
        parts += ["| type | is | options |", "| --- | --- | --- |"]
        parts += [f"| {' | '.join(row(*item, registry.provided))} |" for item in registry.items()]
        parts.append("")
    return "\n".join(parts)


def row(word: str, made: Callable, given: Collection[str] = ()) -> tuple[str, str, str]:
    """The cells of a word: its name with a link, its meaning, its options without those `given`."""
    file = Path(inspect.getsourcefile(made)).resolve().relative_to(ROOT)
    meaning = " ".join((inspect.getdoc(made) or "").partition("\n\n")[0].split())
    if not meaning:
        raise ValueError(f"{made.__qualname__} ({file}), the word {word!r}, has no docstring")
    options = [
        name if default is inspect.Parameter.empty else f"{name}={_short(default)}"
        for name, (_, default) in signature(made).items()
        if name not in given
    ]
    options.sort(key=lambda option: "=" in option)  # what has to be given comes first
    return (
        f"[`{word}`](../{file.as_posix()})",
        meaning.replace("``", "`").replace("|", "\\|"),
        ", ".join(f"`{option}`".replace("|", "\\|") for option in options),
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    text = page()
    if arguments.check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit(f"{PAGE.relative_to(ROOT)} is old: python tools/vocabulary.py writes it anew")
        return
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
