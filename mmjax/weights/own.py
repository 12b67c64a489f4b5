"""Towers of a run, or of an export, of this package, as weights that another run starts from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmjax.model.config import TowerConfig
from mmjax.weights import foreign, keymap
from mmjax.weights.files import Folder, Tensors
from mmjax.weights.keymap import Foreign, Part
from mmjax.weights.preprocessing import Specs

_ASIDE = (
    (r"objectives/.*", "of an objective term"),
    (r"codebooks/.*|adapters/.*|trunks/.*|towers/[^/]+/heads/.*", "no part of encoder and head"),
)


class OwnWeights(foreign.Weights):
    """The towers of a run or an export.

    Args:
      path: the folder.
      towers: modality -> tower, by its config.
      prepared: its views and its tokenizer.
      arrays: path -> array, of all variables; empty where only the config is asked for.
      log_scale: logarithm of the logit scale, None where there is none, or it is not known.
      bias: of the logits, or None.
      has_bias: whether they have one.
      scale_comes_late: whether they have a scale that only the arrays know.
    """

    def __init__(
        self,
        path: str,
        towers: Mapping[str, TowerConfig],
        prepared: Specs,
        arrays: Mapping[str, np.ndarray],
        log_scale: float | None,
        bias: float | None,
        *,
        has_bias: bool = False,
        scale_comes_late: bool = False,
    ):
        self.folder, self.config, self.native = Folder(path), {}, "mmjax"
        self._arrays, self._prepared = arrays, prepared
        self._scale_and_bias, self._has_bias = (log_scale, bias), has_bias
        self.scale_comes_late = scale_comes_late
        self._foreign = Foreign(
            "mmjax", {m: _part(m, t) for m, t in towers.items()}, None, None, _ASIDE
        )

    @property
    def has_bias(self) -> bool:
        """Whether its logits have a bias."""
        return self._has_bias

    @property
    def tensors(self) -> Tensors:
        """All variables by path."""
        return Tensors(self._arrays, self.folder.path)

    def specs(self, *parts: str, kind: str | None = None) -> Specs:
        """The views and the tokenizer of the run."""
        return self._prepared

    def scale_and_bias(self) -> tuple[float | None, float | None]:
        """The logarithm of the logit scale, and the logit bias, where they are known."""
        return self._scale_and_bias


def _part(name: str, tower: TowerConfig) -> Part:
    paths = foreign.tower_shapes(tower.encoder, tower.head)
    rules = [rule for path in paths for rule in keymap.same(path, f"towers/{name}/{path}")]
    return Part(tower.encoder.plain(), tower.head.plain(), tuple(rules))
