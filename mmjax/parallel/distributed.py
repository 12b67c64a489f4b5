"""Multi-process runs: initialization, communication between processes, and shutdown.

Every process runs the same program on the same config. Process 0 alone writes files; checkpoints
are written by all of them together, into one folder that all of them see.

A process that ends early ends the others. Its machine closes its connections, or its heartbeats
stop for `HEARTBEAT_SECONDS`; then the others have nothing to wait for, and end with a sentence.
"""

import os
import re
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from mmjax.errors import ConfigError, UserError
from mmjax.parallel.compiler import set_flags

HEARTBEAT_SECONDS = 20  # a process that was silent for so long is gone
CONNECT_SECONDS = 300  # for all processes to appear

# The first is what jax itself reads; it leaves the other two to the program.
VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


class ProcessLost(UserError, RuntimeError):
    """Another process of the run ended or cannot be reached."""

    exit_code = 1


def initialize(detect: bool = False) -> None:
    """Joins the processes of a run, if it has many; has to come before any use of a device.

    Args:
      detect: let jax find out from SLURM, Open MPI or a TPU's metadata who the processes are.
        Otherwise they are as the environment says: JAX_COORDINATOR_ADDRESS (host:port of process
        0), JAX_NUM_PROCESSES and JAX_PROCESS_ID; without these, this process runs alone.

    Raises:
      ConfigError: when the environment says only half of it, or jax finds nothing.
      ProcessLost: when the others do not appear.
    """
    set_flags()
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    options: dict[str, Any] = {}
    if len(given) == len(VARIABLES):
        address, count, index = given.values()
        if ":" not in address or not (count.isdigit() and index.isdigit()):
            raise ConfigError(
                f"the environment sets JAX_COORDINATOR_ADDRESS={address}, JAX_NUM_PROCESSES="
                f"{count}, JAX_PROCESS_ID={index}: these should be host:port and two numbers"
            )
        options = {
            "coordinator_address": address,
            "num_processes": int(count),
            "process_id": int(index),
        }
    elif not detect:
        if given:
            missing = [name for name in VARIABLES if name not in given]
            raise ConfigError(
                f"the environment sets {' and '.join(given)} but not {' and '.join(missing)}: a "
                "run of many processes needs all three, or --distributed on SLURM, Open MPI or TPU"
            )
        return
    try:
        jax.distributed.initialize(
            **options,
            initialization_timeout=CONNECT_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except ValueError as error:
        raise ConfigError(
            f"--distributed: jax cannot tell who the processes are ({error}): start them by a "
            f"script of launch/, or set {', '.join(VARIABLES)}"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        where = options.get("coordinator_address", "process 0")
        raise ProcessLost(
            f"the processes of the run did not all appear at {where} within {CONNECT_SECONDS} "
            f"seconds ({str(error).splitlines()[0][:200]})"
        ) from error


def many() -> bool:
    """Whether this run has more than one process; asking touches no device."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def lost(error: BaseException) -> str | None:
    """The sentence to end with when an error means that another process is gone, or None."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    if not many() or not any(isinstance(part, jax.errors.JaxRuntimeError) for part in chain):
        return None
    text = " ".join(map(str, chain))
    if not re.search(r"[Cc]onnection|Gloo|NCCL|barrier|heartbeat|unhealthy|UNAVAILABLE", text):
        return None
    return (
        f"process {jax.process_index()} lost another process of the run "
        f"({' '.join(text.split())[:200]}): see the output of the others; the same command in "
        "all processes resumes from the last checkpoint"
    )


def leave(code: int) -> None:
    """Ends this process at once if the run has many: an orderly end would wait for the others.

    The others notice by themselves.
    """
    if many():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def of_first(make: Callable[[], str]) -> str:
    """What `make` returns in process 0, the only one that calls it, in all processes."""
    return gather(make() if jax.process_index() == 0 else "")[0]


def gather(text: str) -> list[str]:
    """The texts that the processes give here, in their order, in all processes."""
    if jax.process_count() == 1:
        return [text]
    data = np.frombuffer(text.encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(len(data)))
    # A power of two, so that few sizes are ever compiled.
    room = np.zeros(1 << int(max(sizes.max(), 1) - 1).bit_length(), np.uint8)
    room[: len(data)] = data
    rows = multihost_utils.process_allgather(room)
    return [row[:size].tobytes().decode() for row, size in zip(rows, sizes, strict=True)]
