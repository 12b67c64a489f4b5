"""Where metrics go: `metrics.jsonl`, TensorBoard events, and lines for a person."""

import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

logger = logging.getLogger("mmjax")


class MetricWriter:
    """Appends metrics of a run to its files; does nothing in processes that do not write.

    Args:
      folder: the run's folder.
      step: where the run starts or resumes. Rows of later steps, left by a process that was
        killed after its last checkpoint, are removed: they will be written again.
      write: whether this process writes.
    """

    def __init__(self, folder: Path, step: int, *, write: bool = True):
        self._file = self._board = None
        if not write:
            return
        path = folder / "metrics.jsonl"
        rows = []
        if path.is_file():
            with open(path, encoding="utf-8") as file:
                rows = [line for line in file if _step_of(line) <= step]
        part = path.with_name(path.name + ".part")
        part.write_text("".join(rows), encoding="utf-8")
        part.replace(path)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self._board = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes one row of metrics by name."""
        if self._file is None:
            return
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes and closes the files."""
        if self._file is not None:
            self._file.close()
            self._board.close()
            self._file = None


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        return math.inf  # the last line of a killed process may be half a line


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
            "waiting": f"{metrics['data_wait_share']:.0%}",
        }
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
    terminal.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(folder / "log.txt", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(terminal)
    logger.addHandler(file)
