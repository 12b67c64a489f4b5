"""Layers of an output: what embedders give of it besides its embedding, by name."""

import re
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mmjax.model.codebook import CodebookHead
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.schema.names import modality_of
from mmjax.system.system import System

TOKENS, ENCODER = "tokens", "encoder"
Waiting = Callable[[], np.ndarray]  # for devices that compute


def small(system: System, modality: str, embedding: Embedding) -> dict[str, jax.Array]:
    """The layers that are computed with every batch, name -> f[B, D]."""
    return {
        "unit": embedding.unit,
        "raw": embedding.raw,
        **({} if embedding.encoding is None else {ENCODER: embedding.encoding.pooled}),
        **_codes(system, modality, embedding),
        **_continuous(embedding),
        **{head: own.unit for head, own in (embedding.heads or {}).items()},
    }


def tokens(embedding: Embedding, modality: str, head: str = "") -> jax.Array:
    """f32[B, T D], the tokens of an output, those of padding zero.

    Args:
      embedding: of the output.
      modality: its name, for errors.
      head: a further head, `encoder` before any head, or `NAME.encoder` before a further one.

    Raises:
      ValueError: for a tower that gives no tokens.
    """
    for part in head.split(".") if head else ():
        if part != ENCODER:
            embedding = (embedding.heads or {})[part]
        elif embedding.encoding is not None:
            embedding = embedding._replace(tokens=embedding.encoding.tokens)
    if embedding.tokens is None or embedding.encoding is None:
        raise ValueError(
            f"layer={f'{head}.{TOKENS}' if head else TOKENS!r}: the tower of {modality!r} gives no "
            "tokens; give it a head with tokens=True"
        )
    mask, found = embedding.encoding.mask, embedding.tokens
    found = found if mask is None else jnp.where(mask[..., None], found, 0.0)
    return found.reshape(len(found), -1)


def side_by_side(found: Sequence[tuple[float, jax.Array]]) -> Waiting:
    """Of (weight, layer) f[B, D] what waits for f32[B, Σ D], whose cosine is the weighted mean."""
    for _, array in found:
        array.copy_to_host_async()

    def wait() -> np.ndarray:
        arrays = [np.asarray(array, np.float32) for _, array in found]
        if len(arrays) == 1:
            return arrays[0]
        total = sum(weight for weight, _ in found) ** 0.5
        scaled = [x * np.float32(w**0.5) for (w, _), x in zip(found, arrays, strict=True)]
        joined: np.ndarray = np.concatenate(scaled, 1) / total
        return joined

    return wait


def weighted(part: str) -> tuple[float, str]:
    """(weight, layer) of a part of a layer's name, `0.7*unit` or `unit`."""
    weight, star, name = part.rpartition("*")
    if not star:
        return 1.0, name
    if not re.fullmatch(r"\d*\.?\d+", weight) or not float(weight) > 0:
        raise ValueError(f"layer: {weight!r} of {part!r} should be a number above 0")
    return float(weight), name


def _continuous(embedding: Embedding) -> dict[str, jax.Array]:
    """{'continuous': f32[B, D]}, unit rows, of a tower whose head quantizes one vector."""
    if embedding.quantized is None or embedding.quantized.continuous.ndim != 2:
        return {}
    return {"continuous": unit_norm(embedding.quantized.continuous)}


def _codes(system: System, modality: str, embedding: Embedding) -> dict[str, jax.Array]:
    """{'codes': f32[B, K]} of a tower whose head has a codebook."""
    tower = dict(system.towers).get(modality_of(modality))
    if tower is None or embedding.encoding is None or not isinstance(tower.head, CodebookHead):
        return {}
    head = tower.head
    table = system.codebooks[head.codebook].table[...]
    return {"codes": head.weights(embedding.encoding, table)}
