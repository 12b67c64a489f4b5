"""Runs a recipe's evaluators on a saved run.

    python -m mmjax.evaluate --workdir=runs/clip-... [--checkpoint=latest|previous|best|STEP]

Writes `evaluation-<step>.json` and a fresh `report.html` into the run's folder.
"""

import json
from pathlib import Path

from absl import flags

from mmjax import cli
from mmjax.errors import ConfigError
from mmjax.files import write_atomically

# Other commands have flags of these names, too; one process may import several of them.
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run.", allow_override=True)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "latest", "latest, previous, best, or a step.", allow_override=True
)


def main(path: str | None, overrides: list[str]) -> None:
    """Evaluates one checkpoint of a run."""
    # Here, so that --help does not wait for jax.
    from mmjax.train.evaluation import Evaluation
    from mmjax.train.metrics import log_to
    from mmjax.train.runs import open_run

    if path is not None or overrides:
        raise ConfigError("a run is evaluated by the config in its folder: leave out --config")
    if WORKDIR.value is None:
        raise ConfigError("which run? Give --workdir=runs/...")
    folder = Path(WORKDIR.value)
    run = open_run(folder, CHECKPOINT.value)
    log_to(folder)
    evaluation = Evaluation(run.recipe, run.mesh, folder, run.stages)
    metrics = {**evaluation(run.model), "step": run.step}
    evaluation.report(run.model, folder, metrics)
    write_atomically(folder / f"evaluation-{run.step}.json", json.dumps(metrics, indent=2) + "\n")
    evaluation.show(metrics, folder)


if __name__ == "__main__":
    cli.run(main)
