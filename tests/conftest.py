"""Every test sees eight CPU devices and no network; compiled programs are kept between runs."""

import os
import tempfile
from pathlib import Path

# Both must be set before jax is imported, by this process or by one that a test starts.
os.environ["JAX_PLATFORMS"] = "cpu"
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    ).strip()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "mmjax-test-jax-cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# Nearly all of a test's time is compilation, and half of that is LLVM making code fast that runs
# once. XLA's own passes, which decide what is computed and where, are the same without it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import pytest
from hypothesis import settings

# Compilation makes first examples slow; a deadline would only measure the machine.
settings.register_profile("mmjax", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("mmjax")


@pytest.fixture
def getkey():
    """A function that returns a fresh jax key at every call, the same sequence in every test."""
    import jax

    count = iter(range(10**6))
    return lambda: jax.random.key(next(count))
