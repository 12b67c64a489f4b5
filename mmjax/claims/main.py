"""The command `python -m mmjax.claims`: which experiments, and how they end.

The verdict is written to `<out>/<recipe>.json`; the exit code is 1 when a claim is not shown, and 2
when it could not be tried. Runs that are finished are kept under `<out>/runs` and not made again,
so an interrupted command resumes; a run of a config that has changed since is made
again. On CPUs as many runs are made at once as there are CPUs (`--jobs`). After several claims one
table shows all.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from absl import logging as absl_logging

from mmjax import cli
from mmjax.claims.find import find, find_all
from mmjax.claims.runs import run_claim
from mmjax.claims.tables import overview
from mmjax.errors import ConfigError, exit_code
from mmjax.parallel.compiler import set_flags
from mmjax.recipe.find import packaged

# Other commands have flags of these names, too; one process may import several of them.
OUT = flags.DEFINE_string("out", "claims-out", "Folder for results and runs.", allow_override=True)
ALL = flags.DEFINE_bool(
    "all", False, "Run the claims of every recipe in --configs.", allow_override=True
)
JOBS = flags.DEFINE_integer(
    "jobs",
    None,
    "Runs at once, each in a process with CPUs to itself. By default as many as there are CPUs, or "
    "one where jax computes on other devices, which runs cannot share.",
    lower_bound=1,
    allow_override=True,
)
CONFIGS = flags.DEFINE_string(
    "configs",
    None,
    "Folder of the recipes, with their experiments in its folder `claims`. By default `configs`, "
    "or where there is none the recipes of this package.",
    allow_override=True,
)


def recipes_folder() -> Path:
    """Where the recipes are."""
    here = Path("configs")
    if CONFIGS.value is not None or (here / "claims").is_dir():
        return Path(CONFIGS.value or here)
    return packaged()


def _jobs() -> int:
    """As many runs at once as there are CPUs, if those are what jax computes on."""
    import jax

    from mmjax.train import workers

    return len(workers.cpus()) if jax.default_backend() == "cpu" else 1


def main(argv: Sequence[str]) -> None:
    """Runs the named claims, or all, and tells the verdicts."""
    absl_logging.set_verbosity(absl_logging.ERROR)
    out, folder = Path(OUT.value), recipes_folder()
    try:
        if ALL.value:
            experiments = [each for each in find_all(folder) if each.variant == "claim"]
        else:
            experiments = [find(word, folder) for word in argv[1:]]
        if not experiments:
            raise ConfigError("which claim? Give a recipe's name, such as clip_uniform, or --all")
        set_flags()
        jobs = JOBS.value or _jobs()
        verdicts = [run_claim(each, out, jobs) for each in experiments]
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        # A claim that is not shown ends with 1, so what could not be tried has to be another.
        cli.fail(error, max(code, 2))
    if len(verdicts) > 1:
        print(f"\n{overview(verdicts)}")
    sys.exit(0 if all(verdict["shown"] for verdict in verdicts) else 1)
