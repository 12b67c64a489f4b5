"""The training loop of every recipe, to be read from top to bottom."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from mmjax.checkpoints.store import Store
from mmjax.checkpoints.weights.start import Pretrained
from mmjax.data import BadRows, Batches
from mmjax.model.embedder import Embedder
from mmjax.parallel import distributed
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import checks, header, inputs
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.evaluation import Evaluation
from mmjax.train.metrics import MetricWriter, Progress, log_to
from mmjax.train.signals import Interrupted, StopSignals
from mmjax.train.workdir import Workdir

logger = logging.getLogger("mmjax")


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient stopped being a number; the message says where."""


def train(config: Mapping, path: str | Path, *, quiet: bool = False) -> dict[str, float]:
    """Trains a recipe, or goes on where an earlier run in the same folder stopped.

    In a run of many processes each of them calls this, with the same arguments.

    Args:
      config: a whole config, from `mmjax.config.load`.
      path: the run's folder; see `mmjax.train.workdir` for what it holds afterwards.
      quiet: show nothing on the terminal (claims run many arms).

    Returns:
      The final metrics by name, as in `summary.json`.

    Raises:
      ConfigError: for what can be known to be wrong before anything is compiled.
      NonFiniteLoss: with the step, the terms and the ids of the batch.
      CheckpointError: when a state cannot be saved or restored.
      WriteError: when another file of the run cannot be written.
      Interrupted: after saving, when SIGTERM or Ctrl-C came.
    """
    begin = time.monotonic()
    first = jax.process_index() == 0
    with ExitStack() as stack:
        workdir = stack.enter_context(Workdir(path, config, write=first))
        signals = stack.enter_context(StopSignals())
        log_to(workdir.path if first and not quiet else None)

        # What is fixed: devices, data, structure and layout. Nothing is computed yet.
        mesh = mesh_lib.make_mesh(*(config["mesh"][axis] for axis in mesh_lib.AXES))
        plan = state_lib.plan(config, mesh)
        checks.check_model(config, plan, mesh)
        data = inputs.train_data(config, workdir.path if first else None, mesh)
        checks.check_tokenizer(config, data.views)
        for line in header.lines(config, mesh, plan, data, workdir.path):
            logger.info(line)

        # The state: new, or the newest checkpoint's.
        section = config["checkpoints"]
        store = stack.enter_context(
            Store(
                workdir.path / "checkpoints",
                keep_last=section["keep_last"],
                keep_best=section["keep_best"],
                metric=section["metric"],
                mode=section["mode"],
                asynchronous=section["asynchronous"],
            )
        )
        start = store.latest() or 0
        if start:
            state = store.restore(state_lib.abstract(config, plan))
            logger.info(f"going on from step {start}")
        else:
            pretrained = Pretrained(config, plan.definition.kinds(nnx.Variable))
            state = state_lib.started(state_lib.initial(config, plan), pretrained.into)
            state = state_lib.with_teacher(state, plan)
            for line in pretrained.lines:
                logger.info(line)
        evaluator = Evaluation(config, mesh)

        # The loop.
        train_step = step_lib.make(config, plan, mesh)
        steps = config["steps"]
        writer = MetricWriter(workdir.path, start, write=first)
        progress = Progress(steps, start, show=first and not quiet)
        batches = data.iter_from(start)
        watch = _Watch(start, config["data"]["batch_size"], batches)
        results: dict[str, float] = {}
        scored = section["metric"] is not None
        try:
            for k, batch in _on_device(batches, start, steps, mesh):
                state, metrics = train_step(state, batch)
                watch.finished(k, metrics, batch["id"])
                done = k + 1
                stopping = signals.stop_after(done)
                last = done == steps
                evaluating = last or _due(done, config["evaluate_every"])
                saving = last or stopping or _due(done, section["every"])
                if last or saving or _due(done, config["log_every"]):
                    watch.check()
                if last or _due(done, config["log_every"]):
                    row = watch.row(done)
                    writer.write(done, {f"train/{name}": v for name, v in row.items()})
                    progress.update(done, row)
                if saving and not scored:  # at once: an evaluation may be long
                    store.save(done, state)
                if evaluating and not stopping:
                    model = Embedder(plan.definition, state.evaluation_arrays(), mesh)
                    results = evaluator(model)
                    writer.write(done, results)
                    watch.pause()
                if saving and scored:
                    store.save(done, state, results if evaluating and not stopping else None)
                if saving:
                    _collect(data.report)
                if stopping:
                    store.wait()
                    logger.info(
                        f"stopped after step {done} by signal {stopping:d}; saved in "
                        f"{workdir.path}: run the same command to go on"
                    )
                    raise Interrupted(stopping)
            if start >= steps:  # resumed after the last step, before the summary was written
                model = Embedder(plan.definition, state.evaluation_arrays(), mesh)
                results = evaluator(model)
        finally:
            progress.close()
            batches.close()
            writer.close()
        store.wait()

        # What a person reads.
        _collect(data.report)
        data.report.close()
        if len(data.report):
            logger.info(data.report.summary())
        summary = {**results, "seconds": round(time.monotonic() - begin, 1), "step": steps}
        if not quiet:
            model = Embedder(plan.definition, state.evaluation_arrays(), mesh)
            evaluator.report(model, workdir.path, summary)
        if first:
            workdir.write_json("summary.json", summary)
            evaluator.show(summary, workdir.path)
        return summary


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _collect(report: BadRows) -> None:
    """Hands the bad rows that all processes met to the first, which writes them."""
    if jax.process_count() > 1:
        first = jax.process_index() == 0
        for text in distributed.gather("" if first else report.hand_over())[1:]:
            if first:
                report.take_over(text)


