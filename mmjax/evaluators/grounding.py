"""Phrase grounding: whether the parts of an image most like a phrase are those it names."""

import functools
import math
from typing import Any

import numpy as np

from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.looks import Look, Row, few
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero, NonNegative

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


class Grounding(Evaluator):
    """Phrase grounding: the similarity map of a phrase over the parts of an item, and its region.

    With the cosines s_t of the phrase with the tokens of the item in the joint space, whose head
    has `tokens=True`, and the region R of the tokens that show it:

      cnr: contrast-to-noise ratio, mean of (m_R - m_O) / sqrt(v_R + v_O), of the means and
        variances of s inside R and outside (Boecking et al. 2022, arXiv 2204.09817, who take its
        absolute value, which an inverted map has, too: `cnr_absolute`).
      pointing: share of the items whose largest s_t is in R (Zhang et al. 2016, arXiv 1608.00507);
        `chance_pointing`, the mean share of tokens in R.
      mIoU: of R and the tokens where s, scaled from 0 to 1, is at least a threshold; the mean over
        the thresholds 0.1, 0.2, 0.3, 0.4 and 0.5.
      examples: how many.

    Prompts of several kinds can be mixed: with `also` the map is the sum of those of `text` and of
    further views, each with tokens of its own where `parts` or `heads` say so (Zou et al. 2023,
    arXiv 2304.06718, SEEM).

    Args:
      region: field of the records, T numbers 0 or 1, or an array of them, row by row.
      modality: of the items.
      text: of the phrases, or another view that one looks for by.
      also: further such views; a record counts that has all.
      parts: view -> another view than `modality` whose tokens it is compared with.
      heads: view -> the further head of the tower of the items whose tokens these are.
      skip: how many tokens at the start are no parts, such as 1 for [CLS].
      grid: (rows, columns) of the tokens, for smoothing.
      smooth: standard deviation in tokens of a Gaussian by which maps are smoothed; 0 for none.
    """

    def __init__(
        self,
        *,
        region: LabelRef = "region",
        modality: ViewRef = "image",
        text: ViewRef = "text",
        also: tuple[ViewRef, ...] = (),
        parts: dict[ViewRef, ViewRef] | None = None,
        heads: dict[ViewRef, str] | None = None,
        skip: CountOrZero = 0,
        grid: tuple[Count, Count] | None = None,
        smooth: NonNegative = 0.0,
    ):
        if smooth and grid is None:
            raise ValueError(f"grounding: smooth={smooth} needs the 'grid' of the tokens")
        self.prompts, self.parts, self.heads = (text, *also), parts or {}, heads or {}
        for name, given in (("parts", self.parts), ("heads", self.heads)):
            if not set(given) <= set(self.prompts):
                raise ValueError(f"grounding: {name}={given} names others than {self.prompts}")
        self.region, self.modality, self.text = region, modality, text
        self.skip, self.grid, self.smooth = skip, grid, smooth
        self.pair = (modality, text)

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        maps, regions, *_ = self._maps(model, data)
        return measures(maps, regions)

    def look(self, model: Model, data: EvalData) -> Look:
        """The maps of a few phrases beside their regions."""
        maps, regions, tokens, phrases, a, b = self._maps(model, few(data))
        shape = self.grid or _square(maps.shape[1])
        rows = [
            Row(
                tokens,
                int(place),
                text=str(phrases.raw(int(phrase))),
                maps={f"cosines {own.min():.2f} to {own.max():.2f}": own.reshape(shape)},
                region=region.reshape(shape),
            )
            for own, region, place, phrase in zip(maps, regions, a, b, strict=True)
        ]
        note = "The parts of an item that are most like a phrase, bright, and in the frame those "
        return Look("where phrases are found", note + "that it names.", tuple(rows))

    def _maps(
        self, model: Model, data: EvalData
    ) -> tuple[np.ndarray, np.ndarray, Embedded, Embedded, np.ndarray, np.ndarray]:
        """Maps f64[N, T], regions bool[N, T]; tokens and phrases, and of each pair its places."""
        maps: Any = 0.0
        pairs = [(self._tokens(model, data, prompt), embed(model, data, (prompt,))[prompt])
                 for prompt in self.prompts]  # fmt: skip
        rows = functools.reduce(np.intersect1d, (own.rows for pair in pairs for own in pair))
        if not len(rows):
            raise EvaluationError(f"grounding: no record has all of {self.modality, *self.prompts}")
        for items, prompts in pairs:
            prompt = prompts.unit[np.searchsorted(prompts.rows, rows)].astype(np.float64)
            parts = items.unit[np.searchsorted(items.rows, rows)]
            parts = parts.reshape(len(rows), -1, prompt.shape[1])[:, self.skip :]
            maps = maps + np.einsum("ntd,nd->nt", parts.astype(np.float64), prompt)
        tokens, phrases = pairs[0]
        a, b = (np.searchsorted(own.rows, rows) for own in (tokens, phrases))
        regions = np.stack([self._region(tokens.fields[i], maps.shape[1]) for i in a])
        return self._smoothed(maps), regions, tokens, phrases, a, b

    def _tokens(self, model: Model, data: EvalData, prompt: str) -> Embedded:
        """The items as a prompt sees them."""
        view = self.parts.get(prompt, self.modality)
        layer = f"{self.heads[prompt]}.tokens" if prompt in self.heads else "tokens"
        return embed(model, data, (view,), layer=layer)[view]

    def _region(self, fields: Any, tokens: int) -> np.ndarray:
        """bool[T] of a record."""
        region = np.asarray(fields.get(self.region, ()), bool).reshape(-1)
        if len(region) != tokens or region.all() or not region.any():
            raise EvaluationError(
                f"grounding: {self.region!r} of {fields['key']} has {int(region.sum())} of "
                f"{len(region)} tokens; it should be a part of the {tokens} of {self.modality!r}"
            )
        return region

    def _smoothed(self, maps: np.ndarray) -> np.ndarray:
        if not self.smooth:
            return maps
        assert self.grid is not None
        if maps.shape[1] != self.grid[0] * self.grid[1]:
            raise EvaluationError(
                f"grounding: grid={self.grid} is not of the {maps.shape[1]} tokens of "
                f"{self.modality!r}"
            )
        from scipy import ndimage  # half a second, which no other evaluator should cost

        own = maps.reshape(-1, *self.grid)
        smoothed: np.ndarray = ndimage.gaussian_filter(own, (0, self.smooth, self.smooth))
        return smoothed.reshape(maps.shape)


