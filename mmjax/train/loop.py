"""The training loop of a stage.

A run resumes from its last checkpoint as if nothing had happened since: what its files say of later
steps is removed and written again. So the files are on the disk before a checkpoint is, and with it
is what the loop remembers (`_kept`). The evaluation of a step may come after its checkpoint: a run
that resumes there makes it again.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from mmjax import places
from mmjax.ahead import ahead
from mmjax.checkpoints.store import Store
from mmjax.data import BadRows, Batches, TrainData, inputs
from mmjax.data.limits import TooManyBadRows, rows_of
from mmjax.parallel import distributed
from mmjax.parallel import mesh as mesh_lib
from mmjax.recipe import Recipe
from mmjax.system.embedder import Embedder
from mmjax.train import bad_rows, matching, profile
from mmjax.train import stages as stages_lib
from mmjax.train import step as step_lib
from mmjax.train.evaluation import Evaluation
from mmjax.train.metrics import MetricWriter, Progress, learned, recorded
from mmjax.train.signals import Interrupted, StopSignals
from mmjax.train.stages import Stage
from mmjax.train.state import State, TrainPlan
from mmjax.train.until import Until
from mmjax.train.watch import Watch, Work


class Part(NamedTuple):
    """What a stage works with."""

    plan: TrainPlan
    data: TrainData
    evaluation: Evaluation
    galleries: dict[str, jax.Array]
    ends_run: bool


class Run(NamedTuple):
    """What all stages work with."""

    mesh: jax.sharding.Mesh
    store: Store
    writer: MetricWriter
    progress: Progress
    signals: StopSignals
    folder: Path
    first: bool
    tracer: profile.Profile
    work: Callable[[Recipe, jax.sharding.Mesh], Work | None] | None
    made: list[tuple[Stage, step_lib.Step]]  # (stage, compiled step) pairs

    def model(self, part: Part, state: State) -> Embedder:
        """A stage's model, which a signal stops before the next batch."""
        arrays = state.evaluation_arrays()
        return Embedder(part.plan.definition, arrays, self.mesh, check=self.signals.check)


def matched(
    run: Run, stage: Stage, part: Part, state: State, report: BadRows, *, begun: bool
) -> Part:
    """What a stage works with, where it keeps only what fits of its records."""
    sources = matching.sources(stage, run.model(part, state), run.folder, not begun)
    recipe, number = stage.recipe, stage.number
    data = inputs.train_data(
        recipe.data, report, run.mesh, seed=recipe.seed, stage=number, sources=sources
    )
    return part._replace(data=data)


