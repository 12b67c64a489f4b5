"""What XLA is told: it reaches a program, and what the user says stays."""

import os
import subprocess
import sys

import pytest

from mmjax.parallel import compiler

PROGRAM = """
import jax
import jax.numpy as jnp
from mmjax.parallel import distributed

distributed.initialize()


def f(x):  # six products that could all run at once, each with a temporary of its own
    parts = [jnp.sin(x + i) @ x for i in range(6)]
    return sum(part @ part for part in parts)


memory = jax.jit(f).lower(jnp.ones((256, 256))).compile().memory_analysis()
print(memory.temp_size_in_bytes)
"""


@pytest.mark.smoke
def test_order_for_memory_on_a_cpu():
    def temporaries(flags):
        environment = {**os.environ, "XLA_FLAGS": flags, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    wide = temporaries("--xla_cpu_enable_concurrency_optimized_scheduler=true")
    assert temporaries("") < wide


def test_what_the_user_says_stays(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_concurrency_optimized_scheduler=true")
    monkeypatch.setenv("LIBTPU_INIT_ARGS", "--xla_tpu_scoped_vmem_limit_kib=65536")
    for _ in range(2):  # a second call adds nothing
        compiler.set_flags()
        assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_concurrency_optimized_scheduler=true"
        assert os.environ["LIBTPU_INIT_ARGS"] == (
            "--xla_tpu_scoped_vmem_limit_kib=65536 "
            "--xla_jf_spmd_threshold_for_windowed_einsum_mib=1000000"
        )