def _square(tokens: int) -> tuple[int, int]:
    """Rows and columns of a square of tokens; one row where they make none."""
    side = math.isqrt(tokens)
    return (side, side) if side**2 == tokens else (1, tokens)


def measures(maps: np.ndarray, regions: np.ndarray) -> dict[str, float]:
    """The metrics of maps f64[N, T] and regions bool[N, T]."""
    inside, outside = (np.ma.array(maps, mask=~part) for part in (regions, ~regions))
    noise = np.sqrt(inside.var(1) + outside.var(1))
    contrast = np.asarray((inside.mean(1) - outside.mean(1)) / np.maximum(noise, 1e-12))
    low, high = maps.min(1, keepdims=True), maps.max(1, keepdims=True)
    scaled = (maps - low) / np.maximum(high - low, 1e-12)
    overlaps = []
    for threshold in THRESHOLDS:
        chosen = scaled >= threshold
        overlaps.append((chosen & regions).sum(1) / (chosen | regions).sum(1))
    rows = np.arange(len(maps))
    return {
        "cnr": float(contrast.mean()),
        "cnr_absolute": float(np.abs(contrast).mean()),
        "pointing": float(regions[rows, maps.argmax(1)].mean()),
        "chance_pointing": float(regions.mean()),
        "mIoU": float(np.mean(overlaps)),
        "examples": float(len(maps)),
    }
