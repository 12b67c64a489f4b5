"""Which rows a teacher's opinion holds, and what is missing without one."""

import numpy as np
import pytest
from cases.distillation import PAIR, distill, kept, taught, teacher
from objective_formulas import normalize
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TERMS, TermError


@pytest.mark.smoke
def test_rows_that_the_teacher_has_wrong_are_free_to_move():
    """Without its gradient, and the second of two equal pairs, whose maximum is the first."""
    batch = {"id": np.arange(SIZE), **taught(SIZE)}
    *_, metrics = run(kept(), plan_of("ring", 2, 1), embeddings(PAIR), batch, teacher(batch))
    old = (
        normalize(batch["teacher/a"].astype(float)) @ normalize(batch["teacher/b"].astype(float)).T
    )
    right = np.round(old, 9).argmax(1) == np.arange(SIZE)
    assert not right[5]
    assert 0.2 < right.mean() < 1
    np.testing.assert_allclose(metrics["term/kept/rows"], right.mean(), rtol=1e-6)
    # A student that is its own teacher has nothing to keep, and no gradient.
    same = {**batch, **{f"teacher/{n}": raw for n, raw in embeddings(PAIR).items()}}
    value, grads, *_ = run(kept(), plan_of("ring", 2, 1), embeddings(PAIR), same, teacher(same))
    assert abs(value) < 1e-6
    assert max(np.abs(g).max() for g in grads.values()) < 1e-6


def test_a_term_without_its_teacher_says_what_to_set():
    for spec in (distill(), kept()):
        with pytest.raises(
            TermError, match=r"set teacher=\{'type': 'frozen', 'views': \('a', 'b'\)"
        ):
            run(spec, plan_of("dense", 1, 1), embeddings(PAIR), {"id": np.arange(SIZE)})
        assert spec["type"] in TERMS


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (distill(alpha=1.5), "alpha' should be at least 0 and at most 1"),
        (distill(temperature=0.0), "temperature' should be at least 1e-15"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec, said):
    with pytest.raises((TermError, ConfigError), match=said):
        make(spec)
