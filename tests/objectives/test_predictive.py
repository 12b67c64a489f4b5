"""What is special to SimSiam and BYOL between modalities."""

import numpy as np
import pytest
from cases.predictive import DIM, NAMES, PAIR, SPEC, known, taught
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding
from mmjax.objectives import TermError


def test_perfect_prediction_is_0_and_the_metric_says_so():
    _, _, _, metrics = run(SPEC, plan_of("dense", 1, 1), embeddings(NAMES, SIZE, DIM), {})
    np.testing.assert_allclose(metrics["term/loss"], 2 - 2 * metrics["term/cosine"], rtol=1e-5)


def test_the_teacher_may_see_another_view_of_each_modality():
    raws, spec = embeddings("ab", SIZE, DIM), {**PAIR, "target": "teacher", "within": 0.5}
    teacher = known(taught(SIZE))["teacher"]
    clean = {"a@2": teacher["a"], "b": teacher["b"]}
    losses = [
        run(spec, plan_of("dense", 1, 1), raws, {}, {"teacher": views})[0]
        for views in ({"a": teacher["a"], "b": teacher["b"]}, clean)
    ]
    assert losses[0] == losses[1]


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="hidden' should be at least 1"):
        make({**SPEC, "hidden": 0})
    with pytest.raises(TermError, match="needs a teacher"):
        run({**PAIR, "target": "teacher"}, plan_of("dense", 1, 1), embeddings("ab", 4, DIM), {})


def test_predictions_are_compared_by_their_cosine():
    sizes = {"type": "predictive", "pairs": (("a", "b"),), "dim": DIM, "hidden": 5}
    objectives = make({**sizes, "norm": False})
    rng = np.random.default_rng(3)
    raws = {view: rng.standard_normal((SIZE, DIM), np.float32) for view in "ab"}
    features = {v: objectives.compared("term", v, Embedding(x, x)) for v, x in raws.items()}
    told = {}
    for view, x in raws.items():
        own = objectives.terms["term"].predictors[view]
        y = np.maximum(np.float64(x) @ np.float64(own.first.kernel[...]), 0)
        y = y @ np.float64(own.second.kernel[...]) + np.float64(own.second.bias[...])
        told[view] = y / np.linalg.norm(y, axis=1, keepdims=True)
    scores = objectives.scorer("term").pair_score()(features["a"], features["b"])
    np.testing.assert_allclose(scores, told["a"] @ told["b"].T, atol=1e-5)
    with pytest.raises(TermError, match="by the statistics of a batch: set norm=False"):
        make(sizes).compared("term", "a", Embedding(raws["a"], raws["a"]))
