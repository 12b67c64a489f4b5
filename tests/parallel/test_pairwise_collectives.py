"""What the schedules of the pairwise engine send, read from the compiled programs."""

import collections
import functools
import math

import jax
import jax.numpy as jnp
import pairwise_formulas as formulas
import pytest
from jax.sharding import NamedSharding

from mmjax.parallel import pairwise
from mmjax.parallel.pairwise import Plan
from mmjax.preflight import hlo, hlo_cost

ROWS, DIM, TILE = 480, 32, 16


FEATURES, STATISTIC = "features", "statistic"


@functools.cache
def collectives(schedule, devices, gradient=True):
    """(kind, what) -> how often, where what is a device's or all rows' features, or a number each.

    Of a loss of all log-sum-exps: its value, or its value and its gradient by everything.
    """
    mesh = formulas.mesh_of(devices)
    plan = Plan(mesh, schedule=schedule, tile=TILE)

    def loss(x, y, scale):
        by_x, by_y = pairwise.logsumexp(lambda x, y, scale: scale * x @ y.T, x, y, scale, plan=plan)
        return jnp.mean(by_x**2 + by_y**2)

    split = NamedSharding(mesh, jax.P(mesh.axis_names))
    x = jax.ShapeDtypeStruct((ROWS, DIM), jnp.float32, sharding=split)
    step = jax.value_and_grad(loss, argnums=(0, 1, 2)) if gradient else loss
    lowered = jax.jit(step).lower(x, x, jax.ShapeDtypeStruct((), jnp.float32))
    cost = hlo_cost.cost(hlo.parse(lowered.compile().as_text()))
    assert not cost.unknown_loops
    found = collections.Counter()
    for collective in cost.collectives:
        shape = collective.shapes[0]
        if math.prod(shape.dims) > 1:  # the loss and the gradient of the scale are summed too
            what = FEATURES if shape.dims[-1] == DIM else STATISTIC
            found[collective.kind, what] += collective.runs
    return dict(found)


@pytest.mark.parametrize("devices", [2, 3, 4, 8])
def test_ring_hops_once_less_than_there_are_devices(devices):
    hops = devices - 1
    # Features go round; the maximum and the sum of every column come home with them.
    assert collectives("ring", devices, gradient=False) == {
        ("collective-permute", FEATURES): hops,
        ("collective-permute", STATISTIC): 2 * hops,
    }
    # And again for the gradient, with each column's result and cotangent; its gradient comes home.
    whole = collectives("ring", devices)
    assert set(whole) == {("collective-permute", FEATURES), ("collective-permute", STATISTIC)}
    assert whole["collective-permute", STATISTIC] == 4 * hops
    # A compiler may see that a hop of the backward pass brings what one of the forward pass did.
    assert 2 * hops <= whole["collective-permute", FEATURES] <= 3 * hops


@pytest.mark.parametrize("devices", [2, 8])
def test_gather_collects_the_columns_once_and_scatters_their_gradient_once(devices):
    # The columns' maximum and sum are exchanged; each device merges those of its own.
    forward = {("all-gather", FEATURES): 1, ("all-to-all", STATISTIC): 2}
    assert collectives("gather", devices, gradient=False) == forward
    # Results and cotangents of the columns are collected, but not the features a second time.
    assert collectives("gather", devices) == {
        **forward,
        ("all-gather", STATISTIC): 2,
        ("reduce-scatter", FEATURES): 1,
    }


@pytest.mark.parametrize("schedule", ["gather", "ring"])
def test_one_device_sends_nothing(schedule):
    assert collectives(schedule, 1) == {}
