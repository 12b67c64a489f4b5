"""Trackers of experiments that a run may write to beside its own files: `--loggers=wandb,mlflow`.

A run's metrics are in `metrics.jsonl` and in TensorBoard's events whatever happens here. What a
tracker needs to know beyond the run (an account, a server, a project) it reads from the environment
variables of its own package. `loggers.json` in the run's folder holds the name by which a tracker
knows the run, so that one that is resumed goes on in the same.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmjax import extras
from mmjax.errors import ConfigError, unknown
from mmjax.files import write_atomically, writing

logger = logging.getLogger("mmjax")

FILE = "loggers.json"


class Logger(ABC):
    """One tracker, open for one run.

    Args:
      project: the recipe's name; the variables of the package may say another.
      name: of the run, that of its folder.
      config: the recipe's plain keys.
      folder: of the run, where a tracker may keep files.
      key: by which the tracker knows the run, where it is resumed.

    Attributes:
      package: what has to be installed, and the extra that brings it.
      key: by which the tracker knows the run.
    """

    package: ClassVar[str]
    key: str

    @abstractmethod
    def __init__(
        self, project: str, name: str, config: Mapping[str, Any], folder: Path, key: str | None
    ): ...

    @abstractmethod
    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes the metrics of a step. Rows of a step may come again where a run is resumed."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Ends the run, which is finished or was stopped."""


class Wandb(Logger):
    """Weights & Biases (WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE=offline)."""

    package = "wandb"

    def __init__(
        self, project: str, name: str, config: Mapping[str, Any], folder: Path, key: str | None
    ):
        import wandb

        # An argument would win over the variable.
        given = {} if os.environ.get("WANDB_PROJECT") else {"project": project}
        self._run = wandb.init(
            **given, name=name, config=dict(config), dir=folder, id=key, resume="allow"
        )
        # Rows of a step that comes again are appended; the package itself would drop them.
        self._run.define_metric("*", step_metric="step")
        self.key = self._run.id

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log({"step": step, **metrics})

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class Trackio(Logger):
    """Trackio, of Hugging Face (TRACKIO_DIR, TRACKIO_SPACE_ID)."""

    package = "trackio"

    def __init__(
        self, project: str, name: str, config: Mapping[str, Any], folder: Path, key: str | None
    ):
        import trackio

        self.key = key or name
        self._run = trackio.init(
            project=project, name=self.key, config=dict(config), resume="allow", embed=False
        )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self, finished: bool) -> None:
        self._run.finish()


class MLflow(Logger):
    """MLflow (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME)."""

    package = "mlflow"
    _AT_ONCE = 100  # parameters of a request

    def __init__(
        self, project: str, name: str, config: Mapping[str, Any], folder: Path, key: str | None
    ):
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient()
        if key is None:
            title = os.environ.get("MLFLOW_EXPERIMENT_NAME") or project
            found = self._client.get_experiment_by_name(title)
            place = self._client.create_experiment(title) if found is None else found.experiment_id
            key = self._client.create_run(place, run_name=name).info.run_id
            rows = [Param(_named(path), str(value)[:6000]) for path, value in _flat(config)]
            for i in range(0, len(rows), self._AT_ONCE):
                self._client.log_batch(key, params=rows[i : i + self._AT_ONCE])
        else:
            self._client.update_run(key, status="RUNNING")
        self.key = key

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(_named(name), value, now, step) for name, value in metrics.items()]
        self._client.log_batch(self.key, metrics=rows)

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self.key, "FINISHED" if finished else "KILLED")


LOGGERS: dict[str, type[Logger]] = {"wandb": Wandb, "trackio": Trackio, "mlflow": MLflow}


def check(names: Sequence[str]) -> None:
    """Sees whether the named trackers can be had, before anything else is done.

    Raises:
      ConfigError: for a name that is none.
      MissingExtra: for one whose package is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            raise unknown(name, LOGGERS, "--loggers", "the command line", "logger")
        extras.find(LOGGERS[name].package, name, f"--loggers={name}")


class Loggers:
    """The trackers of a run. One that fails on the way is left out, with a line that says so.

    Args:
      names: of `LOGGERS`.
      project, config, folder: as for `Logger`; the run's name is its folder's.
      resumed: whether the run goes on, in what `loggers.json` names.

    Raises:
      ConfigError: when a tracker cannot be opened, with what it says.
    """

    def __init__(
        self,
        names: Sequence[str],
        project: str,
        config: Mapping[str, Any],
        folder: Path,
        *,
        resumed: bool,
    ):
        file = folder / FILE
        keys: dict[str, str] = {}
        if resumed and file.is_file():
            with contextlib.suppress(ValueError):
                keys = json.loads(file.read_text(encoding="utf-8"))
        self._open: dict[str, Logger] = {}
        for name in names:
            try:
                made = LOGGERS[name](project, folder.name, config, folder, keys.get(name))
            except Exception as error:  # of another package's, whatever it is
                self.close(finished=False)
                raise ConfigError(
                    f"--loggers={name}: {LOGGERS[name].package} cannot be used ({_said(error)})"
                ) from error
            self._open[name], keys[name] = made, made.key
        if names:
            with writing(file):
                write_atomically(file, json.dumps(keys, indent=2) + "\n")

    def __enter__(self) -> Loggers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(finished=kind is None)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Passes on the metrics of a step."""
        for name, each in [*self._open.items()]:
            with self._kept(name):
                each.write(step, metrics)

    def close(self, finished: bool) -> None:
        """Ends all of them."""
        for name, each in [*self._open.items()]:
            with self._kept(name):
                each.close(finished)
        self._open = {}

    @contextlib.contextmanager
    def _kept(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a server that is gone is no reason to end a run of days
            self._open.pop(name, None)
            logger.warning(
                f"{name} gets nothing more of this run ({_said(error)}); metrics.jsonl has all"
            )


def _flat(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything in nested dicts."""
    if isinstance(config, Mapping) and config:
        for key, value in config.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, config


def _named(name: str) -> str:
    """A name in the letters that MLflow takes: `R@1` is `R_at_1`."""
    plain = name.replace("@", "_at_")
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in plain)[:250]


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
