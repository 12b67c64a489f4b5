"""`--help` of every command: code 0, on standard output, with the options.

As processes, of which many import jax first; test_console.py and test_cli.py have the same in one.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from mmjax.commands import console, modules

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PROGRAMS = [*modules.MODULES.values(), *modules.DATA.values()]
TOOLS = sorted(
    file
    for file in (ROOT / "tools").glob("*.py")
    if 'if __name__ == "__main__"' in file.read_text("utf-8")
)


def said(*words):
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", PROGRAMS, ids=lambda module: module.name)
def test_of_a_module(module):
    text = said("-m", module.name, "--help")
    assert f"python -m {module.name}" in text
    if module.name == "mmjax.bench":  # each has its own
        assert "  loss " in text
        return
    options = text.partition("\nOptions:\n")[2].splitlines()
    names = [line.partition(":")[0].strip() for line in options]
    word = [*module.words, "out" if module.name == "mmjax.claims" else "data"][0]
    assert f"--{word}" in names
    assert all(line.partition(": ")[2].strip() for line in options)


@pytest.mark.parametrize("command", [*console.COMMANDS, *(f"data {name}" for name in modules.DATA)])
def test_of_a_command(command):
    text = said("-m", "mmjax", *command.split(), "--help")
    assert f"mmjax {command}" in text


@pytest.mark.parametrize("name", ["input", "loss", "step"])
def test_of_a_benchmark(name):
    assert "--repeats" in said("-m", "mmjax", "bench", name, "--help")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda file: file.stem)
def test_of_a_tool(tool):
    assert said(str(tool), "--help").startswith(f"usage: {tool.name}")
