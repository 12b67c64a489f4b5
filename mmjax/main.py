"""Trains a recipe.

    python -m mmjax.main --config=configs/clip_uniform.py
    python -m mmjax.main --config=configs/clip.py:paper --workdir=gs://... --config.seed=1

Any key of the recipe can be set on the command line as `--config.data.batch_size=512`. The same
command, given again after an interruption, goes on where the run stopped.
"""

from absl import flags

from mmjax import cli
from mmjax import config as config_lib

WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run. By default runs/<recipe>-<time>, or the newest unfinished run of the same "
    "config.",
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "One of many processes, as SLURM, Open MPI or a TPU says. Without this flag the environment "
    "decides: JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.",
)


def main(path: str | None, overrides: list[str]) -> None:
    """Loads the recipe, checks it whole, and trains it."""
    if path is None:
        raise config_lib.ConfigError("which recipe? Give --config=configs/clip_uniform.py")
    config = config_lib.load(path, overrides)

    from mmjax.parallel import distributed
    from mmjax.train import trainer, workdir

    distributed.initialize(detect=DISTRIBUTED.value)
    # Which folder comes next depends on the clock and on locks: the first process says it.
    folder = WORKDIR.value or distributed.of_first(lambda: str(workdir.default(config)))
    trainer.train(config, folder)


if __name__ == "__main__":
    cli.run(main)
