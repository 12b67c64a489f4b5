"""What share of the devices' peak rate a run uses: MFU (Chowdhery et al. 2022, appendix B)."""

import jax

from mmjax.preflight import topology
from mmjax.preflight.model_flops import model_flops
from mmjax.recipe import Recipe
from mmjax.train.watch import Work

# How the kinds of NVIDIA's devices begin -> dense bf16 multiplications and additions per second, of
# their data sheets, read in 2026. (Those sheets name the rate with sparsity, which is twice that.)
GPUS = {
    "NVIDIA B200": 2250e12,
    "NVIDIA GB200": 2500e12,
    "NVIDIA GH200": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA H100 NVL": 835e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA A100": 312e12,
    "NVIDIA A10G": 70e12,
    "NVIDIA A10": 125e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L40": 181e12,
    "NVIDIA L4": 121e12,
}


def work(recipe: Recipe, mesh: jax.sharding.Mesh) -> Work | None:
    """The work of a recipe's step; None on devices whose peak rate is not known, such as CPUs."""
    peak = peak_flops(mesh.devices.flat[0])
    return None if peak is None else Work(model_flops(recipe, mesh)[0], peak * mesh.size)


def peak_flops(device: jax.Device) -> float | None:
    """bf16 FLOPs per second of one device, or None for one that is not known."""
    chip = topology.chip_of(device)
    if chip is not None:
        return chip.per_device().flops
    known = [name for name in GPUS if device.device_kind.startswith(name)]
    return GPUS[max(known, key=len)] if known else None
