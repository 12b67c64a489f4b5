"""What an encoder is tried with: its setting.

`encoder_settings/` has a file for each file of `mmjax/encoders/`; every file of that folder is
found by itself, and its `SETTINGS`, a tuple of `Setting`, go through all of `test_encoders_all.py`:
shapes, gradients, types, dropout, independence of examples, mistakes in one sentence. What is
special to an encoder is a test of its own beside it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mmjax.encoders import Encoder


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """A small encoder of a class, and inputs for it.

    Attributes:
      encoder: the class.
      small: options of a small one.
      inputs: `(rows, rng) -> batch`.
      variants: options in which it differs, for each a test of shapes and gradients.
      dropping: options with which it draws at random in training.
      wrong_options: (options, pattern of the message).
      wrong_inputs: (options, batch, pattern of the message).
      without: why it is not tried with the others; empty for one that is.
    """

    encoder: type[Encoder]
    small: Mapping[str, Any]
    _: dataclasses.KW_ONLY
    inputs: Callable[[int, np.random.Generator], np.ndarray]
    variants: tuple[Mapping[str, Any], ...] = ({},)
    dropping: tuple[Mapping[str, Any], ...] = ()
    wrong_options: tuple[tuple[Mapping[str, Any], str], ...] = ()
    wrong_inputs: tuple[tuple[Mapping[str, Any], np.ndarray, str], ...] = ()
    without: str = ""


def normal(*shape):
    """Batches of normal numbers, each example of this shape."""
    return lambda rows, rng: rng.normal(size=(rows, *shape))


def sentences(rows, rng):
    """Texts of different lengths: i32[rows, 9], of 30 words, where 1 ends one and 0 pads it."""
    ids = rng.integers(2, 30, (rows, 9), dtype=np.int32)
    for i, end in enumerate(rng.integers(2, 8, rows)):
        ids[i, end], ids[i, end + 1 :] = 1, 0
    return ids
