"""The rule table from parameter paths to partitions."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from mmjax.errors import ConfigError
from mmjax.parallel import layout
from mmjax.parallel import mesh as mesh_lib


def shapes(**by_path):
    return {
        path.replace("__", "/"): jax.ShapeDtypeStruct(shape, jnp.float32)
        for path, shape in by_path.items()
    }


@pytest.fixture(scope="module")
def mesh():
    return mesh_lib.make_mesh(data=2, fsdp=2, tensor=2)


def test_fsdp_splits_the_largest_axis_it_divides(mesh):
    found = layout.specs(shapes(a=(96, 64), b=(64, 97), c=(63, 97)), mesh, fsdp_min_size=1)
    assert found == {"a": P("fsdp"), "b": P("fsdp"), "c": P()}


def test_layers_axis_of_stacked_blocks_is_never_split(mesh):
    found = layout.specs(shapes(t__blocks__w=(128, 32, 64)), mesh, fsdp_min_size=1)
    assert found == {"t/blocks/w": P(None, None, "fsdp")}


def test_small_parameters_are_replicated(mesh):
    found = layout.specs(shapes(w=(64, 64), v=(64, 63)), mesh, fsdp_min_size=64 * 64)
    assert found == {"w": P("fsdp"), "v": P()}


def test_own_rules_come_first_and_name_axes(mesh):
    rules = ((".*/up", (None, "fsdp", "tensor")), (".*/down", "replicate"))
    found = layout.specs(shapes(b__up=(3, 64, 64), b__down=(3, 64, 64)), mesh, rules)
    assert found == {"b/up": P(None, "fsdp", "tensor"), "b/down": P()}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (((".*/nothing", "replicate"),), "no parameter matches '.*/nothing'"),
        ((("w", ("data",)),), "has 1 axes, but w has shape"),
        ((("w", ("model", None)),), "'model', for w, is no axis"),
        ((("w", (None, "tensor")),), "axis 1 of w has size 63"),
    ],
)
def test_rules_that_do_not_fit_are_refused(mesh, rules, message):
    with pytest.raises(ConfigError, match=message):
        layout.specs(shapes(w=(64, 63)), mesh, rules)
