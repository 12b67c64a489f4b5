"""Contrastive pretraining of joint embeddings of many modalities, in JAX and Flax NNX.

`mmjax.load(path)` gives a model to encode and search with; see `mmjax.api`.
"""

from typing import Any

from mmjax import interrupts

if interrupts.is_command():
    interrupts.end_with_a_sentence()

__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a command's --help should not wait for jax.
    if name in __all__:
        from mmjax import api

        return getattr(api, name)
    raise AttributeError(f"module 'mmjax' has no attribute {name!r}")
