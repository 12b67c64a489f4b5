"""Compiler flags and environment variables, set before the first use of a device."""

import os

# Environment variable -> (flag, value), where the variable does not name the flag already.
_FLAGS = {
    # CPU: operations in an order that needs little memory. The default order lets more of them run
    # at once, which costs a CLIP step a quarter more temporaries and some time; and on a mesh of
    # several CPU devices they may begin collectives in different orders and wait for each other.
    "XLA_FLAGS": ("xla_cpu_enable_concurrency_optimized_scheduler", "false"),
    # TPU: never multiply by a weight that `fsdp` has split while its parts arrive. A v5p's compiler
    # does so by default, and reads the activations anew for every part: a step of ViT-B/16 moves
    # three times the bytes to and from HBM, and takes three times as long.
    "LIBTPU_INIT_ARGS": ("xla_jf_spmd_threshold_for_windowed_einsum_mib", "1000000"),
}

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
    for variable, (flag, value) in _FLAGS.items():
        given = os.environ.get(variable, "")
        if flag not in given:
            os.environ[variable] = f"{given} --{flag}={value}".strip()
