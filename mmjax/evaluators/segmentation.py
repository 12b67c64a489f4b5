"""Few-shot and zero-shot segmentation: classes as sets of visual and textual prototypes."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from mmjax.evaluators import prototype_masks
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.evaluators.prototype_masks import Sets
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import BelowOne, Count, CountOrZero, NonNegativeInt

Visual = Literal["none", "mean", "split"]
Texts = Literal["none", "mean", "each"]
INSIDE, OUTSIDE = 0.5, 0.2  # shares of a token that the object covers


class Items(NamedTuple):
    """The masked images of a source.

    Attributes:
      tokens: f64[N, T, D], zero at padding.
      masks: f64[N, T], shares of each token.
      labels: [N].
      supports: bool[N], which may be shown beside a class; queries: which may be asked for.
      queries: the same of queries.
    """

    tokens: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    supports: np.ndarray
    queries: np.ndarray


class Segmentation(Evaluator):
    """Masks of an object of a class that is told by an example with its mask, by words or by both.

    A class is a set of unit prototypes: of the tokens that a support's mask covers by more than
    half, of those it covers by less than a fifth, the background, and of its texts. A token of a
    query is described by its largest and mean cosine with each set; a small MLP on these numbers,
    trained on episodes of the classes of `train`, says whether it is of the object, for any number
    of prototypes and also without one of the sides (multi-modal prototypes, Yang et al. 2023, arXiv
    2307.02003, without their cross-attention and decoder). Tokens and texts have their mean taken
    off before, that of `train` and that of all texts: cosines then see no modality gap.

    Metrics, on the grid of tokens: `mIoU`, of all episodes of a class, mean over classes; `FB-IoU`,
    mean of foreground and background; `chance`, the mIoU of taking every token; `classes` and
    `episodes`. Without visual prototypes it is zero-shot segmentation.

    The further source `train` has images of other classes; the `gallery` has texts of all, any
    number of each class, as rows or as alternatives.

    Args:
      mask: field of the records, T shares in [0, 1] of each token that the object covers, or an
        array of them, row by row.
      labels: field with the class, of images and of texts.
      modality: of the images, whose tower has a head with `tokens=True`.
      text: of the gallery.
      visual: prototypes of a support: its `mean`, or `split` by k-means into `count`.
      texts: prototypes of the texts of a class: `each`, or their `mean`.
      count: of `split`, for foreground and background each.
      shots: supports of an episode.
      episodes: of each class.
      train_episodes: of all classes of `train` together.
      dropped: share of the training episodes that lose the visual side, and those that lose text.
      support: field that is 1 where a record is a support and 0 where it is a query; None takes
        all as both.
      skip: how many tokens at the start are no parts, such as 1 for [CLS].
      seed: of episodes, k-means and head.
    """

    further = ("train",)
    optional = ("gallery",)

    def __init__(
        self,
        *,
        mask: LabelRef = "mask",
        labels: LabelRef = "label",
        modality: ViewRef = "image",
        text: ViewRef = "text",
        visual: Visual = "split",
        texts: Texts = "each",
        count: Count = 4,
        shots: Count = 1,
        episodes: Count = 20,
        train_episodes: Count = 200,
        dropped: BelowOne = 0.25,
        support: LabelRef | None = None,
        skip: CountOrZero = 0,
        seed: NonNegativeInt = 0,
    ):
        if visual == "none" and texts == "none":
            raise ValueError("segmentation: visual='none' and texts='none' leave no prototypes")
        if dropped > 0.5:
            raise ValueError(f"segmentation: dropped={dropped} of each side is more than all")
        self.mask, self.labels, self.modality, self.text = mask, labels, modality, text
        self.visual, self.texts, self.count, self.shots = visual, texts, count, shots
        self.episodes, self.train_episodes, self.dropped = episodes, train_episodes, dropped
        self.support, self.skip, self.seed = support, skip, seed
        self.pair = (modality, text)

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Masked images of the sources, texts of the gallery."""
        images = ("mask", "labels", "modality", "support")
        names = ("labels", "text") if source == "gallery" else images
        return {name: options[name] for name in names}

    def __call__(
        self,
        model: Model,
        data: EvalData,
        mesh: Any = None,
        *,
        train: EvalData,
        gallery: EvalData | None = None,
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        if self.texts != "none" and gallery is None:
            raise EvaluationError(f"segmentation: texts={self.texts!r} needs a source 'gallery'")
        base, novel = self._items(model, train), self._items(model, data)
        texts = {} if gallery is None else self._texts(model, gallery)
        middle = base.tokens[_real(base.tokens)].mean(0)
        base, novel = (own._replace(tokens=_centred(own.tokens, middle)) for own in (base, novel))
        rng = np.random.default_rng(self.seed)
        classes = self._classes(base)
        order = rng.permutation(len(classes))  # there may be more of them than episodes
        drawn = [classes[order[k % len(order)]] for k in range(self.train_episodes)]
        seen, masks, _ = self._episodes(base, drawn, texts, rng)
        head = prototype_masks.fit(seen, masks, self.dropped, self.seed)
        classes = self._classes(novel)
        drawn = [label for label in classes for _ in range(self.episodes)]
        seen, masks, labels = self._episodes(novel, drawn, texts, rng)
        everything = prototype_masks.overlap(np.ones_like(masks), masks, labels)
        return {
            **prototype_masks.overlap(head(seen) > 0, masks, labels),
            "chance": everything["mIoU"],
            "classes": float(len(classes)),
            "episodes": float(len(masks)),
        }

    def _items(self, model: Model, data: EvalData) -> Items:
        found = embed(model, data, (self.modality,), layer="tokens")[self.modality]
        dim = embed(model, data, (self.modality,))[self.modality].unit.shape[1]
        tokens = found.unit.reshape(len(found), -1, dim)[:, self.skip :].astype(np.float64)
        masks = np.stack([self._mask(own, tokens.shape[1]) for own in found.fields])
        labels = labels_of(found.fields, self.labels, "segmentation")
        every = np.ones(len(found), bool)
        if self.support is None:
            return Items(tokens, masks, labels, every, every)
        shown = labels_of(found.fields, self.support, "segmentation").astype(bool)
        return Items(tokens, masks, labels, shown, ~shown)

    def _mask(self, fields: Mapping[str, Any], tokens: int) -> np.ndarray:
        """f64[T] of a record."""
        mask = np.asarray(fields.get(self.mask, ()), np.float64).reshape(-1)
        if len(mask) != tokens or not 0 <= mask.min() <= mask.max() <= 1 or not mask.any():
            raise EvaluationError(
                f"segmentation: {self.mask!r} of {fields['key']} has {len(mask)} numbers; it must "
                f"be a share in [0, 1] of each of the {tokens} tokens of {self.modality!r}, not "
                "all 0"
            )
        return mask

    def _texts(self, model: Model, gallery: EvalData) -> dict[Any, np.ndarray]:
        """The prototypes of text of every class."""
        if self.texts == "none":
            return {}
        found = embed(model, gallery, (self.text,), alternatives="all")[self.text]
        labels = labels_of(found.fields, self.labels, "segmentation")
        units = found.unit.astype(np.float64)
        units = unit(units - units.mean(0))
        sets = {label: units[labels == label] for label in np.unique(labels)}
        if self.texts == "mean":
            sets = {label: unit(own.mean(0, keepdims=True)) for label, own in sets.items()}
        return sets

    def _classes(self, items: Items) -> list[Any]:
        """Those with a query, and enough supports beside it."""
        needed = self.shots + (1 if self.support is None else 0)
        found = [
            label
            for label in np.unique(items.labels)
            if (items.supports & (items.labels == label)).sum() >= needed
            and (items.queries & (items.labels == label)).any()
        ]
        if not found:
            raise EvaluationError(
                f"segmentation: no class of {self.labels!r} has a query and {self.shots} supports"
            )
        return found

    def _episodes(
        self, items: Items, drawn: list[Any], texts: dict[Any, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Summaries f64[N, T, 8] and masks bool[N, T] of queries, and their classes."""
        seen, masks = [], []
        nothing = np.zeros((0, items.tokens.shape[2]))
        for label in drawn:
            if self.texts != "none" and label not in texts:
                raise EvaluationError(f"segmentation: the gallery has no text of {str(label)!r}")
            own = items.labels == label
            query = rng.choice(np.flatnonzero(own & items.queries))
            others = np.flatnonzero(own & items.supports)
            supports = rng.choice(others[others != query], self.shots, replace=False)
            inside = outside = nothing
            if self.visual != "none":
                inside, outside = self._visual(items.tokens[supports], items.masks[supports], rng)
            sets = Sets(inside, outside, texts.get(label, nothing))
            seen.append(prototype_masks.summary(items.tokens[query], sets))
            masks.append(items.masks[query] > INSIDE)
        return np.stack(seen), np.stack(masks), drawn

    def _visual(
        self, tokens: np.ndarray, masks: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prototypes of foreground and background of supports f64[K, T, D]."""
        real = _real(tokens)
        inside = real & (masks > INSIDE)
        if not inside.any():  # an object smaller than a token
            inside = real & (masks == masks[real].max())
        count = self.count if self.visual == "split" else 1
        outside = tokens[real & (masks < OUTSIDE)]
        return (
            prototype_masks.split(tokens[inside], count, rng),
            prototype_masks.split(outside, count, rng),
        )


def _centred(tokens: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Tokens f64[N, T, D] less a mean, made unit vectors; padding stays zero."""
    return np.where(_real(tokens)[..., None], unit(tokens - middle), 0.0)


def _real(tokens: np.ndarray) -> np.ndarray:
    """bool[N, T], those that are no padding."""
    return np.asarray(tokens.any(2))
