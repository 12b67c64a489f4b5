"""Lengths of tokenized texts, where the padding behind them changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmjax.schema.registry import Spec

# Batches are cut to a multiple of this many tokens, so that few shapes are compiled.
_STEP = 16


def counts(encoder: Spec[Any]) -> bool:
    """Whether an encoder is of texts and gives the same without their padding."""
    if encoder.type != "text_transformer":
        return False
    spec = encoder.options
    if spec["pad_id"] == spec["eos_id"]:
        return False
    unseen = spec["mask_padding"] and spec["pool"] != "last"
    return bool(unseen or (spec["causal"] and spec["pool"] == "eot"))


def lengths(encoder: Spec[Any], ids: np.ndarray) -> np.ndarray:
    """Tokens of each text before its padding, at least 1: i[N] of ids i32[N, T]."""
    spec = encoder.options
    kept = ids != spec["pad_id"]
    if spec["pool"] == "eot":
        kept |= ids == spec["eos_id"]
    found: np.ndarray = np.where(kept.any(axis=1), ids.shape[1] - kept[:, ::-1].argmax(axis=1), 1)
    return found


def trimmed(encoder: Spec[Any], ids: np.ndarray) -> np.ndarray:
    """Texts without the padding that all of a batch have, where it changes nothing."""
    if not counts(encoder) or ids.ndim != 2 or not ids.size:
        return ids
    used = int(lengths(encoder, ids).max())
    return ids[:, : min(-(-used // _STEP) * _STEP, ids.shape[1])]
