"""What is special to hard negatives, mixtures, and terms without negatives."""

import cases
import jax.numpy as jnp
import numpy as np
import pytest
from cases.mixup import MIX, PAIR
from objective_formulas import normalize
from term_harness import embeddings, make, plan_of, run, term_key

from mmjax.errors import ConfigError
from mmjax.objectives.mixup import slerp


def test_no_beta_and_no_prior_is_info_nce():
    raws, plan = embeddings(PAIR), plan_of("dense", 1, 1)
    plain = {"type": "info_nce", "pairs": (PAIR,), "temperature": 0.2, "learn_temperature": False}
    one, other = (run(spec, plan, raws, {}) for spec in (cases.CASES["hard_none"].spec, plain))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)


def test_the_arc_goes_from_one_end_to_the_other_at_unit_length():
    rng = np.random.default_rng(0)
    x, y = (normalize(rng.normal(size=(6, 4))) for _ in range(2))
    for share in (0.0, 0.3, 1.0):
        point = np.asarray(slerp(jnp.asarray(x), jnp.asarray(y), share))
        np.testing.assert_allclose((point**2).sum(1), 1, rtol=1e-5)
        angles = np.arccos((point * y).sum(1).clip(-1, 1))
        np.testing.assert_allclose(angles, share * np.arccos((x * y).sum(1)), atol=2e-3)
    np.testing.assert_allclose(slerp(jnp.asarray(x), jnp.asarray(x), 0.3), x, atol=1e-6)


def test_shares_are_one_where_no_mixing_was_drawn():
    term = make({**MIX, "mix_probability": 0.25}).terms["term"]
    share, partner = term.draw(term_key(), 0, 4000)
    assert 0.72 < (np.asarray(share) == 1).mean() < 0.78
    assert sorted(np.asarray(partner)) == list(range(4000))


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "hard_info_nce", "beta": -1.0},
        {"type": "hard_info_nce", "tau_plus": 1.0},
        {"type": "mixup_nce", "alpha": 0.0},
        {"type": "geodesic_negatives", "alpha": -1.0},
        {"type": "barlow_twins", "eps": 0.0},
        {"type": "vicreg", "variance": -1.0},
    ],
)
def test_options_that_make_no_sense_are_refused(spec):
    with pytest.raises(ConfigError, match=r"'objectives.term.\w+' should be (above|at least) 0"):
        make(spec)
