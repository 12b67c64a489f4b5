"""Finds the file of a recipe: by path, or by the name of a recipe of the package."""

import importlib.util
from pathlib import Path

from mmjax.errors import ConfigError, nearest

FOLDER = "configs"  # of recipes, in the working directory and in the package


def find(name: str) -> tuple[str, str]:
    """The file and the variant that a command line names.

    A file that exists is taken as it is named. Otherwise `clip`, `clip.py` and `configs/clip.py`
    are the recipe of that name in the folder `configs` here, or else in the package.

    Args:
      name: `clip`, `clip:paper`, `configs/clip.py:paper` or the path of any other file.

    Returns:
      (path of the file, the variant or an empty string).

    Raises:
      ConfigError: when there is no such recipe, with the nearest that there is.
    """
    path, _, variant = name.partition(":")
    if Path(path).is_file():
        return path, variant
    inside = _inside(path)
    for folder in (Path(FOLDER), packaged()):
        if inside is not None and (folder / inside).is_file():
            return str(folder / inside), variant
    raise ConfigError(f"there is no config file {path}{_hint(path)}")


def packaged() -> Path:
    """The folder of the recipes that come with the package."""
    spec = importlib.util.find_spec(f"mmjax.{FOLDER}")
    if spec is None or not spec.submodule_search_locations:
        return Path(FOLDER)  # an installation that leaves the recipes out
    return Path(next(iter(spec.submodule_search_locations)))


def recipes(folder: Path) -> list[Path]:
    """The files of a folder that are recipes, in order; what they share is left out."""
    return sorted(
        file for file in folder.glob("*.py") if file.stem != "base" and file.stem[0] != "_"
    )


def _inside(path: str) -> Path | None:
    """The place within a folder of recipes that a name or path means; None if it means none."""
    parts = Path(path).parts
    if ".." in parts:
        return None
    if len(parts) > 1 and parts[0] == FOLDER:
        parts = parts[1:]
    elif len(parts) != 1:
        return None
    inside = Path(*parts)
    return inside.with_suffix(".py") if inside.suffix in ("", ".py") and inside.name else None


def _hint(path: str) -> str:
    """What could have been meant: a file beside it, or a recipe by name."""
    given = Path(path)
    beside = sorted(file.name for file in given.parent.glob("*.py")) if given.suffix else []
    if near := nearest(given.name, beside):
        return f"; did you mean {given.parent / near}?"
    if _inside(path) is None:
        return ""
    folders = (folder for folder in (Path(FOLDER), packaged()) if folder.is_dir())
    near = nearest(given.stem, sorted({f.stem for folder in folders for f in recipes(folder)}))
    return f"; did you mean {near}?" if near else "; `mmjax recipes` lists what there is"
