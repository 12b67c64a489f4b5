"""What configs of Hugging Face models have in common: keys left out, names of activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmjax.weights.files import WeightsError

ACTIVATIONS = {
    "gelu": "gelu",
    "quick_gelu": "quick_gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}
NAMES = {
    "gelu": "gelu",
    "quick_gelu": "quick_gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "relu": "relu",
}


class Options:
    """A section of a config.json whose missing keys have the defaults of its model's family.

    Args:
      section: the JSON object.
      defaults: what a key that is not there means.
      where: name of the section, for messages.
    """

    def __init__(self, section: Mapping[str, Any] | None, defaults: Mapping[str, Any], where: str):
        self._values, self._where = {**defaults, **(section or {})}, where

    def __getitem__(self, key: str) -> Any:
        value = self._values.get(key)
        if value is None:
            raise WeightsError(f"{self._where}: the key {key!r} is missing")
        return value

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._values.get(key)

    def size(self, key: str) -> int:
        """A whole number above 0."""
        value = self[key]
        if type(value) is not int or value < 1:
            raise WeightsError(f"{self._where}: {key}={value!r} should be a whole number above 0")
        return value

    def activation(self) -> str:
        """`hidden_act` by the name that it has here."""
        name = self["hidden_act"]
        if name not in ACTIVATIONS:
            raise WeightsError(
                f"{self._where}: the activation {name!r} is none of {', '.join(ACTIVATIONS)}"
            )
        return ACTIVATIONS[name]

    def image_size(self) -> tuple[int, int]:
        """`image_size`, one number or two, as (height, width)."""
        value = self["image_size"]
        pair = (value, value) if isinstance(value, int) else tuple(value)
        if len(pair) != 2 or any(type(n) is not int or n < 1 for n in pair):
            raise WeightsError(f"{self._where}: image_size={value!r} should be one or two numbers")
        return pair

    def only(self, key: str, value: Any, why: str) -> None:
        """Raises WeightsError unless an option has the only value that is supported."""
        if self._values.get(key) != value:
            raise WeightsError(f"{self._where}: {key}={self._values.get(key)!r} {why}")

    def transformer(self) -> dict[str, Any]:
        """The options that every transformer here takes."""
        return {
            "width": self.size("hidden_size"),
            "depth": self.size("num_hidden_layers"),
            "heads": self.size("num_attention_heads"),
            "mlp_width": self.size("intermediate_size"),
            "activation": self.activation(),
            "eps": float(self["layer_norm_eps"]),
        }
