"""Probe: a classifier of frozen features, of the same modality or of another one."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from mmjax.evaluators import logistic
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.labels import accuracy, labels_of
from mmjax.evaluators.linear_solvers import unit
from mmjax.evaluators.multilabel import measure, one_hot
from mmjax.evaluators.retrieval import values_of
from mmjax.evaluators.token_rows import token_rows
from mmjax.schema.annotations import LabelRef, ViewRef
from mmjax.schema.bounds import Count, CountOrZero, Factor, NonNegative, NonNegativeInt, Repeats

Adapter = Literal["none", "shift", "linear"]


class Probe(Evaluator):
    """Linear probe: logistic regression on the features of one source, tested on another.

    Features are brought to mean 0 and standard deviation 1 on the rows that the probe is fitted on,
    and the regression is that of `logistic.fit_classes`: exact, so there is no learning rate to
    tune. With `hidden` it is an MLP of one hidden layer instead (`logistic.fit_mlp`).

    With `tested` the probe is fitted on one modality and tested on another one of the same space
    (CLOSE, Gu et al. 2023, arXiv 2211.09778): `noise` is added to what it is fitted on, `u' =
    unit(u + noise e)` with e ~ N(0, I), to cover the modality gap, and `adapter` moves it to where
    the tested modality lies, by the pairs (u, v) of the source `paired`:

        shift: u' = unit(u + mean(v) - mean(u));
        linear: u' = unit(W u + b) of least |W u + b - v|^2.

    With `region` the features are those of a part of an item, the mean of its tokens there
    (`layer='encoder'`: of the encoder's tokens; `unit`: of those in the joint space): what is at a
    place, as of an object on a page (Li et al. 2024, arXiv 2402.19014, DoCo).

    With `tokens` every token is a row with a label of its own, such as a frame of speech with its
    phoneme, and `layer` one of tokens.

    Metrics: `accuracy`, `error` (1 - accuracy), `chance` (the share of the most frequent class of
    the test rows), `classes` (of the fitted rows) and `examples` (tested). With `several` labels a
    record, a regression for each class, and instead of the first three `AUROC` and `mAP`, means
    over the classes, and `P@k`, as of `multilabel`. With several `c` also `c`, the one that was
    chosen.

    The further source `train` is what it is fitted on.

    Args:
      labels: the field that holds the class.
      several: records hold a list of classes, of any length.
      k: of P@k.
      region: field of the records, T numbers 0 or 1 of an item's tokens.
      tokens: of an item, with its padding; `labels` then has one for each of its first tokens. 0
        for whole items.
      modalities: whose features are used, side by side.
      layer: `encoder`, what the encoders give to the heads; `unit`, the embeddings; or as
        `Embedder.embed` names them.
      c: inverse strength of the L2 penalty; or several, of which that is taken whose probe does
        best on the source `val`, by accuracy or AUROC, the first of equal ones.
      tested: modalities that it is tested on, in the place of `modalities`.
      noise: standard deviation of the noise in every feature of the rows that it is fitted on; of
        several modalities, in those that are tested as another one.
      copies: how often each of these rows is taken, each time with noise of its own.
      hidden: width of the hidden layer; 0 for logistic regression.
      adapter: of the rows that it is fitted on; `shift` and `linear` need the source `paired`.
      seed: of noise and of an MLP.
    """

    further = ("train",)
    optional = ("paired", "val")

    def __init__(
        self,
        *,
        labels: LabelRef = "label",
        several: bool = False,
        k: Count = 1,
        region: LabelRef | None = None,
        tokens: CountOrZero = 0,
        modalities: tuple[ViewRef, ...] = ("image",),
        layer: str = "encoder",
        c: Factor | tuple[Factor, ...] = 1.0,
        tested: tuple[ViewRef, ...] = (),
        noise: NonNegative = 0.0,
        copies: Repeats = 1,
        hidden: CountOrZero = 0,
        adapter: Adapter = "none",
        seed: NonNegativeInt = 0,
    ):
        cs = c if isinstance(c, tuple) else (c,)
        if not modalities or not cs or min(cs) <= 0:
            raise ValueError(f"probe: modalities={modalities!r} must be named and c={c} above 0")
        if several and hidden:
            raise ValueError("probe: several=True is by logistic regression: set hidden=0")
        if tested and len(tested) != len(modalities):
            raise ValueError(f"probe: tested={tested!r} must be as many as {modalities!r}")
        if adapter != "none" and not (tested and len(tested) == 1):
            raise ValueError(
                f"probe: adapter={adapter!r} moves one modality to another: name it in 'tested'"
            )
        if (noise or adapter != "none") and layer != "unit":
            raise ValueError("probe: noise and adapters are of unit vectors: set layer='unit'")
        if region is not None and (len(modalities) > 1 or tested or layer == "codes"):
            raise ValueError("probe: a region is of one modality's tokens: name one, and no other")
        if tokens and (several or region is not None or len(modalities) > 1 or tested):
            raise ValueError(
                f"probe: tokens={tokens} are rows of one modality with one label: leave several, "
                "region and tested out"
            )
        self.tokens = tokens
        self.labels, self.several, self.modalities = labels, several, modalities
        self.k, self.region = k, region
        self.layer, self.cs = layer, cs
        self.tested = tested or modalities
        self.noise, self.copies, self.hidden, self.seed = noise, copies, hidden, seed
        self.adapter = adapter

    @classmethod
    def asks(cls, source: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Pairs have both modalities, other rows that of their side, and labels."""
        names = {
            "paired": ("modalities", "tested"),
            "train": ("labels", "region", "modalities"),
            "source": ("labels", "region", "tested" if options["tested"] else "modalities"),
        }
        names["val"] = names["source"]
        return {name: options[name] for name in names[source]}

    def __call__(
        self,
        model: Model,
        data: EvalData,
        mesh: Any = None,
        *,
        train: EvalData,
        paired: EvalData | None = None,
        val: EvalData | None = None,
    ) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        if len(self.cs) > 1 and val is None:
            raise EvaluationError(f"probe: c={self.cs} needs a source 'val', to choose one by")
        parts, y = self._features(model, train, self.modalities)
        if self.adapter != "none":
            if paired is None:
                raise EvaluationError(f"probe: adapter={self.adapter!r} needs a source 'paired'")
            parts = [adapted(parts[0], *self._pairs(model, paired), self.adapter)]
        x, y = self._noisy(parts), [own for _ in range(self.copies) for own in y]
        scale = x.mean(0), x.std(0) + 1e-6
        tested = self._tested(model, data, scale)
        x = (x - scale[0]) / scale[1]
        if val is None or len(self.cs) == 1:
            return self._measured(x, y, self.cs[0], *tested)
        held_out, by = self._tested(model, val, scale), "AUROC" if self.several else "accuracy"
        scores = [self._measured(x, y, c, *held_out)[by] for c in self.cs]
        best = self.cs[int(np.argmax(scores))]
        return {**self._measured(x, y, best, *tested), "c": best}

    def _tested(
        self, model: Model, data: EvalData, scale: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, list[Any]]:
        """Features f64[M, W], scaled as those that are fitted, and labels of rows to test on."""
        parts, labels = self._features(model, data, self.tested)
        return (np.concatenate(parts, axis=1) - scale[0]) / scale[1], labels

    def _measured(
        self, x: np.ndarray, y: list[Any], c: float, test: np.ndarray, truth: list[Any]
    ) -> dict[str, float]:
        """Metrics on `test`, of a probe that is fitted on x f64[N, W] and the labels y."""
        if self.several:
            return self._measured_several(x, y, c, test, truth)
        classes, numbers = np.unique(np.array(y), return_inverse=True)
        if self.hidden:
            answer = logistic.fit_mlp(x, numbers, self.hidden, c, self.seed)(test)
        else:
            weights, bias = logistic.fit_classes(x, numbers, len(classes), c)
            answer = (test @ weights + bias).argmax(axis=1)
        found = accuracy(classes[answer], np.array(truth), len(classes))
        return {**found, "error": 1 - found["accuracy"]}

    def _measured_several(
        self, x: np.ndarray, y: list[Any], c: float, test: np.ndarray, truth: list[Any]
    ) -> dict[str, float]:
        classes = sorted({str(name) for own in y for name in own})
        own, asked = (one_hot([list(map(str, each)) for each in some], classes)
                      for some in (y, truth))  # fmt: skip
        scores = np.empty((len(test), len(classes)))
        for column in range(len(classes)):
            weights, bias = logistic.fit(x, own[:, column], c)
            scores[:, column] = test @ weights + bias
        found = measure(scores, asked, self.k)
        return {name: found[name] for name in ("AUROC", "mAP", "P@k", "classes", "examples")}

    def _noisy(self, parts: list[np.ndarray]) -> np.ndarray:
        """All copies f64[copies N, sum of widths], those of another modality with noise."""
        rng = np.random.default_rng(self.seed)
        parts = [np.tile(x, (self.copies, 1)) for x in parts]
        if self.noise:
            moved = [a != b for a, b in zip(self.modalities, self.tested, strict=True)]
            for i, x in enumerate(parts):
                if moved[i] or not any(moved):
                    parts[i] = unit(x + self.noise * rng.standard_normal(x.shape))
        return np.concatenate(parts, axis=1)

    def _features(
        self, model: Model, data: EvalData, modalities: tuple[str, ...]
    ) -> tuple[list[np.ndarray], list[Any]]:
        """Features f64[N, W] of each, and N labels, of the rows that have all modalities."""
        layer = self.layer
        if self.region is not None:
            layer = "tokens" if layer == "unit" else f"{layer}.tokens"
        embedded = embed(model, data, modalities, layer=layer)
        if self.tokens:
            each = token_rows(embedded[modalities[0]], self.tokens, self.labels, "probe")
            labels = labels_of(each.fields, self.labels, "probe").tolist()
            return [each.unit.astype(np.float64)], labels
        rows = embedded[modalities[0]].rows
        for name in modalities[1:]:
            rows = np.intersect1d(rows, embedded[name].rows)
        parts = [
            e.unit[np.searchsorted(e.rows, rows)].astype(np.float64) for e in embedded.values()
        ]
        last = embedded[modalities[-1]]
        fields = [last.fields[i] for i in np.searchsorted(last.rows, rows)]
        if self.region is not None:
            parts = [np.stack([self._pooled(*own) for own in zip(parts[0], fields, strict=True)])]
        if self.several:
            return parts, [values_of(own, self.labels) for own in fields]
        return parts, labels_of(fields, self.labels, "probe").tolist()

    def _pooled(self, tokens: np.ndarray, fields: Mapping[str, Any]) -> np.ndarray:
        """f64[W], the mean of the tokens f64[T W] of a record's region."""
        region = np.asarray(fields.get(str(self.region), ()), bool).reshape(-1)
        if not region.any() or len(tokens) % len(region):
            raise EvaluationError(
                f"probe: {self.region!r} of {fields['key']} has {int(region.sum())} of "
                f"{len(region)} tokens; it should be a part of those of {self.modalities[0]!r}"
            )
        mean: np.ndarray = tokens.reshape(len(region), -1)[region].mean(0)
        return mean

    def _pairs(self, model: Model, data: EvalData) -> tuple[np.ndarray, np.ndarray]:
        """Features f64[N, D] of the records that have both the fitted and the tested modality."""
        (name,), (other,) = self.modalities, self.tested
        found = embed(model, data, (name, other), layer=self.layer)
        _, a, b = np.intersect1d(found[name].rows, found[other].rows, return_indices=True)
        if len(a) < 2:
            raise EvaluationError(f"probe: fewer than two records have {name!r} and {other!r}")
        u, v = found[name].unit[a], found[other].unit[b]
        return u.astype(np.float64), v.astype(np.float64)


def adapted(x: np.ndarray, u: np.ndarray, v: np.ndarray, adapter: Adapter) -> np.ndarray:
    """Unit vectors f64[N, D] moved as pairs (u_i, v_i), f64[M, D], say; see `Probe`."""
    if adapter == "shift":
        return unit(x + v.mean(0) - u.mean(0))
    of_pairs, rows = (np.concatenate([part, np.ones((len(part), 1))], axis=1) for part in (u, x))
    return unit(rows @ np.linalg.lstsq(of_pairs, v, rcond=None)[0])
