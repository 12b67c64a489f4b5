"""Contrastive pretraining of joint embeddings of many modalities, in JAX and Flax NNX.

`mmjax.load(path)` gives a model to encode and search with; see `mmjax.api`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers
    from mmjax.api import Classified, Found, Model, load

    __version__: str

from mmjax import interrupts

if interrupts.is_command():
    interrupts.end_with_a_sentence()

__all__ = ["Classified", "Found", "Model", "__version__", "load"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a command's --help should not wait for jax.
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("mmjax")
        except metadata.PackageNotFoundError:
            return "(not installed)"
    if name in __all__:
        from mmjax import api

        return getattr(api, name)
    raise AttributeError(f"module 'mmjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
