"""What is special to K positives."""

import numpy as np
import pytest
from cases.one_to_k import OTHERS, many
from term_harness import embeddings, make, plan_of, run

from mmjax.errors import ConfigError
from mmjax.objectives import TermError


def test_the_k_positives_share_what_a_row_has():
    *_, metrics = run(
        many(), plan_of("dense", 1, 1), embeddings(("a", *OTHERS)), {"id": np.arange(16)}
    )
    perfect = {n: 30 * np.eye(16, dtype=np.float32) for n in ("a", *OTHERS)}
    value, *_, best = run(
        many(temperature=0.01), plan_of("dense", 1, 1), perfect, {"id": np.arange(16)}
    )
    np.testing.assert_allclose(value, (np.log(3)) / 2, rtol=1e-5)
    assert abs(best["term/above_floor"]) < 1e-5 < metrics["term/above_floor"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (many(others=("a", "b")), r"an anchor and other modalities, each once"),
        (many(t2i_weight=-1.0), "t2i_weight' should be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec, said):
    with pytest.raises((TermError, ConfigError), match=said):
        make(spec)
