"""What cannot be computed is said in one sentence, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pairwise_formulas as formulas
import pytest

from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import PairwiseError, Plan


def dot(x, y, _):
    return x @ y.T


def refused(message, score=dot, rows=(8, 3), cols=(8, 3), plan=None, reduce=pairwise.logsumexp):
    """Tracing alone raises one sentence."""
    x, y = (
        jnp.ones(side) if isinstance(side, tuple) else jax.tree.map(jnp.ones, side, is_leaf=_shape)
        for side in (rows, cols)
    )
    with pytest.raises(PairwiseError, match=message) as error:
        jax.eval_shape(lambda x, y: reduce(score, x, y, plan=plan or Plan()), x, y)
    assert "\n" not in str(error.value)


def _shape(x):
    return isinstance(x, tuple)


@pytest.mark.parametrize("schedule", ["dense", "gather", "ring", "auto"])
def test_a_batch_that_does_not_divide_over_the_mesh(schedule):
    plan = Plan(formulas.mesh_of(2, 2), schedule=schedule)
    sentence = r"do not divide over the 4 devices of mesh axes \('data', 'fsdp'\): .* multiple of 4"
    refused("10 rows " + sentence, rows=(10, 3), plan=plan)
    refused("6 columns " + sentence, cols=(6, 3), plan=plan)


@pytest.mark.parametrize("schedule", ["dense", "gather", "ring", "auto"])
def test_a_mesh_without_the_axis(schedule):
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])
    with pytest.raises(
        PairwiseError, match=rf"'{schedule}' shards rows over mesh axis 'fsdp'.*only .*\('data',\)"
    ):
        Plan(mesh, schedule=schedule)
    assert Plan(mesh, axes=("data",), schedule=schedule).shards == 2


@pytest.mark.parametrize(
    ("score", "what"),
    [
        (lambda x, y, _: (x @ y.T).T, r"float32\[3, 2\]"),
        (lambda x, y, _: (x @ y.T).sum(1), r"float32\[2\]"),
        (lambda x, y, _: (x @ y.T)[..., None], r"float32\[2, 3, 1\]"),
        (lambda x, y, _: (x @ y.T).astype(jnp.bfloat16), r"bfloat16\[2, 3\]"),
        (lambda x, y, _: {"a": x @ y.T, "b": x @ x.T}, r"float32\[2, 2\]"),
    ],
)
@pytest.mark.parametrize("reduce", [pairwise.logsumexp, pairwise.sums, pairwise.total])
def test_a_score_of_another_shape_or_type(score, what, reduce):
    refused(
        rf"has to return float32\[r, c\].* for 2 rows and 3 columns it returned {what}",
        score,
        reduce=reduce,
    )


def test_a_score_of_nothing():
    refused("returned no array", lambda x, y, _: ())


def test_sides_of_several_lengths_or_none():
    refused(
        r"arrays among the rows .* same leading size: \['a'\] has 8, \['b'\] has 4",
        rows={"a": (8, 3), "b": (4,)},
    )
    refused("arrays among the columns .* has none", cols={"a": ()})
    refused("rows of a pairwise reduction hold no array", rows={})
    refused("reduction has no columns", cols=(0, 3))


def test_unknown_words_and_sizes():
    with pytest.raises(PairwiseError, match=r"Unknown pairwise schedule 'rign'.*'ring'"):
        Plan(schedule="rign")
    with pytest.raises(PairwiseError, match="at least one row, but tile=0"):
        Plan(tile=0)
    with pytest.raises(PairwiseError, match=r"sides must be .* not 'left'"):
        pairwise.sums(dot, np.ones((2, 3)), np.ones((2, 3)), plan=Plan(), sides="left")
