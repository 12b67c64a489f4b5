"""Writers of metrics: `metrics.jsonl`, TensorBoard events, and lines in the terminal."""

import contextlib
import hashlib
import json
import logging
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tqdm import tqdm

from mmjax.files import json_lines, replacing, writing
from mmjax.report.results import SPEED
from mmjax.text import printable
from mmjax.train.loggers import Loggers

logger = logging.getLogger("mmjax")


class MetricWriter:
    """Appends metrics of a run to its files; does nothing in processes that do not write.

    A row is on its way to the disk when `write` returns: TensorBoard's own writer has a thread for
    that, whose end on a full disk would leave the run waiting for ever.

    Args:
      folder: the run's folder.
      step: where the run starts or resumes. Rows of later steps, left by a process that was
        killed after its last checkpoint, are removed: they will be written again. A row of that
        step which is there already, as of an evaluation that is made again, is not. Where it
        starts none is kept, an evaluation before the first step included.
      state: what `state` gave at that step: the log says so if rows are not those any more.
      write: whether this process writes.
      loggers: other trackers, which get every row as well.

    Raises:
      WriteError: here and in all methods, when the disk is full or cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        state: Mapping[str, Any] | None = None,
        *,
        write: bool = True,
        loggers: Loggers | None = None,
    ):
        self._file: TextIO | None = None
        self._board: EventsWriter | None = None
        self._there: set[str] = set()
        self._loggers = loggers
        self._rows, self._digest = 0, hashlib.sha256()
        if not write:
            return
        self._path = folder / "metrics.jsonl"
        with writing(self._path):
            rows = [(line + "\n", row["step"]) for line, row in _rows(self._path)]
            kept = [line for line, at in rows if step and at <= step]
            with replacing(self._path) as part:
                part.write_text("".join(kept), encoding="utf-8")
            self._there = {line for line, at in rows if step and at == step}
            known = state["rows"] if state else len(kept)
            self._count(*kept[:known])
            if state and self.state() != state:
                logger.warning(
                    f"{self._path} is not as the run wrote it: of the {known:,} rows up to "
                    f"step {step} some were changed, damaged or removed"
                )
            self._count(*kept[known:])
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
            self._board = EventsWriter(str(folder / "events"))
            if step:  # TensorBoard forgets what earlier files say of later steps
                start = SessionLog(status=SessionLog.START)
                self._event(Event(step=step + 1, session_log=start))

    def write(self, step: int, metrics: Mapping[str, float], stage: str | None = None) -> None:
        """Writes one row of metrics by name, with the name of the stage where there is one."""
        if self._file is None:
            return
        tags = {"step": step} if stage is None else {"step": step, "stage": stage}
        line = json.dumps({**tags, **metrics}) + "\n"
        with writing(self._path):
            if line not in self._there:
                self._file.write(line)
                self._file.flush()
                self._count(line)
            values = [Summary.Value(tag=name, simple_value=v) for name, v in metrics.items()]
            self._event(Event(step=step, summary=Summary(value=values)))
        if self._loggers is not None:
            self._loggers.write(step, metrics)

    def state(self) -> dict[str, Any]:
        """How many rows there are, and their digest."""
        return {"rows": self._rows, "sha256": self._digest.hexdigest()}

    def _count(self, *lines: str) -> None:
        for line in lines:
            self._digest.update(line.encode())
        self._rows += len(lines)

    def _event(self, event: Event) -> None:
        event.wall_time = time.time()
        if self._board is not None:
            self._board.write_event(event)
            self._board.flush()

    def sync(self) -> None:
        """Waits until the rows are on the disk."""
        if self._file is not None:
            with writing(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the files, also where they cannot take what is left to write."""
        if self._file is None or self._board is None:
            return
        file, board, self._file, self._board = self._file, self._board, None, None
        with writing(self._path), contextlib.closing(board), contextlib.closing(file):
            pass


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The lines that are rows of a step; of what else there is the log tells."""
    lines = list(json_lines(path)) if path.is_file() else []
    good = [(line, row) for line, row in lines if row is not None and _is_row(row)]
    # The last line of a killed process may be half a line.
    damaged = len(lines) - len(good) - (bool(lines) and lines[-1] not in good)
    if damaged:
        logger.warning(f"{path}: {damaged:,} of {len(lines):,} lines are damaged and left out")
    return good


def _is_row(row: Mapping[str, Any]) -> bool:
    numbers = (value for name, value in row.items() if name != "stage")
    return type(row.get("step")) is int and all(type(v) in (int, float) for v in numbers)


def recorded(folder: Path, step: int) -> dict[str, float]:
    """The row of `metrics.jsonl` of a step: of training, and of an evaluation if there was one."""
    trained: dict[str, Any] = {}
    evaluated: dict[str, Any] = {}
    for _, row in _rows(folder / "metrics.jsonl"):
        if row["step"] == step:
            for name, value in row.items():
                (trained if name.startswith("train/") else evaluated)[name] = value
    found = evaluated | learned(trained)
    return {name: value for name, value in found.items() if name not in ("step", "stage")}


def learned(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics without those of speed."""
    return {n: v for n, v in metrics.items() if n.removeprefix("train/") not in SPEED}


class Progress:
    """A progress bar on a terminal; otherwise plain lines, at most one in ten seconds.

    Args:
      steps: of the whole run.
      step: where it starts or resumes.
      show: whether this process shows anything.
    """

    def __init__(self, steps: int, step: int, *, show: bool = True):
        self._bar = None
        self._steps, self._show, self._last = steps, show, -math.inf
        if show and sys.stderr.isatty():
            self._bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True)

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Shows the metrics of a step that has been logged."""
        if not self._show:
            return
        shown = {
            "loss": f"{metrics['loss']:.4f}",
            "lr": f"{metrics['learning_rate']:.2e}",
            "examples/s": f"{metrics['examples_per_second']:.0f}",
            "data wait": f"{metrics['data_wait_share']:.0%}",
        }
        # A sum of several terms says little: each of them, before its weight.
        terms = {k.removesuffix("/loss"): v for k, v in metrics.items() if k.endswith("/loss")}
        if len(terms) > 1:
            shown |= {name: f"{value:.3f}" for name, value in terms.items()}
        line = f"step {step}/{self._steps}  " + "  ".join(f"{k} {v}" for k, v in shown.items())
        if self._bar is not None:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix(shown)
            logger.debug(line)
        elif step == self._steps or time.monotonic() - self._last > 10:
            self._last = time.monotonic()
            logger.info(line)
        else:
            logger.debug(line)

    def close(self) -> None:
        """Leaves the bar as it is on the screen."""
        if self._bar is not None:
            self._bar.close()


def log_to(folder: Path | None) -> None:
    """Sends the package's messages to the terminal and, with a folder, to its `log.txt`."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if folder is None:
        logger.addHandler(logging.NullHandler())
        return
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(_Printable("%(message)s"))
    with writing(folder / "log.txt"):
        file = _LogFile(folder / "log.txt", encoding="utf-8")
    file.setFormatter(_Printable("%(asctime)s %(message)s"))
    logger.addHandler(terminal)
    logger.addHandler(file)


class _Printable(logging.Formatter):
    """Messages without control characters, which the names of files may hold."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """A log that ends, with a line on the terminal, when its disk is full; the run is the news."""

    def handleError(self, record: logging.LogRecord) -> None:
        logger.removeHandler(self)
        reason = sys.exc_info()[1]
        logger.warning(f"{self.baseFilename} ends here: {getattr(reason, 'strerror', reason)}")
