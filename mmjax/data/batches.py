"""The iterator over batches, in threads or in worker processes that end when they should."""

from __future__ import annotations

import os
import re
import signal
import time
import weakref

import grain
import numpy as np
from absl import flags

from mmjax.data.records import BadExample
from mmjax.data.report import BadRows
from mmjax.data.rows import Batch
from mmjax.processes import end_with_parent, shielded_from


class Batches:
    """An iterator over batches that measures how long training waited for data.

    Attributes:
      waited: seconds spent in `next()` so far: the time in which training stood still for data.
    """

    def __init__(self, batches: grain.MapDataset, report: BadRows, workers: int, prefetch: int):
        self.waited, self._report, self._shared = 0.0, report, workers > 0
        if workers:
            if not flags.FLAGS.is_parsed():  # in a notebook; grain asks for its flags
                flags.FLAGS.mark_as_parsed()
            # A worker makes its batches one after the other; the workers take turns.
            ahead = max(1, prefetch // workers)
            rows = batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=1))
            options = grain.experimental.DatasetOptions(min_shm_size=2**16)
            rows = grain.experimental.WithOptionsIterDataset(rows, options)
            rows = rows.mp_prefetch(grain.MultiprocessingOptions(workers, ahead), start_worker)
            # Training may need batches until it has saved.
            with shielded_from(signal.SIGINT, signal.SIGTERM):
                self._iterator = iter(rows)
                self._iterator.get_state()  # makes grain's iterators of workers, to be started here
                self._iterator.start_prefetch()
        else:
            threads = min(prefetch, os.cpu_count() or 1, 8)  # Python runs in one at a time
            rows = batches.to_iter_dataset(
                grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
            )
            self._iterator = iter(rows)
            self._iterator.start_prefetch()
        # Also when nobody closes this: at exit, while the modules that closing needs are there.
        self._end = weakref.finalize(self, self._iterator.close)

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        """The next batch; its bad rows are in the report."""
        batch, bad = self.read()
        self._report.add(*bad)
        return batch

    def read(self) -> tuple[Batch, list[BadExample]]:
        """The next batch, and its bad rows, for the report once the batch is used.

        Raises:
          BadExample: for a bad row, with on_error='fail'.
          WorkerDied: if a worker process ended.
        """
        start = time.perf_counter()
        batch: Batch
        try:
            batch, bad = next(self._iterator)
        except RuntimeError as error:  # of grain, which has no name of its own for it
            ended = re.search(r"terminated unexpectedly with exit code (-?\d+)", str(error))
            if not ended:
                raise
            raise WorkerDied(int(ended[1])) from error
        if self._shared:
            # Out of the shared memory at once: grain unmaps it under whoever still looks at it when
            # the program ends, and a small array would keep a file of its own open.
            batch = {name: np.array(values) for name, values in batch.items()}
        self.waited += time.perf_counter() - start
        return batch, [BadExample(*row) for row in bad]

    def close(self) -> None:
        """Ends threads and worker processes; there are no more batches."""
        self._end()
        self._iterator = iter(())


class WorkerDied(RuntimeError):
    """A process that makes batches ended by itself; the message says by what."""

    def __init__(self, exit_code: int):
        how = f"with exit code {exit_code}"
        if exit_code < 0:
            how = f"by signal {-exit_code} ({signal.Signals(-exit_code).name})"
        advice = {
            -signal.SIGKILL: "; that is how a machine out of memory ends processes, so try fewer "
            "data.workers or a smaller data.prefetch",
            -signal.SIGBUS: "; batches pass through /dev/shm, which is perhaps too small, so make "
            "it larger or set data.workers to 0",
        }
        super().__init__(f"a worker process of the data ended {how}{advice.get(exit_code, '')}")


def start_worker(index: int, count: int) -> None:
    """What a worker process does first."""
    del index, count
    end_with_parent(lambda: os._exit(1))
