"""Trains a recipe.

    python -m mmjax.main --config=configs/clip_uniform.py
    python -m mmjax.main --config=configs/clip.py:paper --workdir=/mnt/runs/clip --config.seed=1

Any key of the recipe can be set on the command line as `--config.data.batch_size=512`. The same
command, given again after an interruption, resumes the run.

    python -m mmjax.main --config=configs/clip.py:paper --dry_run --topology=v5e:16x16

reports what the recipe would need and do, on the devices here or on a TPU slice that is not here,
without reading data (`mmjax.preflight.dry_run`).
"""

from typing import TYPE_CHECKING

from absl import flags

from mmjax import cli
from mmjax.errors import ConfigError

if TYPE_CHECKING:
    from mmjax.recipe import Recipe

WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run. By default runs/<recipe>-<time>, or the newest unfinished run of the same "
    "config.",
    allow_override=True,
)
# A string like that of other commands, for one process may import several of them in any order.
CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    "latest",
    "Where to resume: at the latest; or, if that is damaged, at the newest before it that is whole "
    "(previous).",
    allow_override=True,
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "One of many processes, as set by SLURM, Open MPI or a TPU. Without this flag the environment "
    "decides: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.",
)
LOGGERS = flags.DEFINE_list(
    "loggers",
    [],
    "Trackers of experiments to write to as well: wandb, trackio, mlflow, or several with commas. "
    "Each is an extra, and reads its own environment variables (docs/watch.md).",
)
PROFILE = flags.DEFINE_string(
    "profile", None, "Steps to trace, such as 10:20; the trace is in the run's folder `profile`."
)
DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "Compile the step, report on layout, memory and work, and train nothing. Reads no data.",
)
MEMORY_GB = flags.DEFINE_float(
    "memory_gb",
    None,
    "With --dry_run: look for the largest batch that fits this many GiB a device.",
    lower_bound=0.0,
)
TOPOLOGY = flags.DEFINE_string(
    "topology",
    None,
    "With --dry_run: compile for this TPU slice, v5e:16x16 for example (also v5p, v6e, tpu7x). "
    "Needs libtpu: pip install 'mmjax[aot]'.",
)


def main(path: str | None, overrides: list[str]) -> None:
    """Loads the recipe, checks it whole, and trains it."""
    if path is None:
        raise ConfigError("no recipe given: --config=configs/clip_uniform.py")
    from mmjax import recipe as recipe_lib  # here and below: so that --help does not wait for jax

    recipe = recipe_lib.load(path, overrides)
    if DRY_RUN.value:
        dry_run(recipe)
        return
    for flag in (MEMORY_GB, TOPOLOGY):
        if flag.value is not None:
            raise ConfigError(f"--{flag.name} needs --dry_run")

    from mmjax.parallel import compiler, distributed
    from mmjax.preflight import utilization
    from mmjax.train import loggers, profile, trainer, workdir

    if CHECKPOINT.value not in ("latest", "previous"):
        raise ConfigError(f"--checkpoint={CHECKPOINT.value}: give latest or previous")
    loggers.check(LOGGERS.value)
    traced = None if PROFILE.value is None else profile.Steps.of(PROFILE.value)
    compiler.keep_programs()
    distributed.initialize(detect=DISTRIBUTED.value)
    # Which folder comes next depends on the clock and on locks: the first process says it.
    folder = WORKDIR.value or distributed.of_first(lambda: str(workdir.default(recipe)))
    trainer.train(
        recipe,
        folder,
        checkpoint=CHECKPOINT.value,
        loggers=LOGGERS.value,
        traced=traced,
        work=utilization.work,
    )


def dry_run(recipe: "Recipe") -> None:
    """Prints what the recipe, or each of its stages, would need and do."""
    from mmjax.parallel import distributed
    from mmjax.preflight import dry_run as preflight
    from mmjax.preflight import report as preflight_report
    from mmjax.train import stages as stages_lib

    if TOPOLOGY.value is None:
        distributed.initialize(detect=DISTRIBUTED.value)
    done: list[stages_lib.Stage] = []
    for stage in stages_lib.of(recipe):
        if stage.name is not None:
            print(f"{'stage':>12}  {stage.name}: steps {stage.start + 1:,} to {stage.end:,}")
        like = next((each for each in done if stages_lib.compiles_like(stage, each)), None)
        if like is not None:
            print(f"{'':>12}  same compiled step as stage {like.name}")
            continue
        report = preflight.preflight(
            stage.recipe, topology_name=TOPOLOGY.value, memory_gb=MEMORY_GB.value
        )
        for line in preflight_report.lines(report):
            print(line)
        done.append(stage)


if __name__ == "__main__":
    cli.run(main)
