"""The floor under the time of a step, and the names of pods."""

import pytest
from third_party import needs

from mmjax.errors import ConfigError
from mmjax.preflight import topology
from mmjax.preflight.hlo_collectives import Collective
from mmjax.preflight.hlo_cost import Cost
from mmjax.preflight.roofline import roofline

CHIP = topology.Chip("a chip", flops=100.0, memory=1.0, bandwidth=10.0, links=4, interconnect=16.0)


def cost(flops=0.0, memory=0.0, *collectives):
    return Cost(flops, memory, memory, collectives, ())


def collective(kind, sent, runs=1, group=4):
    return Collective(kind, group, (), int(sent), sent, runs, "")


def test_the_largest_time_is_the_floor():
    times = roofline(cost(500.0, 20.0), CHIP, model_flops=400.0)
    assert (times.compute, times.memory, times.interconnect) == (5.0, 2.0, 0.0)
    assert times.floor == 5.0
    assert times.bound == "compute"
    # Of 500 FLOPs, 100 do again what was done: no model FLOPs.
    assert times.utilization == pytest.approx(0.8)


def test_a_memory_bound_step():
    times = roofline(cost(100.0, 40.0), CHIP, model_flops=100.0)
    assert times.bound == "memory"
    assert times.floor == 4.0
    assert times.utilization == pytest.approx(0.25)


def test_links_one_way_all_together_and_one_for_a_hop():
    # 16 bytes/s both ways over 4 links: 8 out of the chip, 2 over one link.
    times = roofline(cost(0.0, 0.0, collective("all-gather", 8.0, runs=3)), CHIP, 0.0)
    assert times.interconnect == 3.0
    assert times.bound == "interconnect"
    assert roofline(cost(0, 0, collective("collective-permute", 8.0)), CHIP, 0).interconnect == 4.0
    alone = roofline(cost(0.0, 0.0, collective("all-reduce", 8.0, group=1)), CHIP, 0.0)
    assert alone.interconnect == 0.0


def test_a_chip_is_shared_by_its_devices():
    device = topology.CHIPS["tpu7x"].per_device()
    assert device.flops == topology.CHIPS["tpu7x"].flops / 2
    assert device.memory == topology.CHIPS["tpu7x"].memory / 2


@pytest.mark.parametrize("name", ["v5e", "v5e:16", "v5e:16x", "v4:2x2", "h100:2x2", "v5p:4x4x4x4"])
def test_a_name_that_is_no_topology_is_refused_with_what_is_one(name):
    with pytest.raises(ConfigError, match="v5e:16x16 or v5p:4x4x4") as raised:
        topology.devices(name)
    assert repr(name) in str(raised.value)


def test_a_slice_that_no_pod_has_is_refused():
    needs("libtpu")
    with pytest.raises(ConfigError, match="libtpu knows no such slice") as raised:
        topology.devices("v5e:3x5")
    assert "\n" not in str(raised.value)
    assert len(topology.devices("v5e:2x2")) == 4


def test_a_libtpu_of_another_jax_is_refused(monkeypatch):
    monkeypatch.setattr(topology.extras, "find", lambda *_: None)
    monkeypatch.setattr(topology.metadata, "version", lambda _: "0.0.99")
    with pytest.raises(ConfigError, match=r"libtpu 0\.0\.99 is not of jax .*libtpu==") as raised:
        topology.devices("v5p:2x2x1")
    assert "mmjax[aot]" in str(raised.value)
