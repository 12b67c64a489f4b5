"""The largest batch that fits, and what a compiler says of memory."""

import math

import jax
import pytest

from mmjax.errors import exit_code
from mmjax.preflight.sizing import (
    GIB,
    CompilerFailed,
    Memory,
    compile_or_size,
    largest_batch,
    out_of_memory,
)

MESSAGE = (
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. "
    "Used 31.62G of 15.75G hbm. Exceeded hbm capacity by 15.87G.\n\nTotal hbm usage >= 31.88G:\n"
)


def asking(need):
    """A memory function that counts what it was asked."""
    asked = []

    def memory(batch):
        asked.append(batch)
        return need(batch)

    return memory, asked


def test_the_compilers_numbers_are_read():
    answer = out_of_memory(MESSAGE)
    assert answer.needed == pytest.approx(31.62 * GIB, abs=1)
    assert answer.available == pytest.approx(15.75 * GIB, abs=1)
    assert str(answer) == "needs 31.6 of 15.8 GiB"


def test_the_numbers_of_temporaries_alone_are_read():
    answer = out_of_memory(
        "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
        "temporaries (44.48G) exceeds available HBM (15.75G)."
    )
    assert str(answer) == "needs 44.5 of 15.8 GiB"


def test_another_message_is_quoted():
    answer = out_of_memory("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes")
    assert answer.needed is None
    assert "allocating 99 bytes" in str(answer)


def test_memory_counts_what_takes_the_place_of_arguments_once():
    memory = Memory(arguments=100, outputs=90, aliased=80, temporaries=7, code=1)
    assert memory.total == 118


@pytest.mark.parametrize("start", [8, 64, 1024])
def test_a_straight_line_is_found_in_few_tries(start):
    memory, asked = asking(lambda batch: 1000 + 10 * batch)
    batch, size = largest_batch(memory, limit=3000, unit=4, start=start)
    assert size == 1000 + 10 * batch <= 3000
    assert batch > 0.88 * 200
    assert batch % 4 == 0
    assert len(asked) <= 6


def test_what_is_returned_was_compiled_even_where_the_line_bends():
    memory, asked = asking(lambda batch: 50 * math.ceil(batch / 7) ** 2)
    batch, size = largest_batch(memory, limit=5000, unit=1, start=16)
    assert batch in asked
    assert size <= 5000
    assert batch >= 60


def test_sizes_that_cannot_be_told_count_as_too_large():
    memory, _ = asking(lambda batch: math.inf if batch > 100 else batch)
    batch, _ = largest_batch(memory, limit=1e9, unit=1, start=256)
    assert 80 <= batch <= 100


def test_not_even_the_smallest():
    memory, _ = asking(lambda batch: 1e6 + batch)
    assert largest_batch(memory, limit=1000, unit=8, start=64) is None


def test_a_failure_of_the_compilers_own_is_a_sentence():
    class Lowered:
        def compile(self):
            raise jax.errors.JaxRuntimeError("INTERNAL: instruction should have 1 operands\nat 0x1")

    with pytest.raises(CompilerFailed, match="1 operands at 0x1") as raised:
        compile_or_size(Lowered())
    assert jax.__version__ in str(raised.value)
    assert exit_code(raised.value) == 1
