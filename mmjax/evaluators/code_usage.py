"""Codebook usage: the codes that two modalities use, and whether a pair uses the same ones."""

from typing import Any, cast

import numpy as np

from mmjax.data.views import TextView
from mmjax.evaluators.base import Evaluator
from mmjax.evaluators.data import Embedded, EvalData, Model, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.looks import Look, Row, few
from mmjax.schema.annotations import ViewRef

LARGEST = 8  # codes of an example that the report shows


class CodeUsage(Evaluator):
    """Codebook usage of towers with a head of type 'codebook', or one that quantizes tokens.

    A code is in the support of an example when its weight is above 0 (for a softmax all are); its
    weight, of a head that quantizes, is its share in the tokens. Metrics, over the records that
    have both modalities, and of one modality the first of them:
      support/<m>: mean number of codes in the support.
      used/<m>: how many codes are in any support.
      peak/<m>: K max_k u_k, and concentration/<m>: K Σ_k u_k², of the usage u, the mean over
        records of an example's weights divided by their sum: 1 where all codes are used alike.
      bits/<m>: the entropy of u in bits: log2 K at most, and as many a token as a codec needs.
      overlap: mean Jaccard index of the supports of a pair, |A ∩ B| / |A ∪ B|.
      overlap_others: the same of the first modality of a record and the second of the next one with
        another id.
      overlap_ratio: the first of these over the second; without it where the second is 0.
      pairs: how many.
    The paper (Chen et al. 2023, arXiv 2303.14865, FDT) shows that an image and its text activate
    the same codes. N x K weights are held in memory.

    With `whole`, of heads that quantize, the whole embedding is the code, and the metrics are
      perplexity/<m>: exp of the entropy of how often each code occurs; used/<m>: how many occur;
      agree: the share of records whose two codes are equal.

    Args:
      pair: the two modalities, or one.
      whole: whether the embedding itself is a code, as that of heads of type 'lfq' and 'vq'.
      words: a view of text whose tokens the codes are, as of a lexical codebook: the report shows
        codes by their words.
    """

    least_records = 2

    def __init__(
        self,
        *,
        pair: tuple[ViewRef, ...] = ("image", "text"),
        whole: bool = False,
        words: ViewRef | None = None,
    ):
        if len(pair) not in (1, 2) or len(set(pair)) != len(pair):
            raise ValueError(
                f"code_usage: 'pair' is {pair!r}; give one modality, or two different ones"
            )
        if len(pair) == 1 and whole:
            raise ValueError("code_usage: whole=True compares the codes of two modalities")
        self.codes_of = pair
        if len(pair) == 2:
            self.pair = (pair[0], pair[1])
        if whole and words:
            raise ValueError("code_usage: a whole embedding has no 'words', its parts have")
        self.whole, self.words = whole, words

    def __call__(self, model: Model, data: EvalData, mesh: Any = None) -> dict[str, float]:
        """Returns the metrics; `mesh` is not needed, each process uses one device of its own."""
        if self.pair is None:
            (name,) = self.codes_of
            own = embed(model, data, (name,), layer="codes")[name].unit
            found = {f"{key}/{name}": value for key, value in usage(own).items()}
            return {**found, **_support(name, own > 0), "examples": float(len(own))}
        first, second, a, b = self._pairs(model, data)
        if len(a) < self.least_records:
            raise EvaluationError(f"code_usage: only {len(a)} records have both of {self.pair}")
        x, y = first.unit[a], second.unit[b]
        if self.whole:
            return self.counted(x, y)
        found = {}
        for m, weights in zip(self.pair, (x, y), strict=True):
            found |= {f"{name}/{m}": value for name, value in usage(weights).items()}
        return found | self.measure(x > 0, y > 0, first.ids[a])

    def look(self, model: Model, data: EvalData) -> Look | None:
        """The codes of a few records, in both modalities; nothing of one."""
        if self.pair is None:
            return None
        chosen, rows = few(data), []
        first, second, a, b = self._pairs(model, chosen)
        for pair in zip(a, b, strict=True):
            for items, place in zip((first, second), pair, strict=True):
                own = items.unit[place]
                if self.whole:
                    shown: dict[str, Any] = {"maps": {"": own[None]}}
                else:
                    largest = np.argsort(-own, kind="stable")[:LARGEST]
                    names = ((self._word(chosen, int(k)), float(own[k])) for k in largest)
                    shown = {"words": tuple((name, x) for name, x in names if x > 0)}
                if not isinstance(items.raw(int(place)), str):
                    shown["text"] = items.modality
                rows.append(Row(items, int(place), **shown))
        note = "Each record in both modalities, one below the other: "
        if self.whole:
            return Look("codes of examples", f"{note}its code, number by number.", tuple(rows))
        what = "words" if self.words else "codes"
        note += f"the {LARGEST} {what} of the largest weights."
        return Look(f"{what} of examples", note, tuple(rows))

    def _pairs(
        self, model: Model, data: EvalData
    ) -> tuple[Embedded, Embedded, np.ndarray, np.ndarray]:
        """The codes of both modalities, and of the records that have both the places there."""
        assert self.pair is not None
        layer = "unit" if self.whole else "codes"
        first, second = (embed(model, data, (m,), layer=layer)[m] for m in self.pair)
        _, a, b = np.intersect1d(first.rows, second.rows, return_indices=True)
        return first, second, a, b

    def _word(self, data: EvalData, code: int) -> str:
        """What a code is called: the token of that number, or the number."""
        if self.words is None:
            return str(code)
        tokenizer = cast("TextView", data.views[self.words]).tokenizer
        if code == tokenizer.unk_id:
            return "(unknown)"
        return tokenizer.decode([code]).strip() or f"[{code}]"

    def counted(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """The metrics of whole embeddings f32[N, D] of both modalities."""
        both = np.concatenate([x, y]).round(5)
        _, number = np.unique(both, axis=0, return_inverse=True)
        found, sides = {}, np.split(number.reshape(-1), 2)
        for m, own in zip(self.codes_of, sides, strict=True):
            counts = np.unique(own, return_counts=True)[1]
            share = counts / len(own)
            found[f"perplexity/{m}"] = float(np.exp(-(share * np.log(share)).sum()))
            found[f"used/{m}"] = float(len(counts))
        return found | {"agree": float((sides[0] == sides[1]).mean()), "pairs": float(len(x))}

    def measure(self, x: np.ndarray, y: np.ndarray, ids: np.ndarray) -> dict[str, float]:
        """The metrics of supports bool[N, K] of both modalities, and ids [N] of the records."""
        found: dict[str, float] = {}
        for m, support in zip(self.codes_of, (x, y), strict=True):
            found |= _support(m, support)
        other = np.roll(np.arange(len(ids)), -1)
        kept = ids != ids[other]
        if not kept.any():
            raise EvaluationError(
                "code_usage: all records have one id, so there are no other pairs"
            )
        own, others = _jaccard(x, y).mean(), _jaccard(x, y[other])[kept].mean()
        found |= {"overlap": float(own), "overlap_others": float(others)}
        if others:
            found["overlap_ratio"] = float(own / others)
        return found | {"pairs": float(len(ids))}


def usage(weights: np.ndarray) -> dict[str, float]:
    """How unevenly weights f32[N, K] >= 0 use the codes; a row of zeros uses none."""
    total = weights.sum(1, dtype=np.float64, keepdims=True)
    u = (weights / np.where(total > 0, total, 1)).mean(0)
    there = u[u > 0]
    return {
        "peak": float(len(u) * u.max()),
        "concentration": float(len(u) * (u**2).sum()),
        "bits": float(-(there * np.log2(there)).sum()),
    }


def _support(name: str, support: np.ndarray) -> dict[str, float]:
    """How many codes the examples of bool[N, K] use, in the mean and in all."""
    return {
        f"support/{name}": float(support.sum(1).mean()),
        f"used/{name}": float(support.any(0).sum()),
    }


def _jaccard(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row by row, f64[N]; 0 where both are empty."""
    index: np.ndarray = (x & y).sum(1) / np.maximum((x | y).sum(1), 1)
    return index
