"""The training loop of every recipe."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import jax

from mmjax.checkpoints.store import Store
from mmjax.data import BadRows, Batches, TrainData, inputs
from mmjax.parallel import distributed
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import Recipe
from mmjax.system.embedder import Embedder
from mmjax.train import borders, checks, header
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train import step as step_lib
from mmjax.train.evaluation import Evaluation
from mmjax.train.metrics import MetricWriter, Progress, learned, log_to, recorded
from mmjax.train.signals import Interrupted, StopSignals
from mmjax.train.stages import Stage
from mmjax.train.state import State, TrainPlan
from mmjax.train.watch import NonFiniteLoss, Watch, ZeroEmbeddings
from mmjax.train.workdir import Workdir

__all__ = ["VERSION", "NonFiniteLoss", "ZeroEmbeddings", "train"]

# One more once the same recipe trains to other numbers, for what is not of a single word, such as
# an optimizer's rule: records of claims know theirs.
VERSION = 1

logger = logging.getLogger("mmjax")


def train(recipe: Recipe, path: str | Path, *, quiet: bool = False) -> dict[str, float]:
    """Trains a recipe, or resumes a run in the same folder.

    In a run of many processes each of them calls this, with the same arguments.

    Args:
      recipe: whole, from `mmjax.recipe.load`.
      path: the run's folder; see `mmjax.train.workdir` for what it holds afterwards.
      quiet: show nothing on the terminal (claims run many arms).

    Returns:
      The final metrics by name, as in `summary.json`: those of the last stage; of the others as
      `<stage>/<name>`; and with `checkpoints.metric` those of the best step as `best/<name>`.
      Those of training are means since the row of the log before the last, as `train/<name>`.

    Raises:
      ConfigError: for what can be known to be wrong before anything is compiled.
      NonFiniteLoss: with the step, the terms and the ids of the batch.
      ZeroEmbeddings: with the step and the view.
      CheckpointError: when a state cannot be saved or restored.
      WriteError: when another file of the run cannot be written.
      Interrupted: after saving, when SIGTERM or Ctrl-C came.
    """
    begin = time.monotonic()
    first = jax.process_index() == 0

    # What is fixed: devices, structure and layout of every stage. Nothing is computed yet, and a
    # recipe that is refused leaves no folder behind.
    mesh = mesh_lib.make_mesh(*recipe.mesh.shape)
    stages = stages_lib.of(recipe)
    plans = borders.plans(stages, mesh)
    for stage, plan in zip(stages, plans, strict=True):
        checks.check_memory(stage.recipe, plan, mesh)

    with ExitStack() as stack:
        workdir = stack.enter_context(Workdir(path, recipe, write=first))
        signals = stack.enter_context(StopSignals())
        log_to(workdir.path if first and not quiet else None)

        # Restores the latest checkpoint, if there is one.
        section = recipe.checkpoints
        store = stack.enter_context(
            Store(
                workdir.path / "checkpoints",
                keep_last=section.keep_last,
                keep_best=section.keep_best,
                metric=section.metric,
                mode=section.mode,
                asynchronous=section.asynchronous,
            )
        )
        start = store.latest() or 0
        current = stages_lib.at(stages, start)

        # The data, evaluators and weights of all stages that are left.
        report = BadRows(workdir.path / "bad_rows.jsonl" if first else None)
        parts = {}
        for stage, plan in zip(stages, plans, strict=True):
            if stage.number >= current.number:
                data = inputs.train_data(
                    stage.recipe.data, report, mesh, seed=stage.recipe.seed, stage=stage.number
                )
                checks.check_tokenizer(stage.recipe, data.views)
                names = stages_lib.names_to(stages, stage)
                evaluation = Evaluation(stage.recipe, mesh, workdir.path, names)
                parts[stage] = _Part(plan, data, evaluation, stage is stages[-1])
        for line in header.lines(stages, mesh, plans[0], parts[current].data, workdir.path):
            logger.info(line)
        weights = {
            stage: borders.pretrained(stages, stage.number, part.plan)
            for stage, part in parts.items()
            if stage.start >= start
        }

        # One stage after the other, each from the state of the last.
        state: State | None = None
        if start:
            state = store.restore(state_lib.abstract(current.recipe, parts[current].plan))
            logger.info(f"resuming from step {start}")
        writer = MetricWriter(workdir.path, start, write=first)
        progress = Progress(stages[-1].end, start, show=first and not quiet)
        run = _Run(mesh, store, writer, progress, signals, workdir.path, [])
        results: dict[str | None, dict[str, float]] = {}
        try:
            for stage, part in parts.items():
                if stage in weights:
                    for line in header.stage_lines(stage, part.plan, part.data):
                        logger.info(line)
                    for line in borders.parity(weights[stage], workdir.path):
                        logger.info(line)
                    state = borders.begin(stage, part.plan, weights[stage], state)
                    for line in weights[stage].lines:
                        logger.info(line)
                assert state is not None  # restored or begun
                state, results[stage.name] = _train_stage(run, stage, part, state, start)
                start = max(start, stage.end)
        finally:
            progress.close()
            writer.close()
        store.wait()

        # Run reports.
        _collect(report)
        report.close()
        if len(report):
            logger.info(report.summary())
        summary = borders.summary(stages, results, store, workdir.path)
        summary |= {"seconds": round(time.monotonic() - begin, 1), "step": stages[-1].end}
        evaluation = part.evaluation
        if not quiet:
            assert state is not None
            model = Embedder(part.plan.definition, state.evaluation_arrays(), mesh)
            evaluation.report(model, workdir.path, summary)
        if first:
            workdir.write_json("summary.json", summary)
            evaluation.show(summary, workdir.path)
        return summary


class _Part(NamedTuple):
    """What a stage works with."""

    plan: TrainPlan
    data: TrainData
    evaluation: Evaluation
    ends_run: bool


class _Run(NamedTuple):
    """What all stages work with."""

    mesh: jax.sharding.Mesh
    store: Store
    writer: MetricWriter
    progress: Progress
    signals: StopSignals
    folder: Path
    made: list[tuple[Stage, step_lib.Step]]  # (stage, compiled step) pairs


def _train_stage(
    run: _Run, stage: Stage, part: _Part, state: State, start: int
) -> tuple[State, dict[str, float]]:
    """Makes the steps of a stage that are left, `start` being the last step that is done.

    Returns:
      The state at its end, and the metrics there: those of its evaluation, and those of its last
      steps as `train/...`.
    """
    recipe = stage.recipe
    results: dict[str, float] = {}
    trained: dict[str, float] = {}
    if start >= stage.end:  # resumed at its end, before it had been evaluated perhaps
        last = part.ends_run
        known = distributed.of_first(lambda: json.dumps(recorded(run.folder, start)))
        for name, value in json.loads(known).items():
            (trained if name.startswith("train/") else results)[name] = value
        if last or not results:
            model = Embedder(part.plan.definition, state.evaluation_arrays(), run.mesh)
            results = part.evaluation(model)
            if not last:  # whose metrics go into the summary at once
                run.writer.write(stage.end, results, stage.name)
        return state, results | trained

    # The loop.
    start = max(start, stage.start)
    train_step = _step(run, stage, part.plan)
    batches = part.data.iter_from(start - stage.start)
    watch = Watch(start, recipe.data.batch_size, batches)
    scored = recipe.checkpoints.metric is not None
    try:
        for k, batch in _on_device(batches, start, stage.end, run.mesh):
            state, metrics = train_step(state, batch)
            watch.finished(k, metrics, batch["id"])
            done = k + 1
            stopping = run.signals.stop_after(done)
            last = done == stage.end
            evaluating = last or _due(done, recipe.evaluate_every)
            saving = last or stopping or _due(done, recipe.checkpoints.every)
            if last or saving or _due(done, recipe.log_every):
                watch.check()
            if last or _due(done, recipe.log_every):
                row = watch.row(done)
                trained = {f"train/{n}": v for n, v in row.items()}
                run.writer.write(done, trained, stage.name)
                run.progress.update(done, row)
            if saving and not scored:  # at once: an evaluation may be long
                run.store.save(done, state)
            if evaluating and not stopping:
                model = Embedder(part.plan.definition, state.evaluation_arrays(), run.mesh)
                results = part.evaluation(model)
                run.writer.write(done, results, stage.name)
                watch.pause()
            if saving and scored:
                run.store.save(done, state, results if evaluating and not stopping else None)
            if saving:
                _collect(part.data.report)
            if stopping:
                run.store.wait()
                logger.info(
                    f"stopped after step {done} by signal {stopping:d}; saved in "
                    f"{run.folder}: run the same command to resume"
                )
                raise Interrupted(stopping)
    finally:
        batches.close()
    return state, results | learned(trained)


def _step(run: _Run, stage: Stage, plan: TrainPlan) -> step_lib.Step:
    """The step of a stage, which may be compiled already for one that differs in data alone."""
    for other, made in run.made:
        if stage.steps == other.steps and stages_lib.compiles_like(stage, other):
            return made
    run.made.append((stage, step_lib.make(stage.recipe, plan, run.mesh)))
    return run.made[-1][1]


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
