"""Compiler flags, environment variables and kept programs, set before the first use of a device."""

import contextlib
import functools
import hashlib
import os
import platform
from pathlib import Path

from mmjax.files import user_cache

# Environment variable, flag and value, where the variable does not name the flag already.
_FLAGS = (
    # CPU: operations in an order that needs little memory. The default order lets more of them run
    # at once, which costs a CLIP step a quarter more temporaries and some time; and on a mesh of
    # several CPU devices they may begin collectives in different orders and wait for each other.
    ("XLA_FLAGS", "xla_cpu_enable_concurrency_optimized_scheduler", "false"),
    # GPU: collectives begin early and end late, with products in between, as on TPUs.
    ("XLA_FLAGS", "xla_gpu_enable_latency_hiding_scheduler", "true"),
    # TPU: never multiply by a weight that `fsdp` has split while its parts arrive. A v5p's compiler
    # does so by default, and reads the activations anew for every part: a step of ViT-B/16 moves
    # three times the bytes to and from HBM, and takes three times as long.
    ("LIBTPU_INIT_ARGS", "xla_jf_spmd_threshold_for_windowed_einsum_mib", "1000000"),
)

# A step allocates its temporaries anew, and on Linux the first touch of every 4 KiB of them costs
# more than the optimizer. With huge pages (glibc 2.35 and later) it is every 2 MiB. Read when a
# process starts, so it is for those that this one starts.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def set_flags() -> None:
    """Adds the flags to the environment; has no effect once a device has been used.

    An environment variable that names a flag is left as it is. (`jax.jit(compiler_options=...)`
    takes the first one, too, and does nothing with it: jax 0.10 to 0.12.) What both do is measured
    in docs/benchmarks.md and docs/scale.md.
    """
    for variable, flag, value in _FLAGS:
        given = os.environ.get(variable, "")
        if flag not in given:
            os.environ[variable] = f"{given} --{flag}={value}".strip()


PROGRAMS_BYTES = 2**32  # those used longest ago go first
# Loading one takes milliseconds; a small variant compiles dozens that take less than jax's 1 s.
_WORTH_SECONDS = 0.2


def keep_programs(folder: Path | None = None) -> None:
    """Keeps compiled programs, so that a command given again starts without compiling.

    What jax is told already (JAX_COMPILATION_CACHE_DIR) is left as it is, and
    JAX_ENABLE_COMPILATION_CACHE=false ends it. A folder that cannot be written costs a warning of
    jax's and nothing else.

    Args:
      folder: where; by default one of the user's cache folder (XDG_CACHE_HOME).
    """
    import jax

    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    if folder is None:
        folder = user_cache(f"programs-{_machine()}")
    _forget_torn(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))
    jax.config.update("jax_compilation_cache_max_size", PROGRAMS_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_SECONDS)


def _forget_torn(folder: Path) -> None:
    """Removes programs without the file of their last use, which jax writes after them.

    A process that ends between the two leaves one; jax (0.10 to 0.12) then fails to keep any
    other program in this folder, with a warning each time.
    """
    for program in folder.glob("*-cache"):
        if not program.with_name(f"{program.name.removesuffix('-cache')}-atime").exists():
            with contextlib.suppress(OSError):  # of a folder that is not ours to write
                program.unlink()


@functools.cache
def _machine() -> str:
    """A name for CPUs with one set of instructions.

    A home folder may be shared by machines of several kinds, and a program that was compiled for
    the CPU of one can hold instructions that another does not know.
    """
    known = [platform.system(), platform.machine(), platform.processor()]
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(errors="replace").splitlines()
        kinds = ("flags", "Features", "model name")
        known += sorted({line for line in lines if line.startswith(kinds)})
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
