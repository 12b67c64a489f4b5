"""A run of any recipe: its stages one after the other, each by the loop of `mmjax.train.loop`."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from mmjax import places
from mmjax.checkpoints.store import Store
from mmjax.data import BadRows, inputs
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import Recipe
from mmjax.train import bad_rows, borders, checks, header, loop, profile
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train.evaluation import Evaluation
from mmjax.train.loggers import Loggers
from mmjax.train.metrics import MetricWriter, Progress, log_to
from mmjax.train.signals import Interrupted, StopSignals
from mmjax.train.state import State
from mmjax.train.watch import NonFiniteLoss, Work, ZeroEmbeddings
from mmjax.train.workdir import Workdir

__all__ = ["VERSION", "NonFiniteLoss", "ZeroEmbeddings", "train"]

# One more once the same recipe trains to other numbers, for what is not of a single word, such as
# an optimizer's rule: records of claims know theirs.
VERSION = 1

logger = logging.getLogger("mmjax")


def train(
    recipe: Recipe,
    path: str | Path,
    *,
    checkpoint: str = "latest",
    quiet: bool = False,
    loggers: Sequence[str] = (),
    traced: profile.Steps | None = None,
    work: Callable[[Recipe, jax.sharding.Mesh], Work | None] | None = None,
) -> dict[str, float]:
    """Trains a recipe, or resumes a run in the same folder.

    In a run of many processes each of them calls this, with the same arguments.

    Args:
      recipe: whole, from `mmjax.recipe.load`.
      path: the run's folder; see `mmjax.train.workdir` for what it holds afterwards.
      checkpoint: where to resume: at the `latest`; or, if that is damaged, at the newest before it
        that is whole (`previous`), with the damaged ones set aside.
      quiet: show nothing on the terminal (claims run many arms).
      loggers: other trackers of experiments to write to, of `mmjax.train.loggers.LOGGERS`.
      traced: steps to write a profile of.
      work: counts the FLOPs of a step, for MFU in the log (`mmjax.preflight.utilization.work`).

    Returns:
      The final metrics by name, as in `summary.json`: those of the last stage; of the others as
      `<stage>/<name>`; and with `checkpoints.metric` those of the best step as `best/<name>`.
      Those of training are means since the row of the log before the last, as `train/<name>`.

    Raises:
      ConfigError: for what can be known to be wrong before anything is compiled.
      NonFiniteLoss: with the step, the terms and the ids of the batch.
      ZeroEmbeddings: with the step and the view.
      TooManyBadRows: with the step, the reasons and the first rows.
      CheckpointError: when a state cannot be saved or restored.
      WriteError: when another file of the run cannot be written.
      Interrupted: after saving, when SIGTERM or Ctrl-C came.
    """
    begin = time.monotonic()
    first = jax.process_index() == 0

    with ExitStack() as stack:
        workdir = stack.enter_context(Workdir(path, recipe, write=first))

        # What is fixed: devices, structure and layout of every stage. Nothing is computed yet.
        mesh = mesh_lib.make_mesh(*recipe.mesh.shape)
        stages = stages_lib.of(recipe)
        plans = borders.plans(stages, mesh)
        for stage, plan in zip(stages, plans, strict=True):
            checks.check_memory(stage.recipe, plan, mesh)
        signals = stack.enter_context(StopSignals())
        log_to(workdir.path if first and not quiet else None)

        # Restores the latest checkpoint, if there is one.
        section = recipe.checkpoints
        store = stack.enter_context(
            Store(
                places.checkpoints(workdir.path),
                keep_last=section.keep_last,
                keep_best=section.keep_best,
                metric=section.metric,
                mode=section.mode,
                asynchronous=section.asynchronous,
                fall_back=checkpoint == "previous",
            )
        )
        start = store.latest() or 0
        current = stages_lib.at(stages, start)
        tracer = profile.Profile(traced, workdir.path, start, stages[-1].end)
        stack.enter_context(tracer)
        kept = store.metadata(start) if start else {"bad_rows": []}

        # The data, evaluators and weights of all stages that are left.
        report = BadRows(workdir.path / "bad_rows.jsonl" if first else None, kept.get("bad_rows"))
        parts = {}
        for stage, plan in zip(stages, plans, strict=True):
            if stage.number >= current.number:
                data = inputs.train_data(
                    stage.recipe.data, report, mesh, seed=stage.recipe.seed, stage=stage.number
                )
                checks.check_tokenizer(stage.recipe, data.views)
                names = stages_lib.names_to(stages, stage)
                evaluation = Evaluation(stage.recipe, mesh, workdir.path, names)
                galleries = inputs.galleries(stage.recipe.data, mesh) if stage.steps else {}
                parts[stage] = loop.Part(plan, data, evaluation, galleries, stage is stages[-1])
        for line in header.lines(stages, mesh, plans[0], parts[current].data, workdir.path):
            logger.info(line)
        weights = {
            stage: borders.pretrained(stages, stage.number, part.plan)
            for stage, part in parts.items()
            if stage.start >= start
        }
        for line in dict.fromkeys(line for each in weights.values() for line in each.differing):
            logger.warning(line)
        workdir.keep()  # nothing more is refused
        if first:
            borders.keep_tokenizer(stages, parts[current].data.views, workdir.path)

        # One stage after the other, each from the state of the last.
        state: State | None = None
        if start:
            state = state_lib.restored(store, current, parts[current].plan, start)
            logger.info(f"resuming from step {start}")
            if "window" not in kept:
                logger.info(
                    "its checkpoint is of an earlier version: the next means of train/... begin "
                    "here, and counts of bad rows may be too high"
                )
        trackers = stack.enter_context(
            Loggers(
                loggers if first else (),
                recipe.recipe,
                recipe.plain(),
                workdir.path,
                resumed=start > 0,
            )
        )
        rows = kept.get("rows")
        writer = MetricWriter(workdir.path, start, rows, write=first, loggers=trackers)
        progress = Progress(stages[-1].end, start, show=first and not quiet)
        run = loop.Run(
            mesh, store, writer, progress, signals, workdir.path, first, tracer, work, []
        )
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
                if stage.recipe.data.match and stage.steps:
                    part = loop.matched(run, stage, part, state, report, begun=stage in weights)
                state, results[stage.name] = loop.train_stage(run, stage, part, state, start, kept)
                start = max(start, stage.end)

            # Run reports.
            store.wait()
            bad_rows.collect(report)
            report.close()
            if len(report):
                logger.info(report.summary())
            summary = borders.summary(stages, results, store, workdir.path)
            assert state is not None
            ended = stages[-1].start + int(state.step)
            summary |= {"seconds": round(time.monotonic() - begin, 1), "step": ended}
            if not quiet:
                part.evaluation.report(run.model(part, state), workdir.path, summary)
                signals.check()
        except Interrupted as stop:
            store.wait()
            step = store.latest()
            when = "before the first step" if step is None else f"after step {step}"
            logger.info(
                f"stopped {when} by signal {stop.number:d}; saved in {places.name(workdir.path)}: "
                "run the same command to resume"
            )
            raise
        finally:
            progress.close()
            writer.close()
        if first:
            workdir.finish(summary)
            part.evaluation.show(summary, workdir.path)
        return summary
