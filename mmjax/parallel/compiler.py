"""What XLA is told before a program's first use of a device."""

import os

_FLAG = "xla_cpu_enable_concurrency_optimized_scheduler"


def order_for_memory() -> None:
    """On a CPU, lets XLA order operations so that they need little memory.

    Its default order lets more of them run at once, which costs a CLIP step a quarter more
    temporaries and some time (docs/benchmarks.md). An environment variable that names the flag is
    left as it is. Has no effect once a device has been used; `jax.jit(compiler_options=...)` takes
    the flag, too, and does nothing with it (jax 0.10 to 0.12).
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{_FLAG}=false".strip()
