"""Reranking by a matching term and by late interaction, against loops over single pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jitted import jitted
from test_evaluators_term_score import NAMES, expected, model_of, padded, recipe, unit

from mmjax import recipe as recipe_lib
from mmjax.data.synthetic.generated import Columns
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.rerank import Rerank
from mmjax.objectives import TermError

PAIRS = (("text", "audio"),)


def with_matching(conditions=("audio",), **test):
    """A recipe with a matching term whose text attends to a sound."""
    tree = recipe().plain()
    widths = dict.fromkeys(("text", *conditions), 7)
    matching = {"type": "matching", "conditions": conditions, "inputs": widths, "width": 8}
    matching |= {"depth": 2, "heads": 2, "hidden": True}
    tree["objectives"]["itm"] = matching
    test = {"type": "rerank", "source": {"type": "concept_sets"}, "pairs": PAIRS, **test}
    tree["evaluators"] = {"rerank": {"test": {key: v for key, v in test.items() if key != "type"}}}
    return recipe_lib.complete(tree, "itm.py")


def evaluated(system_model, values, **options):
    def view(value, rng, train):
        return value

    columns = {m: list(x) for m, x in values.items()}
    data = EvalData(Columns("test", "test", columns, NAMES), dict.fromkeys(NAMES, view), 8)
    return Rerank(pairs=PAIRS, **options)(system_model[1], data)


def cosines(system, values):
    """f64[text, audio], of the embeddings."""
    sides = []
    for m in ("text", "audio"):
        pooled = np.asarray(jitted(system.towers[m].encoder)(values[m]).pooled, np.float64)
        sides.append(unit(pooled @ np.asarray(system.towers[m].head.project.kernel[...])))
    return sides[0] @ sides[1].T


@jax.jit
def answered(term, text, audio):
    """The matching term's two logits of tokens f[T, W] of a text and of a sound."""
    text, audio = (term.project[m](x[None]) for m, x in (("text", text), ("audio", audio)))
    ones = (jnp.ones(x.shape[:2], bool) for x in (text, audio))
    x = term.fusion(text, next(ones), audio, next(ones))[:, 0]
    x = term.hidden_norm(jax.nn.gelu(term.hidden(x), approximate=False))
    return term.answer(x)[0]


def logits(system, values):
    """The matching term's score f64[text, audio], a pair at a time and without padding."""
    term, parts = system.objectives.terms["itm"], {}
    for m in NAMES:
        tokens = np.asarray(jitted(system.towers[m].encoder)(values[m]).tokens)
        there = (values[m] != 0).any(-1)
        parts[m] = [t[real] for t, real in zip(tokens, there, strict=True)]
    rows = len(values["text"])
    found = np.zeros((rows, rows))
    for i, j in np.ndindex(rows, rows):
        answer = np.asarray(answered(term, parts["text"][i], parts["audio"][j]))
        found[i, j] = answer[1] - answer[0]
    return found


def measured(first, scores, candidates, ks):
    """R@k, MRR and found of reranking, a query at a time."""
    ranks = []
    for i in range(len(first)):
        near = sorted(range(len(first)), key=lambda j: -first[i, j])[:candidates]
        order = sorted(near, key=lambda j: -scores[i, j])
        ranks.append(order.index(i) + 1 if i in order else np.inf)
    ranks = np.array(ranks)
    return {
        **{f"R@{k}": (ranks <= k).mean() for k in ks},
        "MRR": (1 / ranks).mean(),
        "found": np.isfinite(ranks).mean(),
    }


def test_a_matching_term_orders_the_nearest(monkeypatch):
    monkeypatch.setattr("mmjax.evaluators.rerank._PAIRS", 13)  # the last part is filled up
    rng = np.random.default_rng(0)
    values = {m: padded(rng)[:10] for m in NAMES}
    system_model = model_of(with_matching(term="itm"))
    found = evaluated(system_model, values, term="itm", candidates=4, ks=(1, 2))
    first, scores = (of(system_model[0], values) for of in (cosines, logits))
    for direction, s, second in (
        ("text_to_audio", first, scores),
        ("audio_to_text", first.T, scores.T),
    ):
        for name, value in measured(s, second, 4, (1, 2)).items():
            assert found[f"{direction}/{name}"] == pytest.approx(value), name
        for name, value in measured(s, s, 4, (1, 2)).items():
            own = name if name == "found" else f"cosine/{name}"
            assert found[f"{direction}/{own}"] == pytest.approx(value), name


