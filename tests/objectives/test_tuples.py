"""What is special to terms over whole tuples of modalities."""

import numpy as np
import pytest
from cases.symile import FOUR, SYMILE
from term_harness import embeddings, make, plan_of, run

from mmjax.errors import ConfigError


def test_equal_vectors_have_no_volume_and_finite_gradients():
    raws = embeddings(("a", "b"), 6)
    raws["b"] = raws["a"].copy()
    spec = {"type": "gram_volume", "modalities": ("a", "b")}
    value, grads, _, metrics = run(spec, plan_of("dense", 1, 1), raws, {})
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())
    np.testing.assert_allclose(metrics["term/volume"], 1e-3, rtol=0.2)  # eps^1/2


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="takes three modalities"):
        make({**SYMILE, "modalities": FOUR, "negatives": "n_squared"})
    with pytest.raises(ConfigError, match="at most 5"):
        make({"type": "gram_volume", "modalities": tuple("abcdef")})
