"""The hardest partner of a row: the first of equal ones, in any tiles and on any mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases.hinge import SPEC
from term_harness import make, plan_of

from mmjax.errors import ConfigError
from mmjax.objectives.hinge import candidate
from mmjax.objectives.sampling import hardest
from mmjax.parallel.pairwise import Plan


@pytest.mark.parametrize("plan", [("dense", 1, 1), ("ring", 4, 1), ("gather", 2, 2)], ids=str)
@pytest.mark.parametrize("tile", [1, 3, 16])
def test_the_first_of_equal_ones_is_the_hardest(plan, tile):
    """Of small whole numbers, so that many scores are equal and all are exact."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-1, 2, (12, 3)).astype(np.float32) for _ in range(2))
    valid = np.arange(12) != 4
    index = np.arange(12, dtype=np.int32)
    both = [{"unit": jnp.asarray(u), "index": index, "valid": valid} for u in (x, y)]
    of = plan_of(*plan, tile)
    found = np.asarray(jax.jit(lambda a, b: hardest(candidate, a, b, plan=of))(*both))
    scores = np.where(valid[None, :] & ~np.eye(12, dtype=bool), x @ y.T, -np.inf)
    np.testing.assert_array_equal(found[valid], scores.argmax(1)[valid])
    assert (np.sort(scores)[:, -1] == np.sort(scores)[:, -2]).any()


def test_a_row_without_any_other_has_none():
    alone = {"unit": jnp.ones((1, 2)), "index": jnp.zeros(1, jnp.int32)}
    assert hardest(candidate, alone, alone, plan=Plan()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction_weights": (0.0, 0.0)}, "not both 0"),
        ({"negatives": "hardest", "reduction": "rows"}, "one hardest partner a row"),
        ({"pairs": (("a", "a"),)}, "pair"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make({**SPEC, **options})
