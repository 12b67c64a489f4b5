"""Token probe: a linear map that says of every token whether it belongs to what is asked for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmjax.evaluators import linear_solvers
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import CountOrZero, Factor, Fraction


class TokenProbe(Evaluator):
    """Linear segmentation probe: ridge regression of masks from frozen tokens, by Dice.

    The tokens of the source `train`, all of all its records, are fitted to +1 where the mask covers
    more than `above` of a token and to -1 elsewhere, with an intercept; of the tested source a
    token whose value is above 0 is taken. Its resolution is that of the tokens.

    Metrics, over all tokens of all records together: `Dice`, 2 |A and B| / (|A| + |B|); `IoU`;
    `accuracy`; `chance`, the Dice of taking every token; `tokens`, how many.

    Args:
      mask: field of the records, T shares in [0, 1] of each token, or an array of them.
      modality: whose tokens.
      layers: of the tower, side by side, as the embedder names layers of tokens: `encoder.tokens`,
        `tokens` of the head, `NAME.encoder.tokens` of the level that a further head takes.
      alpha: penalty of the squared weights, beside the sum of squared errors; not of the intercept.
      above: the share from which on a token belongs to the mask.
      skip: how many tokens at the start are no parts, such as 1 for [CLS].
    """

    further = ("train",)

    def __init__(
        self,
        *,
        mask: LabelRef = "mask",
        modality: ViewRef = "image",
        layers: tuple[str, ...] = ("encoder.tokens",),
        alpha: Factor = 1.0,
        above: Fraction = 0.0,
        skip: CountOrZero = 0,
    ):
        if not layers:
            raise ValueError("token_probe: name at least one layer")
        self.mask, self.modality, self.layers = mask, modality, layers
        self.alpha, self.above, self.skip = alpha, above, skip

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Both sources have the modality with its mask."""
        return {name: options[name] for name in ("mask", "modality")}

    def __call__(
        self, model: Model, data: EvalData, mesh: Any = None, *, train: EvalData
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        x, inside = self._tokens(model, train)
        if inside.all() or not inside.any():
            raise EvaluationError(
                f"token_probe: {self.mask!r} of 'train' covers {int(inside.sum())} of "
                f"{len(inside)} tokens, so that there is nothing to tell apart"
            )
        mean, y = x.mean(0), np.where(inside, 1.0, -1.0)
        found = linear_solvers.fit(
            "ridge", x - mean, (y - y.mean())[:, None], np.random.default_rng(0), self.alpha
        )
        tested, truth = self._tokens(model, data)
        assert found.query is not None
        taken = ((tested - mean) @ found.query)[:, 0] + y.mean() > 0
        return {
            **_overlap(taken, truth),
            "accuracy": float((taken == truth).mean()),
            "chance": _overlap(np.ones_like(truth), truth)["Dice"],
            "tokens": float(len(truth)),
        }

    def _tokens(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Tokens f64[N T, sum of widths] and which the mask covers, bool[N T]."""
        parts: list[np.ndarray] = []
        masks: Any = None
        for layer in self.layers:
            found = embed(model, data, (self.modality,), layer=layer)[self.modality]
            masks = np.stack([self._mask(own) for own in found.fields])
            tokens = masks.shape[1] + self.skip
            if found.unit.shape[1] % tokens:
                raise EvaluationError(
                    f"token_probe: {self.mask!r} has {masks.shape[1]} numbers, but the layer "
                    f"{layer!r} of {self.modality!r} is not made of as many tokens and "
                    f"skip={self.skip}"
                )
            own: Any = found.unit.reshape(len(found), tokens, -1)[:, self.skip :]
            parts.append(own.reshape(-1, own.shape[2]).astype(np.float64))
        return np.concatenate(parts, axis=1), masks.reshape(-1) > self.above

    def _mask(self, fields: Mapping[str, Any]) -> np.ndarray:
        """f64[T] of a record."""
        mask = np.asarray(fields.get(self.mask, ()), np.float64).reshape(-1)
        if not mask.size:
            raise EvaluationError(f"token_probe: {fields['key']} has no mask {self.mask!r}")
        return mask


def _overlap(taken: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Dice and IoU of two sets of tokens; 1 where both are empty."""
    both, either = int((taken & truth).sum()), int((taken | truth).sum())
    if not either:
        return {"Dice": 1.0, "IoU": 1.0}
    return {"Dice": 2 * both / (both + either), "IoU": both / either}
