"""What XLA is told: it reaches a program, and what the user says stays."""

import os
import subprocess
import sys
from pathlib import Path

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
        assert os.environ["XLA_FLAGS"] == (
            "--xla_cpu_enable_concurrency_optimized_scheduler=true "
            "--xla_gpu_enable_latency_hiding_scheduler=true"
        )
        assert os.environ["LIBTPU_INIT_ARGS"] == (
            "--xla_tpu_scoped_vmem_limit_kib=65536 "
            "--xla_jf_spmd_threshold_for_windowed_einsum_mib=1000000"
        )


KEEP = """
import jax
from mmjax.parallel import compiler

compiler.keep_programs()
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((8, 8))).block_until_ready()
print(jax.config.jax_compilation_cache_dir)
"""


def kept(cache, **variables):
    """The folder that a process keeps its programs in, and whether it holds any."""
    names = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    inherited = {k: v for k, v in os.environ.items() if k not in names}
    environment = {**inherited, "XDG_CACHE_HOME": str(cache), **variables}
    script = KEEP.replace("compiler.keep", "compiler._WORTH_SECONDS = 0.0\ncompiler.keep")
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    return folder, bool(list(folder.glob("jit_*-cache")))


def test_programs_are_kept_in_the_users_cache_folder(tmp_path):
    folder, found = kept(tmp_path)
    assert found
    assert folder.is_relative_to(tmp_path / "mmjax")
    for last_use in folder.glob("*-atime"):  # as a process killed at the wrong time leaves it
        last_use.unlink()
    assert kept(tmp_path) == (folder, True)
    assert len(list(folder.glob("*-cache"))) == len(list(folder.glob("*-atime")))


def test_programs_are_kept_where_the_user_says_or_not_at_all(tmp_path):
    own = tmp_path / "own"
    always = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    assert kept(tmp_path, JAX_COMPILATION_CACHE_DIR=str(own), **always) == (own, True)
    assert not kept(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false")[1]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "mmjax").write_text("a file where the folder should be")
    assert not kept(tmp_path)[1]