def test_late_interaction_reranks_as_it_ranks():
    rng = np.random.default_rng(1)
    values = {m: padded(rng) for m in NAMES}
    system_model = model_of(recipe("max"))
    found = evaluated(system_model, values, term="own", candidates=len(values["text"]))
    scores = expected(system_model[0], values, "max", NAMES)  # audio by text
    rank = 1 + (np.diag(scores)[:, None] < scores.T).sum(1)
    assert found["text_to_audio/R@5"] == pytest.approx((rank <= 5).mean())
    assert found["text_to_audio/found"] == 1


def test_what_cannot_rerank_is_refused():
    with pytest.raises(ConfigError, match="unknown term that scores pairs 'clip'"):
        with_matching(term="clip")
    with pytest.raises(ConfigError, match=r"ks=\(1, 5, 10\) should be at most candidates=4"):
        with_matching(term="itm", candidates=4).evaluators["rerank"]["test"].evaluator.build()
    values = {m: padded(np.random.default_rng(0)) for m in NAMES}
    with pytest.raises(TermError, match="no term 'clip' with a score of its own"):
        evaluated(model_of(with_matching(term="itm")), values, term="clip")


def by_loops(cosine, scores, right, count, k, threshold):
    """Metrics of labelled reranking, a query at a time."""
    found, kept, fixed, near_kept, empty, total = [], [], [], [], 0, 0
    for i in range(len(cosine)):
        near = sorted(range(cosine.shape[1]), key=lambda j: -cosine[i, j])[:count]
        order = sorted(near, key=lambda j: -scores[i, j])[:k]
        sure = [j for j in order if 1 / (1 + np.exp(-scores[i, j])) > threshold]
        found.append(np.mean([right[i, j] for j in order]))
        kept += [right[i, j] for j in sure]
        fixed += [right[i, j] for j in order]
        near_kept += [(cosine[i, j], right[i, j]) for j in near[:k]]
        empty += not sure
        total += min(k, right[i].sum())
    best = sorted(near_kept, key=lambda pair: -pair[0])[: len(kept)]
    return {
        f"P@{k}": np.mean(found),
        "kept/precision": np.mean(kept),
        "kept/recall": sum(kept) / total,
        "kept/mean": len(kept) / len(cosine),
        "kept/none": empty / len(cosine),
        "fixed/precision": np.mean(fixed),
        "cosine_kept/precision": np.mean([hit for _, hit in best]),
        "cosine_kept/recall": sum(hit for _, hit in best) / total,
    }


def test_up_to_k_of_a_gallery_by_labels_of_which_an_answer_has_several():
    rng = np.random.default_rng(3)
    values = {m: padded(rng)[:7] for m in NAMES}
    system, model = model_of(with_matching(term="itm"))
    first, scores = (of(system, values)[:5] for of in (cosines, logits))
    asked = [0, 1, 2, 3, 9]  # of the last one, nothing is right
    told = [[i % 4, (i + 1) % 4] for i in range(7)]
    right = np.array([[a in own for own in told] for a in asked])

    def view(value, rng, train):
        return value

    def data(rows, labels):
        fields = {m: list(x[:rows]) for m, x in values.items()}
        columns = Columns("test", "test", {**fields, "kind": labels}, NAMES)
        return EvalData(columns, dict.fromkeys(NAMES, view), 8)

    ordered = np.sort(1 / (1 + np.exp(-scores)), axis=None)
    threshold = float(ordered[16:18].mean())  # between two of them
    rerank = Rerank(pairs=PAIRS, term="itm", candidates=5, ks=(3,), labels="kind",
                    threshold=threshold)  # fmt: skip
    found = rerank(model, data(5, asked), gallery=data(7, told))
    expected = by_loops(first[:4], scores[:4], right[:4], 5, 3, threshold)
    assert not [name for name in found if name.startswith("audio_to_text")]
    assert found["text_to_audio/queries"] == 4
    for name, value in expected.items():
        assert found[f"text_to_audio/{name}"] == pytest.approx(value), name
    assert 0 < found["text_to_audio/kept/mean"] < 3
    sure = 1 / (1 + np.exp(-scores[:4]))
    near = np.argsort(-first[:4], axis=1)[:, :5]
    p, hit = np.take_along_axis(sure, near, 1), np.take_along_axis(right[:4], near, 1)
    gaps = [
        abs(hit[own].mean() - p[own].mean()) * own.mean()
        for own in (((p * 10).astype(int) == n) for n in range(10))
        if own.any()
    ]
    assert found["text_to_audio/ECE"] == pytest.approx(sum(gaps), abs=1e-5)
    with pytest.raises(ValueError, match="threshold"):
        Rerank(term="itm", threshold=1.0)
