"""The numbers of the codes that a quantizing head gives, and how often each occurs."""

import jax
import jax.numpy as jnp

from mmjax.model.base import Head
from mmjax.model.embedding import Embedding
from mmjax.schema.names import modality_of
from mmjax.system.system import System

MOST = 2**16  # codes whose shares are held for every example


def numbers(system: System, modality: str, embedding: Embedding) -> jax.Array:
    """f32[B, T], the number of the code of each token, -1 at padding; of a vector f32[B, 1].

    Raises:
      ValueError: for a tower whose head does not quantize.
    """
    quantized = embedding.quantized
    if quantized is None:
        raise ValueError(
            f"the tower of {modality!r} has no 'numbers' of codes; give it a head that quantizes, "
            "such as 'fsq'"
        )
    head = _head(system, modality)
    found = head.numbers(quantized.continuous, system.codebooks).astype(jnp.float32)
    if found.ndim == 1:
        return found[:, None]
    mask = None if embedding.encoding is None else embedding.encoding.mask
    return found if mask is None else jnp.where(mask, found, -1.0)


def shares(system: System, modality: str, embedding: Embedding) -> jax.Array:
    """f32[B, K], the share that each code has in an example's tokens: rows of sum 1.

    Raises:
      ValueError: for a tower whose head does not quantize, or into too many codes.
    """
    found, codes = numbers(system, modality, embedding), _head(system, modality).codes
    if codes > MOST:
        raise ValueError(
            f"the head of {modality!r} has {codes:,} codes, of which no shares can be held: "
            f"measure the codes themselves, or give it at most {MOST:,}"
        )
    there = (found >= 0).astype(jnp.float32)
    rows = jnp.arange(len(found))[:, None]
    counted = jnp.zeros((len(found), codes)).at[rows, found.astype(jnp.int32)].add(there)
    return counted / jnp.maximum(there.sum(1, keepdims=True), 1.0)


def _head(system: System, modality: str) -> Head:
    head: Head = system.towers[modality_of(modality)].head
    return head
