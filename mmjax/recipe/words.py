"""All words of recipes by kind, and those that a recipe defines itself.

A recipe's own file, or a module or file that its key `imports` names, may register words:

    from mmjax.objectives import TERMS
    TERMS.register("my_loss", MyLoss)

A run writes down what it imports, so that the words are there when it is resumed or loaded.
"""

import importlib
import importlib.util
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from mmjax.attacks import ATTACKS
from mmjax.data.registry import SOURCES, TOKENIZERS, VIEWS
from mmjax.decoding import DECODERS
from mmjax.encoders import ENCODERS
from mmjax.errors import ConfigError
from mmjax.evaluators import EVALUATORS
from mmjax.model.adapters import ADAPTERS
from mmjax.model.augment import AUGMENTATIONS
from mmjax.model.fusions import FUSIONS
from mmjax.model.heads import HEADS
from mmjax.objectives import TERMS
from mmjax.schema.registry import Registry
from mmjax.schema.values import fits, plain
from mmjax.system.teachers import TEACHERS

REGISTRIES: Mapping[str, Registry[Any]] = {
    registry.kind: registry
    for registry in (
        TERMS, ENCODERS, HEADS, FUSIONS, ADAPTERS, AUGMENTATIONS, TEACHERS, EVALUATORS, SOURCES,
        VIEWS, TOKENIZERS, DECODERS, ATTACKS,
    )
}  # fmt: skip

# Of the names of modules that are recipes' own files.
_PREFIX = "mmjax_recipe_"


def options(kind: str, name: Any) -> dict[str, tuple[Any, Any]]:
    """The options of a word, name -> (annotation, default); none of a word that there is not."""
    registry = REGISTRIES[kind]
    return registry.options(name) if isinstance(name, str) and name in registry else {}


def outside(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the words that a recipe uses and that are not of this package come from.

    Args:
      tree: the recipe's keys, plain.

    Returns:
      Names of modules, and absolute paths of recipes' own files, as `load` takes them.
    """
    used, found = set(_types(tree)), []
    for registry in REGISTRIES.values():
        for name, word in registry.items():
            module = word.__module__
            if name in used and module.partition(".")[0] != __name__.partition(".")[0]:
                file = getattr(sys.modules.get(module), "__file__", None)
                found.append(file if module.startswith(_PREFIX) and file else module)
    return tuple(dict.fromkeys(found))


def _types(tree: Any) -> Iterator[str]:
    """Every `type` of a tree, and every type of evaluators."""
    if isinstance(tree, Mapping):
        if isinstance(tree.get("type"), str):
            yield tree["type"]
        if isinstance(tree.get("evaluators"), Mapping):
            yield from tree["evaluators"]
        for value in tree.values():
            yield from _types(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from _types(value)


def imported(tree: Mapping[str, Any], file: str) -> tuple[str, ...]:
    """The key `imports` of a recipe that has not been checked yet.

    Raises:
      ConfigError: when it is no tuple of names.
    """
    names = plain(tree.get("imports", ()))
    if not fits(names, tuple[str, ...]):
        raise ConfigError(f"{file}: 'imports' should be a tuple of strings, but is {names!r}")
    return tuple(names)


def load(imports: Iterable[str], file: str) -> None:
    """Imports the modules of the words of a recipe.

    Args:
      imports: names of modules, or paths of Python files (which end in `.py`).
      file: of the recipe, for messages.

    Raises:
      ConfigError: for what is not there, or cannot be imported.
    """
    for name in imports:
        try:
            if name.endswith(".py"):
                module_of(Path(name))
            else:
                importlib.import_module(name)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{file}: 'imports' names {name!r}, where words of the recipe are registered, and "
                f"it cannot be imported ({type(error).__name__}: {error})"
            ) from error


def check_outside(imports: Iterable[str], folder: Path, file: str) -> None:
    """Refuses code that lies in the folder of a run or an export, which may be anyone's.

    Args:
      imports: as `load` takes them.
      folder: that is read.
      file: in it, for messages.

    Raises:
      ConfigError: for a file in the folder.
    """
    for name in imports:
        path = Path(name).resolve()
        if name.endswith(".py") and path.is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{file}: 'imports' names {name}, which is inside of the folder that is read: code "
                "is not taken from there. Put the file elsewhere and name it so"
            )


def module_of(file: Path) -> ModuleType:
    """A Python file as a module, executed again.

    Raises:
      ConfigError: when there is no such file.
    """
    if not file.is_file():
        raise ConfigError(f"there is no file {file}, where words of the recipe are registered")
    # Of the path, too: recipes of one name in two folders are two.
    name = f"{_PREFIX}{file.stem}_{zlib.crc32(str(file.absolute()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, file.absolute())
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    cloudpickle.register_pickle_by_value(module)  # processes that make batches cannot import it
    spec.loader.exec_module(module)
    return module
