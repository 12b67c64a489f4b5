"""The evaluators of a config on a state, and a saved run as a model to evaluate."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import jax

from mmjax import evaluators
from mmjax import recipe as config_lib
from mmjax.checkpoints.store import Store
from mmjax.data import SourceError, inputs
from mmjax.errors import ConfigError
from mmjax.evaluators import EVALUATORS
from mmjax.evaluators.data import EvalData
from mmjax.parallel import mesh as mesh_lib
from mmjax.system.embedder import Embedder
from mmjax.train import checks
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib

logger = logging.getLogger("mmjax")


class Evaluation:
    """The evaluators of a config, ready to run on one state after another.

    Args:
      config: a whole config.
      mesh: of devices.
      folder: of the run, for evaluators that compare its states; None where there is none.
      stages: names of its stages up to this one, whose config it is.
    """

    def __init__(
        self,
        config: Mapping,
        mesh: jax.sharding.Mesh,
        folder: Path | None = None,
        stages: Sequence[str | None] = (None,),
    ):
        self._mesh, self._fatal = mesh, config["data"]["on_error"] == "fail"
        views = inputs.views(config)
        # Evaluators with the same source share one object, and so its embeddings.
        shared: dict[str, EvalData] = {}
        self._evaluators = {}
        for kind, named in config["evaluators"].items():
            for name, spec in named.items():
                source = config_lib.plain(spec["source"])
                key = json.dumps(source, sort_keys=True)
                if key not in shared:
                    shared[key] = EvalData(inputs.source(source), views)
                checks.check_evaluator(f"evaluators.{kind}.{name}", spec, shared[key])
                options = {k: v for k, v in spec.items() if k != "source"}
                evaluator = config_lib.build({kind: EVALUATORS[kind]}, {"type": kind, **options})
                if folder is not None and hasattr(evaluator, "of_run"):
                    evaluator.of_run(folder, name, stages)
                count, least = len(shared[key].source), getattr(evaluator, "least_records", 1)
                if count < least:
                    raise ConfigError(
                        f"'evaluators.{kind}.{name}.source' has {count} examples, and {kind} needs "
                        f"at least {least}: give it more, or set evaluators.{kind}={{}}"
                    )
                self._evaluators[f"{kind}/{name}"] = (evaluator, shared[key])

    def __call__(self, model: Embedder) -> dict[str, float]:
        """`<type>/<name>/<metric>` -> value.

        Raises:
          SourceError: with data.on_error='fail', for an example that cannot be read.
        """
        with ExitStack() as stack:
            data = [data for _, data in self._evaluators.values()]
            for each in data:
                stack.enter_context(each.shared())
            results = evaluators.run(model, self._evaluators, self._mesh)
            unreadable = list(dict.fromkeys(text for each in data for text in each.unreadable()))
        if unreadable and self._fatal:
            raise SourceError(
                f"{len(unreadable)} examples of the evaluation cannot be read. {unreadable[0]} "
                "Mend them, or set data.on_error='skip' to leave them out."
            )
        return results

    def report(self, model: Embedder, folder: Path, summary: Mapping[str, float]) -> None:
        """Writes `report.html`, the page to look at, into the run's folder.

        Every process has to call this, since embedding is a joint computation; the first writes.
        """
        from mmjax.report import gather, page

        if self._evaluators:
            name, (evaluator, data) = next(iter(self._evaluators.items()))
            pair = getattr(evaluator, "pair", None)
            gather.gather(model, data, folder, name=name.partition("/")[2], pair=pair)
        if jax.process_index() == 0:
            page.write(folder, summary)

    def show(self, summary: Mapping[str, float], folder: Path) -> None:
        """Tells the final table."""
        from mmjax.report.table import summary_table

        logger.info(summary_table(summary, folder))


def load_run(
    folder: Path, checkpoint: str = "latest"
) -> tuple[Mapping, int, Embedder, jax.sharding.Mesh, list[str | None]]:
    """Restores a saved run for use.

    Args:
      folder: of the run.
      checkpoint: `latest`, `best` or a step.

    Returns:
      (config of the stage that made the checkpoint, step, model, mesh, names of the stages up to
      that one).

    Raises:
      ConfigError: when the folder holds no run.
      CheckpointError: when it holds no such checkpoint.
    """
    stored = folder / "config.json"
    if not stored.is_file():
        raise ConfigError(f"{folder} holds no run: there is no config.json in it")
    config = config_lib.read(stored)
    mesh = mesh_lib.make_mesh(*(config["mesh"][axis] for axis in mesh_lib.AXES))
    section = config["checkpoints"]
    store = Store(
        folder / "checkpoints",
        metric=section["metric"],
        mode=section["mode"],
        keep_last=section["keep_last"],
        keep_best=section["keep_best"],
    )
    if checkpoint == "best":
        step = store.best()
        if step is None:
            raise ConfigError(f"{folder} has no best checkpoint: checkpoints.metric is not set")
    elif checkpoint == "latest":
        step = store.latest()
    elif checkpoint.isdigit():
        step = int(checkpoint)
    else:
        raise ConfigError(f"--checkpoint={checkpoint}: give latest, best or a step")
    stages = stages_lib.of(config)
    stage = stages_lib.at(stages, step or 0)
    config = stage.config
    plan = state_lib.plan(config, mesh)
    state = store.restore(state_lib.abstract(config, plan), step)
    store.close()
    model = Embedder(plan.definition, state.evaluation_arrays(), mesh)
    return config, step, model, mesh, stages_lib.names_to(stages, stage)
