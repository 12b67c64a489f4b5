"""The mesh and the layout of a batch on it."""

import jax
import numpy as np
import pytest

from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib


def test_open_axis_takes_the_rest():
    mesh = mesh_lib.make_mesh(data=-1, fsdp=2, tensor=2)
    assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "tensor": 2}


def test_axes_are_auto():
    assert set(mesh_lib.make_mesh().axis_types) == {jax.sharding.AxisType.Auto}


@pytest.mark.parametrize("sizes", [(3, 1, 1), (-1, -1, 1), (-1, 3, 1), (0, 1, 8), (4, 1, 1)])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(ConfigError, match="mesh"):
        mesh_lib.make_mesh(*sizes)


def test_batch_that_does_not_divide_is_refused_with_the_multiple():
    mesh = mesh_lib.make_mesh(data=4, fsdp=2)
    mesh_lib.batch_size_fits(16, mesh)
    with pytest.raises(ConfigError, match=r"data.batch_size=12 .* multiple of 8"):
        mesh_lib.batch_size_fits(12, mesh)


def test_batch_is_split_over_data_and_fsdp_in_order():
    mesh = mesh_lib.make_mesh(data=2, fsdp=2, tensor=2)
    rows = np.arange(8 * 3, dtype=np.float32).reshape(8, 3)
    array = mesh_lib.to_device({"x": rows}, mesh)["x"]
    np.testing.assert_array_equal(jax.device_get(array), rows)
    shapes = {shard.data.shape for shard in array.addressable_shards}
    assert shapes == {(2, 3)}
    first = np.asarray(array.addressable_shards[0].data)
    np.testing.assert_array_equal(first, rows[:2])
