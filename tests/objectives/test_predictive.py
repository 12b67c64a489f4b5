"""What is special to SimSiam and BYOL between modalities."""

import numpy as np
import pytest
from cases.predictive import DIM, NAMES, PAIR, SPEC, known, taught
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
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