def _on_device(
    batches: Batches, start: int, steps: int, mesh: jax.sharding.Mesh
) -> Iterator[tuple[int, dict[str, jax.Array]]]:
    """Batches from `start`, one of them copied to the devices while another is used."""
    ahead: list[dict[str, jax.Array]] = []
    for k in range(start, steps):
        while len(ahead) < min(2, steps - k):
            ahead.append(mesh_lib.to_device(next(batches), mesh))
        yield k, ahead.pop(0)


class _Watch:
    """Collects step metrics without making the device wait, and knows a bad number when it comes.

    The metrics of a step are read when the next one has been dispatched, so the device is never
    idle for the sake of a log line, and a run stops at most one step after a number went bad.
    """

    def __init__(self, step: int, batch_size: int, batches: Batches):
        self._pending: list[tuple[int, Mapping[str, jax.Array], jax.Array]] = []
        self._read: list[dict[str, float]] = []
        self._batch_size, self._batches = batch_size, batches
        self._step, self._waited = step, 0.0
        self._since = time.monotonic()

    def finished(self, k: int, metrics: Mapping[str, jax.Array], ids: jax.Array) -> None:
        """Takes the metrics of step k, just dispatched, and reads those of the step before."""
        self._pending.append((k, metrics, ids))
        self._examine(self._pending[:-1])
        self._pending = self._pending[-1:]

    def check(self) -> None:
        """Reads what is pending; afterwards every step so far is known to be good."""
        self._examine(self._pending)
        self._pending = []

    def _examine(self, entries: list[tuple[int, Mapping[str, jax.Array], jax.Array]]) -> None:
        for k, metrics, ids in entries:
            values = {name: float(value) for name, value in jax.device_get(metrics).items()}
            bad = [n for n in ("loss", "gradient_norm") if not math.isfinite(values[n])]
            if bad:
                # All processes are here together: they read the same numbers.
                ids = multihost_utils.process_allgather(ids, tiled=True)
                terms = {n: v for n, v in values.items() if n == "loss" or n.endswith("/loss")}
                raise NonFiniteLoss(
                    f"step {k + 1}: {' and '.join(bad)} not finite ("
                    + ", ".join(f"{name} = {value:g}" for name, value in terms.items())
                    + f"); ids of the batch: {', '.join(map(str, ids.tolist()))}. The "
                    "last checkpoint is of a good step; try a lower learning rate, clip_norm, or "
                    "look at these examples"
                )
            self._read.append(values)

    def row(self, step: int) -> dict[str, float]:
        """Means since the last row, with speed; learning rate and scales as they are now."""
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        names = self._read[-1]
        row = {name: float(np.mean([values[name] for values in self._read])) for name in names}
        row["learning_rate"] = names["learning_rate"]
        row["examples_per_second"] = (step - self._step) * self._batch_size / seconds
        row["data_wait_share"] = min((self._batches.waited - self._waited) / seconds, 1.0)
        self._read, self._step = [], step
        self._waited, self._since = self._batches.waited, now
        return row

    def pause(self) -> None:
        """Leaves the time since the last row (an evaluation) out of the next one."""
        self._since = time.monotonic()
