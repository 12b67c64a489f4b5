"""Regenerates the report of a run, from the files in its folder, without model or data.

python -m mmjax.report --workdir=runs/clip_uniform-...
"""

from absl import flags

from mmjax import cli
from mmjax.errors import ConfigError

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run.", allow_override=True)


def main(path: str | None, overrides: list[str]) -> None:
    """Writes `report.html` into the folder."""
    from mmjax import places
    from mmjax.report import page

    if path is not None or overrides:
        raise ConfigError("the page is made of what is in the run's folder: leave out --config")
    if WORKDIR.value is None:
        raise ConfigError("which run? Give --workdir=runs/...")
    folder = places.here(WORKDIR.value)
    file = page.write(folder)
    places.save(folder)
    cli.say(f"{places.name(folder)}/{file.name}")


if __name__ == "__main__":
    cli.run(main)