def train_stage(
    run: Run, stage: Stage, part: Part, state: State, start: int, kept: Mapping[str, Any]
) -> tuple[State, dict[str, float]]:
    """Makes the steps of a stage that are left, `start` being the last step that is done.

    `kept` is what the checkpoint of that step has with it, if the run resumes from one.

    Returns:
      The state at its end, and the metrics there: those of its evaluation, and those of its last
      steps as `train/...`.
    """
    recipe = stage.recipe
    results: dict[str, float] = {}
    trained: dict[str, float] = {}
    if not stage.steps:  # it only evaluates, and what it evaluates is the checkpoint of step 0
        results = _evaluate(run, stage, part, state, 0)
        run.store.save(0, state, results)
        return state, results
    resumed = start > stage.start
    until = Until(stage.config.until, stage.name, kept if resumed else None)
    if resumed and (start >= stage.end or _due(start, recipe.evaluate_every)):
        results = _evaluate(run, stage, part, state, start)
        until.check(start, results)
        run.store.save(start, state, results, {**kept, **until.kept()})  # which it may lack
    if start >= stage.end or until.ended:
        known = distributed.of_first(lambda: json.dumps(recorded(run.folder, start)))
        trained = {n: v for n, v in json.loads(known).items() if n.startswith("train/")}
        return state, results | trained

    # The loop.
    run.signals.check()
    start = max(start, stage.start)
    train_step = _step(run, stage, part.plan)
    batches = part.data.iter_from(start - stage.start)
    kept = kept if resumed else {}
    limit = part.data.limit(kept.get("bad_share"))
    work = run.work(recipe, run.mesh) if run.work is not None else None
    watch = Watch(start, recipe.data.batch_size, batches, limit, kept.get("window"), work)
    shown = recipe.evaluate_at_start and not start
    if shown or (until and not resumed):
        model = Embedder(part.plan.definition, state.evaluation_arrays(), run.mesh)
        results = part.evaluation(model)
        if shown:
            run.writer.write(0, results, stage.name)
        if until:
            until.begin(results)
        watch.pause()
    # A checkpoint that says what was measured is saved after its evaluation.
    scored = recipe.checkpoints.metric is not None or bool(until)
    try:
        for k, batch, bad in _on_device(batches, start, stage.end, run.mesh, part.data.report):
            done = k + 1
            run.tracer.before(done)
            state, metrics = train_step(state, {**batch, **part.galleries})
            run.tracer.after(done, metrics)
            watch.finished(k, metrics, batch["id"], bad)
            stopping = run.signals.stop_after(done)
            last = done == stage.end
            evaluating = last or _due(done, recipe.evaluate_every)
            saving = last or _due(done, recipe.checkpoints.every)
            pausing = evaluating or saving or stopping
            logged = last or _due(done, recipe.log_every) or (evaluating and bool(until))
            if pausing or logged:
                watch.check()
            if logged:
                row = watch.row(done)
                trained = {f"train/{n}": v for n, v in row.items()}
                run.writer.write(done, trained, stage.name)
                run.progress.update(done, row)
            if pausing:
                kept = _kept(run, part, watch)
            if saving and not scored:  # at once: an evaluation may be long
                run.store.save(done, state, None, kept)
            own: dict[str, float] | None = None
            if evaluating and not stopping:
                try:
                    own = results = _evaluate(run, stage, part, state, done)
                    until.check(done, results)
                except Interrupted as stop:
                    stopping = stop.number
                watch.pause()
            if stopping or (scored and (saving or until.ended)):
                run.store.save(done, state, own, {**kept, **until.kept()})
            if stopping:
                raise Interrupted(stopping)
            if until.ended:
                break
    except TooManyBadRows as error:
        raise bad_rows.with_causes(error, part.data.report) from error
    finally:
        batches.close()
    return state, results | learned(trained)


def _kept(run: Run, part: Part, watch: Watch) -> dict[str, Any]:
    """What a checkpoint keeps beside the state, after what the files have so far is on the disk."""
    report = part.data.report
    bad_rows.collect(report)
    run.writer.sync()
    report.sync()
    if run.first:
        places.save(run.folder)
    # Copies: a checkpoint is written while training goes on.
    window = {name: [*values] for name, values in watch.window.items()}
    share = dict(watch.limit.state)
    known = {"rows": run.writer.state(), "bad_rows": report.state()}
    return {**known, "window": window, "bad_share": share}


def _evaluate(run: Run, stage: Stage, part: Part, state: State, step: int) -> dict[str, float]:
    """The metrics of a step, which go into the log."""
    results = part.evaluation(run.model(part, state))
    run.writer.write(step, results, stage.name)
    return results


def _step(run: Run, stage: Stage, plan: TrainPlan) -> step_lib.Step:
    """The step of a stage, which may be compiled already for one that differs in data alone."""
    for other, made in run.made:
        if stage.steps == other.steps and stages_lib.compiles_like(stage, other):
            return made
    run.made.append((stage, step_lib.make(stage.recipe, plan, run.mesh)))
    return run.made[-1][1]


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _on_device(
    batches: Batches, start: int, steps: int, mesh: jax.sharding.Mesh, report: BadRows
) -> Iterator[tuple[int, dict[str, jax.Array], int | jax.Array]]:
    """Batches from `start`, one of them copied to the devices while another is used.

    With the number of their bad rows, of all processes; this one's go into the report when the
    batch is used.
    """

    def begin(_: int) -> Callable[[], tuple[dict[str, jax.Array], int | jax.Array]]:
        rows, errors = batches.read()
        bad = mesh_lib.count(rows_of(errors), len(rows["id"]), mesh)
        batch = mesh_lib.to_device(rows, mesh)

        def used() -> tuple[dict[str, jax.Array], int | jax.Array]:
            report.add(*errors)
            return batch, bad

        return used

    steps_left = range(start, steps)
    for k, (batch, bad) in zip(steps_left, ahead(map(begin, steps_left)), strict=True):
        yield k, batch, bad
