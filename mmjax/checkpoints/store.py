"""Saves and restores checkpoints, with Orbax; nothing outside this package uses it.

A checkpoint appears under its final name only when it is complete (Orbax writes into a temporary
folder and renames it), so a process that dies in the middle of a save leaves the one before. With
it are the SHA-256 digests of its files (`integrity`), verified before it is restored.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy as keep

from mmjax import places
from mmjax.checkpoints import integrity
from mmjax.digests import NAME as DIGESTS
from mmjax.errors import UserError

logger = logging.getLogger("mmjax")

_LEAST_PART = 2**20  # bytes that a device writes of an array which others hold, too


class CheckpointError(UserError, RuntimeError):
    """A checkpoint could not be written or read; the message says which, why and what to do."""

    exit_code = 1


class Store:
    """The checkpoints of one run; a context manager that ends background work, however it is left.

    Args:
      directory: folder of the checkpoints, made if missing; or one in a store, of
        `mmjax.places.checkpoints`.
      keep_last: how many of the newest are kept.
      keep_best: how many of the best by `metric` are kept besides.
      metric: name of the evaluation metric that `keep_best` goes by.
      mode: whether a larger (`max`) or smaller (`min`) metric is better.
      asynchronous: write in the background while training continues.
      fall_back: rename what is damaged to `<step>.damaged` and go on with what is left.
      read_only: change nothing, as where another process may be training.

    Raises:
      CheckpointError: naming the file, when the newest checkpoint, or what is read of the others,
        is damaged; `read_only` leaves it to `restore`.
    """

    def __init__(
        self,
        directory: str | Path | epath.Path,
        *,
        keep_last: int = 2,
        keep_best: int = 0,
        metric: str | None = None,
        mode: str = "max",
        asynchronous: bool = True,
        fall_back: bool = False,
        read_only: bool = False,
    ):
        # In a store Orbax marks what is whole by a file, since nothing there can be renamed at
        # once; the store keeps checksums of its own, so there are no digests of ours.
        self._remote = places.is_address(directory)
        self.directory: Any = directory if self._remote else Path(directory).absolute()
        self._metric, self._mode = metric, mode
        self._last: int | None = None  # step of the last save that was begun
        self._verified: set[int] = set()
        logging.getLogger("absl").addFilter(_raised_anyway)
        policies: list[keep.PreservationPolicy] = [keep.LatestN(keep_last)]
        # A checkpoint between two evaluations has no metric and is nobody's best.
        worst = float("-inf" if mode == "max" else "inf")

        def value(metrics: Mapping[str, float] | None) -> float:
            found = _number(metrics, metric)
            return worst if found is None else found

        if keep_best:
            policies.append(
                keep.BestN(
                    get_metric_fn=value,
                    reverse=mode == "min",
                    n=keep_best,
                    keep_checkpoints_without_metrics=False,
                )
            )
        if not read_only:
            self._inspect(fall_back)
        options = ocp.CheckpointManagerOptions(
            # Only with a best_fn are metrics written beside the checkpoint, and so known again
            # after a restart; what is kept is up to the policy.
            best_fn=value if metric else None,
            best_mode=mode,
            preservation_policy=keep.AnyPreservationPolicy(policies),
            enable_async_checkpointing=asynchronous,
            temporary_path_class=None if self._remote else integrity.Digested,
            create=not read_only,
            cleanup_tmp_directories=not read_only,
            lightweight_initialize=read_only,
        )
        try:
            self._manager = ocp.CheckpointManager(
                self.directory, handler_registry=_handlers(), options=options
            )
        except ValueError as error:  # of metrics that have no digest
            raise CheckpointError(
                f"metrics of the checkpoints in {self.directory} cannot be read "
                f"({_first_line(error)}): delete the folder 'metrics' of the one that is damaged"
            ) from error

    def _inspect(self, fall_back: bool) -> None:
        """Sees to it that the newest checkpoint is whole, and what Orbax reads of the others."""
        newest = True
        for folder in reversed(integrity.folders(self.directory)):
            step = int(folder.name)
            said = self._damage(step) if newest else integrity.damage(folder, whole=False)
            if said is None:
                newest = False
            elif fall_back:
                aside = integrity.set_aside(folder)
                logger.warning(f"{said}; {folder.name} is no checkpoint any more, but {aside.name}")
            else:
                raise self._damaged(step, said)

    def _damaged(self, step: int, said: str) -> CheckpointError:
        names = [each.name for each in integrity.folders(self.directory)]
        others = ", ".join(each for each in names if each != str(step))
        return CheckpointError(
            f"{said}; --checkpoint=previous takes the newest checkpoint that is whole "
            f"({f'others are {others}' if others else 'there is no other'})"
        )

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint, or None."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """Step of the best checkpoint by the metric, or None where none has one.

        Raises:
          CheckpointError: when the metrics of one are damaged.
        """
        self.wait()  # the step that is being saved has no folder yet
        values = {step: self._metric_of(step) for step in self.steps()}
        known = {step: value for step, value in values.items() if value is not None}
        choose = max if self._mode == "max" else min
        return choose(known, key=lambda step: known[step]) if known else None

    def whole(self) -> int | None:
        """Step of the newest checkpoint whose files are all as they were written, or None."""
        return next((step for step in reversed(self.steps()) if self._damage(step) is None), None)

    def _damage(self, step: int) -> str | None:
        """What is wrong with any of a checkpoint's files; read once."""
        if step in self._verified:
            return None
        said = integrity.damage(self.directory / str(step), whole=True)
        if said is None:
            self._verified.add(step)
        return said

    def _metric_of(self, step: int) -> float | None:
        said = integrity.damage(self.directory / str(step), whole=False)
        if said is not None:
            raise self._damaged(step, said)
        return _number(self._manager.metrics(step), self._metric)

    def save(
        self,
        step: int,
        state: Any,
        metrics: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts a save (and, unless asynchronous, ends it).

        A step already saved is passed over, unless it was saved without its metrics, by a run that
        was stopped before its evaluation, and now has them: then it is saved again.

        Args:
          step: which one.
          state: a tree of arrays.
          metrics: of its evaluation, if there was one.
          metadata: JSON values to keep with it; those of process 0.

        Raises:
          CheckpointError: also for an earlier background save that failed.
        """
        self.wait()  # one save at a time, and an earlier one's error under its own step
        chosen = None
        if metrics and self._metric is not None and self._metric in metrics:
            chosen = {self._metric: float(metrics[self._metric])}
        self._last = step
        if step in self._manager.all_steps():
            if chosen is None or self._metric_of(step) is not None:
                return
            self._guard(lambda: self._manager.delete(step))
        self._guard(
            lambda: self._manager.save(
                step,
                args=ocp.args.PyTreeSave(state),
                metrics=chosen,
                force=True,
                custom_metadata=None if metadata is None else dict(metadata),
            )
        )

    def metadata(self, step: int) -> Mapping[str, Any]:
        """What `save` was given to keep with a step; empty in checkpoints of earlier versions.

        Raises:
          CheckpointError: when it is damaged.
        """
        # Read here, since Orbax would also look at every array.
        file = self.directory / str(step) / "_CHECKPOINT_METADATA"
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            return dict(found.get("custom_metadata") or {})
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{file} is damaged: delete the folder of that step and start again from "
                f"{[s for s in self.steps() if s != step] or 'the beginning'}"
            ) from error

    def wait(self) -> None:
        """Blocks until everything is on disk.

        Raises:
          CheckpointError: when a background save failed.
        """
        self._guard(self._manager.wait_until_finished)

    def restore(self, abstract: Any, step: int | None = None) -> Any:
        """Reads a checkpoint into the layout of `abstract`, whatever mesh it was saved on.

        Args:
          abstract: a tree of `jax.ShapeDtypeStruct` with shardings.
          step: which one; the newest if None.

        Raises:
          CheckpointError: when there is none, or it is damaged, naming the file, or of another
            structure.
        """
        step = self.latest() if step is None else step
        if step is None or step not in self._manager.all_steps():
            raise CheckpointError(
                f"{self.directory} has no checkpoint{'' if step is None else f' of step {step}'}; "
                f"it has {self.steps() or 'none'}"
            )
        folder = self.directory / str(step)
        said = self._damage(step)
        if said is not None:
            raise self._damaged(step, said)
        if not self._remote and not (folder / DIGESTS).is_file():
            logger.warning(
                f"{folder} has no {DIGESTS} (an earlier version saved it, or that file was "
                "removed), so damage to its numbers would not be noticed"
            )
        try:
            layout = ocp.checkpoint_utils.construct_restore_args(abstract)
            return self._manager.restore(
                step, args=ocp.args.PyTreeRestore(abstract, restore_args=layout)
            )
        except Exception as error:
            raise CheckpointError(
                f"checkpoint {folder} cannot be read ({_first_line(error)}); "
                "if the file is damaged, delete that folder and start again from "
                f"{[s for s in self.steps() if s != step] or 'the beginning'}"
            ) from error

    def close(self) -> None:
        """Waits for background work and lets go of it; a second call does nothing.

        Raises:
          CheckpointError: when a background save failed.
        """
        try:
            self.wait()
        finally:
            self._manager.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type | None, *_: Any) -> None:
        try:
            self.close()
        except Exception as error:
            if kind is None:
                raise
            # Another error ends the run already; that one is the news.
            logger.warning(error)

    def _guard(self, action: Any) -> None:
        try:
            action()
        except Exception as error:
            what = "a checkpoint" if self._last is None else f"the checkpoint of step {self._last}"
            last = self.latest()
            kept = (
                "there is no other yet"
                if last is None
                else f"the last complete one is of step {last}"
            )
            raise CheckpointError(
                f"{what} could not be written to {self.directory} ({_first_line(error)}); {kept}: "
                "fix that, then run the same command"
            ) from error


def _handlers() -> ocp.CheckpointHandlerRegistry:
    """Orbax's handlers of a tree of arrays, small ones of which are not cut.

    By default devices that hold the same array write a part of it each, for which Orbax compiles a
    program of its own, of every small array: ten seconds at the first save on a mesh.
    """
    kinds = ocp.type_handlers
    arrays = kinds.ArrayHandler(min_slice_bytes_for_replica_parallel=_LEAST_PART)
    tree = ocp.PyTreeCheckpointHandler(
        type_handler_registry=kinds.create_type_handler_registry((jax.Array, arrays))
    )
    handlers = ocp.DefaultCheckpointHandlerRegistry()
    handlers.add(None, ocp.args.PyTreeSave, tree)
    handlers.add(None, ocp.args.PyTreeRestore, tree)
    return handlers


def _raised_anyway(record: logging.LogRecord) -> bool:
    """Keeps Orbax's threads from printing the traces of errors that come out of `Store` as well."""
    return "orbax" not in record.pathname or record.exc_info is None


def _first_line(error: BaseException) -> str:
    """The most telling line of an error that may carry a long trace of the storage layer."""
    text = str(error)
    for known in ("No space left on device", "Disk quota exceeded", "Permission denied"):
        if known in text:
            return known
    return (text.strip().splitlines() or [type(error).__name__])[0][:200]


def _number(metrics: Any, name: str | None) -> float | None:
    """One of the metrics of a checkpoint, which may have none."""
    value = metrics.get(name) if isinstance(metrics, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def abstract_like(tree: Any) -> Any:
    """Shapes, dtypes and layouts of a tree of arrays."""
    return jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=getattr(a, "sharding", None)),
        tree,
    )
