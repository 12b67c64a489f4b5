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


def main(path: str | None, overrides: list[str]) -> None:
    """Loads the recipe, checks it whole, and trains it."""
    if path is None:
        raise config_lib.ConfigError("which recipe? Give --config=configs/clip_uniform.py")
    config = config_lib.load(path, overrides)

    from mmjax.train import trainer, workdir

    trainer.train(config, WORKDIR.value or workdir.default(config))


if __name__ == "__main__":
    cli.run(main)
