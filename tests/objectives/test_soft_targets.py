"""What is special to soft targets."""

import numpy as np
import pytest
from cases.soft_targets import PAIR, SOFT
from term_harness import SIZE, embeddings, make, plan_of, run

from mmjax.errors import ConfigError


def test_soft_targets_that_are_the_identity_are_info_nce():
    raws = embeddings(PAIR)
    batch = {"label": np.arange(SIZE, dtype=np.int32)}
    spec = {**SOFT, "reference": "label", "weights": "labels"}
    plain = {"type": "info_nce", "pairs": (PAIR,), "temperature": 0.2}
    plan = plan_of("dense", 1, 1)
    one, other = (run(each, plan, raws, batch) for each in (spec, plain))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)


@pytest.mark.parametrize("projection", [(4,), (4, 0)])
def test_a_projection_has_widths(projection):
    with pytest.raises(ConfigError, match=r"at least two widths|should be at least 1"):
        make({**SOFT, "reference": "c", "projection": projection})
