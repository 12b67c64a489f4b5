"""TPU topologies for ahead-of-time compilation.

`libtpu` compiles for a TPU topology on a machine without a TPU. What the compiled program needs can
then be held against what the chips have, the numbers in `CHIPS`.

Sources: the pages "TPU v5e", "TPU v5p", "TPU v6e" and "TPU7x (Ironwood)" of the Cloud TPU
documentation (docs.cloud.google.com/tpu/docs/v5e, /v5p, /v6e, /tpu7x), read in 2026.
"""

import dataclasses
import os
import re
from importlib import metadata

import jax
from packaging.requirements import Requirement

from mmjax import extras
from mmjax.errors import ConfigError
from mmjax.parallel.compiler import set_flags


@dataclasses.dataclass(frozen=True)
class Chip:
    """Peak rates and memory of one chip.

    Attributes:
      kind: what JAX calls its devices.
      flops: bf16 multiplications and additions per second.
      memory: bytes of HBM that the compiler (libtpu 0.0.42) has for a program.
      bandwidth: bytes per second between chip and HBM.
      links: ports to neighbours.
      interconnect: bytes per second that all links together carry, in both directions.
      devices: JAX devices of one chip, among which all of this is shared.
    """

    kind: str
    flops: float
    memory: float
    bandwidth: float
    links: int
    interconnect: float
    devices: int = 1

    @property
    def sending(self) -> float:
        """Bytes per second that a chip can send when all links are busy, both ways at once."""
        return self.interconnect / 2

    @property
    def hop(self) -> float:
        """Bytes per second that a chip can send to one neighbour."""
        return self.sending / self.links

    def per_device(self) -> "Chip":
        """The share of one JAX device."""
        return dataclasses.replace(
            self,
            flops=self.flops / self.devices,
            memory=self.memory / self.devices,
            bandwidth=self.bandwidth / self.devices,
            interconnect=self.interconnect / self.devices,
            devices=1,
        )


GIB = 2**30
CHIPS = {
    "v5e": Chip("TPU v5 lite", 197e12, 15.75 * GIB, 819e9, links=4, interconnect=400e9),
    "v5p": Chip("TPU v5", 459e12, 95.74 * GIB, 2765e9, links=6, interconnect=1200e9),
    "v6e": Chip("TPU v6 lite", 918e12, 31.25 * GIB, 1638e9, links=4, interconnect=800e9),
    # Two TensorCores, each with its half of the memory, are two devices.
    "tpu7x": Chip(
        "TPU7x", 2307e12, 2 * 94.75 * GIB, 7380e9, links=6, interconnect=1200e9, devices=2
    ),
}

# libtpu looks for a TPU's metadata over the network unless told that there is none, complains where
# it does not find which machine it is on, and lets one process at a time have the TPU, which is not
# used here.
_LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def chip_of(device: jax.Device) -> Chip | None:
    """The chip of a device, or None for one that is not in `CHIPS`."""
    return next((chip for chip in CHIPS.values() if chip.kind == device.device_kind), None)


def devices(name: str) -> list[jax.Device]:
    """Devices to compile for, of a topology `<chip>:<chips along each axis>`.

    Args:
      name: such as `v5e:16x16`, `v5p:4x4x4`, `v6e:16x16` or `tpu7x:4x4x4`.

    Raises:
      ConfigError: for a name that is none, a shape that does not exist, or a libtpu that was made
        for another release of jax.
      MissingExtra: without libtpu.
    """
    kind, shape = _parts(name)
    release = f"in the release that was made for the installed jax {jax.__version__}"
    extras.find("libtpu", "aot", f"--topology={name}", release)
    _check_release(f"--topology={name}")
    for variable, value in _LIBTPU.items():
        os.environ.setdefault(variable, value)
    set_flags()
    from jax.experimental import topologies

    try:
        found = topologies.get_topology_desc(platform="tpu", topology_name=f"{kind}:{shape}")
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--topology={name}: libtpu knows no such slice ({_first_sentence(error)}); "
            "try v5e:16x16, v5p:4x4x4, v6e:16x16 or tpu7x:4x4x4"
        ) from error
    return list(found.devices)


def _check_release(what: str) -> None:
    """Refuses a libtpu that is not the one of the installed jax: its programs cannot be read.

    Raises:
      ConfigError: with what to install.
    """
    found = metadata.version("libtpu")
    named = (Requirement(line) for line in metadata.requires("jax") or ())
    for each in named:
        if each.name == "libtpu" and not each.specifier.contains(found, prereleases=True):
            raise ConfigError(
                f"{what}: libtpu {found} is not of jax {jax.__version__}, which needs "
                f"libtpu{each.specifier}: pip install 'mmjax[aot]' brings it"
            )


def _parts(name: str) -> tuple[str, str]:
    kind, _, shape = name.partition(":")
    if kind not in CHIPS or not re.fullmatch(r"\d+(x\d+){1,2}", shape):
        raise ConfigError(
            f"--topology={name!r} is no topology: give a chip ({', '.join(CHIPS)}) and the number "
            "of chips along each axis, as in v5e:16x16 or v5p:4x4x4"
        )
    return kind, shape


def _first_sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
