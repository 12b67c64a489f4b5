"""What is special to terms over whole tuples of modalities."""

import numpy as np
import pytest
from cases.gram import volumes
from cases.symile import FOUR, SYMILE
from objective_formulas import error, normalize, value_and_grad
from term_harness import embeddings, make, plan_of, run

from mmjax.errors import ConfigError


def test_equal_vectors_have_no_volume_and_finite_gradients():
    raws = embeddings(("a", "b"), 6)
    raws["b"] = raws["a"].copy()
    spec = {"type": "gram_volume", "modalities": ("a", "b")}
    value, grads, _, metrics = run(spec, plan_of("dense", 1, 1), raws, {})
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())
    np.testing.assert_allclose(metrics["term/volume"], 1e-6, rtol=0.2)  # eps^1/2


@pytest.mark.parametrize("noise", [0.02, 0.005])
@pytest.mark.parametrize("names", ["ab", "abc"])
@pytest.mark.parametrize("collapsed", [False, True])
def test_small_volumes_keep_their_digits(collapsed, names, noise):
    """Tuples whose vectors nearly agree, also where those of all examples do."""
    rng = np.random.default_rng(0)
    vector = lambda: normalize(rng.normal(size=(6, 12)))  # noqa: E731
    latent = vector()[:1] + 4 * noise * vector() if collapsed else vector()
    raws = {name: (latent + noise * vector()).astype(np.float32) for name in names}
    spec = {"type": "gram_volume", "modalities": tuple(names), "learn_temperature": False}
    value, grads, _, _ = run(spec, plan_of("gather", 1, 1), raws, {})
    want, wants = value_and_grad(
        lambda *each: volumes(dict(zip(names, each, strict=True)), {}, {}), *raws.values()
    )
    # Anchors near the tuples of others have heights from a difference of numbers near 1.
    tolerance = max(2e-5, 1e-8 / noise**2 if collapsed else 0.0)
    assert error(value, want) < tolerance
    for grad, exact in zip(grads.values(), wants, strict=True):
        assert error(grad, exact) < tolerance


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="takes three modalities"):
        make({**SYMILE, "modalities": FOUR, "negatives": "n_squared"})
