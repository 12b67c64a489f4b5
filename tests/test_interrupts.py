"""Ctrl-C and SIGTERM in the first seconds of a command, and processes that never see them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmjax import interrupts

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("number", "module"),
    [(signal.SIGINT, "absl.flags"), (signal.SIGINT, "jax._src.core"), (signal.SIGTERM, "numpy")],
)
def test_a_signal_during_imports_ends_in_a_sentence(number, module, tmp_path):
    words = ["-X", "importtime", "-m", "mmjax.main", "--config=clip_uniform:latent"]
    with subprocess.Popen(
        [sys.executable, *words, f"--workdir={tmp_path}"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        imported = next(line for line in process.stderr if line.split()[-1] == module)
        process.send_signal(number)
        said = process.stderr.read()
    assert imported
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert "mmjax: interrupted; the same command resumes from the last checkpoint" in said


@pytest.mark.parametrize(
    ("started", "arguments", "is_ours"),
    [
        (["python", "-m", "mmjax.main", "--seed=1"], ["-m", "--seed=1"], True),
        (["python", "-X", "utf8", "-m", "mmjax", "train"], ["-m", "train"], True),
        (["python", "/env/bin/mmjax", "train", "clip"], ["/env/bin/mmjax", "train", "clip"], True),
        (["python", "-m", "mine", "mmjax"], ["-m", "mmjax"], False),
        (["python", "-m", "pytest", "-m", "mmjax.main"], ["pytest.py", "-m", "mmjax.main"], False),
        (["python", "mine.py", "-m", "mmjax.main"], ["mine.py", "-m", "mmjax.main"], False),
        (["python", "-c", "import mmjax"], ["-c"], False),
        (["python"], [""], False),
        (["python"], ["changed", "by", "hand"], False),
    ],
)
def test_only_a_command_has_its_signals_set(started, arguments, is_ours, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", started)
    monkeypatch.setattr(sys, "argv", arguments)
    assert interrupts.is_command() == is_ours
