"""Roofline model: lower bounds on the step time.

Williams et al. 2009, "Roofline": the time is at least the work over the peak, for products, memory
and links each; the largest of the three is the floor. A real step is slower, by what does not
overlap and by what runs below its peak.
"""

import dataclasses

from mmjax.preflight.hlo_cost import Cost
from mmjax.preflight.topology import Chip


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Seconds of one step on one device.

    Attributes:
      compute: matrix products at the peak of bf16.
      memory: reading and writing HBM.
      interconnect: what a device sends, over all of its links at once; a hop to one neighbour goes
        over one link.
      utilization: model FLOPs per second at the floor, as a share of the peak (MFU). Recomputation
        is no model FLOP.
    """

    compute: float
    memory: float
    interconnect: float
    utilization: float

    @property
    def floor(self) -> float:
        return max(self.compute, self.memory, self.interconnect)

    @property
    def bound(self) -> str:
        """The name of the largest."""
        times = {"compute": self.compute, "memory": self.memory, "interconnect": self.interconnect}
        return max(times, key=lambda name: times[name])


def roofline(cost: Cost, chip: Chip, model_flops: float) -> Roofline:
    """Times of a program on one device.

    Args:
      cost: of the compiled program of one device.
      chip: a device's share of its chip.
      model_flops: of one step and one device, without recomputation.
    """
    links = 0.0
    for collective in cost.collectives:
        if collective.group > 1:
            rate = chip.hop if collective.kind == "collective-permute" else chip.sending
            links += collective.runs * collective.sent / rate
    compute, memory = cost.flops / chip.flops, cost.memory / chip.bandwidth
    floor = max(compute, memory, links)
    share = model_flops / chip.flops / floor if floor else 0.0
    return Roofline(compute, memory, links, share)
