"""What a term with a teacher and a queue measures beside its loss, and what it refuses."""

import numpy as np
import pytest
from cases.momentum import CROSS, DIM, OWN, SPEC, known, queued, taught
from term_harness import SIZE, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.model.embedding import Embedding, unit_norm
from mmjax.objectives import TermError


def test_in_batch_loss_is_that_without_a_queue():
    spec = {**SPEC, "pairs": OWN}
    raws = {name: taught(SIZE)["teacher b"] + k for k, name in enumerate(("a", "b"))}
    extra = taught(SIZE)  # without a queue
    _, _, _, metrics = run(spec, plan_of("dense", 1, 1), raws, extra, known(queued(SIZE)))
    alone, *_ = run(spec, plan_of("dense", 1, 1), raws, extra, known(extra))
    np.testing.assert_allclose(metrics["term/in_batch"], alone, rtol=1e-6)
    assert metrics["term/loss"] > alone + 0.1


def test_what_is_missing_is_named():
    raws = {name: np.ones((4, DIM), np.float32) for name in ("a", "b")}
    plan = plan_of("dense", 1, 1)
    with pytest.raises(TermError, match="needs a teacher"):
        run({**SPEC, "pairs": CROSS}, plan, raws, {"id": np.arange(4)})
    teacher = {"teacher": {"b": Embedding(raws["b"], unit_norm(raws["b"]))}}
    with pytest.raises(TermError, match=r"needs the modality 'a@2@teacher'"):
        run({**SPEC, "pairs": CROSS}, plan, raws, {"id": np.arange(4)}, teacher)
    with pytest.raises(TermError, match=r"embedding of 'a'.*'teacher.views' has none"):
        run(
            {**SPEC, "pairs": (("a", "b"),), "soft": 0.5}, plan, raws, {"id": np.arange(4)}, teacher
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": ()}, "needs pairs"),
        ({"soft": 1.5}, "soft' should be at least 0 and at most 1"),
        ({"soft": {"type": "linear", "start": 0.0}}, "'objectives.term.soft.end' is missing"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make({**SPEC, **options})
