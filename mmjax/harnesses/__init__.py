"""Models of this package as models of other people's benchmarks."""

from types import ModuleType

from mmjax.cli import fail
from mmjax.extras import MissingExtra, needs


def needed(package: str, extra: str, what: str, module: str) -> ModuleType:
    """A package that a module here cannot be defined without, as by `mmjax.extras.needs`.

    Args:
      package, extra, what: as of `needs`.
      module: the module's `__name__`; one that is run as a program ends with the sentence.

    Raises:
      MissingExtra: if it is not installed, where the module is imported.
    """
    try:
        return needs(package, extra, what)
    except MissingExtra as error:
        if module == "__main__":
            fail(error)
        raise
