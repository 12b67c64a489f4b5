"""Tests that lack a package are skipped for that alone, and a second run finds them again."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from third_party import PROJECT, needs

ROOT = PROJECT.parent
FILES = [file for part in ("mmjax", "tests", "tools") for file in (ROOT / part).rglob("*.py")]


def test_only_an_absent_package_skips(tmp_path, monkeypatch):
    assert needs("json.decoder").JSONDecoder
    with pytest.raises(pytest.skip.Exception, match="needs the package no_such: pip install no_s"):
        needs("no_such.part")
    (tmp_path / "broken_package.py").write_text("import no_such\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError):
        needs("broken_package")


def catches_import_errors(node):
    """Whether a node of a program turns an import error into something else."""
    if isinstance(node, ast.Attribute):
        return node.attr == "importorskip"
    caught = ast.walk(node.type) if isinstance(node, ast.ExceptHandler) and node.type else ()
    names = {part.id for part in caught if isinstance(part, ast.Name)}
    return bool(names & {"ImportError", "ModuleNotFoundError"})


def test_nothing_else_hides_an_import_error():
    assert len(FILES) > 500
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if catches_import_errors(node)
    ]
    assert not found, "find the package first: mmjax.extras.needs, or third_party.needs in tests"


def test_a_second_run_finds_what_was_skipped(tmp_path):
    (tmp_path / "conftest.py").write_text("pytest_plugins = ('third_party',)\n")
    (tmp_path / "test_whole.py").write_text(
        "from third_party import needs\nneeds('late_package')\ndef test_a(): pass\n"
    )
    (tmp_path / "test_part.py").write_text(
        "import pytest\nfrom third_party import needs\n"
        "@pytest.mark.parametrize('x', [1, 2])\n"
        "def test_b(x): x == 1 or needs('late_package')\n"
        "def test_c(): pytest.skip('for another reason')\n"
        "def test_d(): pass\n"
    )

    def run(*options):
        path = os.pathsep.join([str(Path(__file__).parent), str(tmp_path / "installed")])
        words = [sys.executable, "-m", "pytest", "-q", "-n", "1", f"--rootdir={tmp_path}", *options]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    first = run("--absent-to=absent.json", "-k", "not test_d")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 passed, 3 skipped" in first.stdout
    absent = json.loads((tmp_path / "absent.json").read_text())
    assert absent == ["test_part.py::test_b[2]", "test_whole.py"]
    again = run("--absent-from=absent.json")  # where it is absent still
    assert again.returncode == 1
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "late_package.py").touch()
    found = run("--absent-from=absent.json")
    assert found.returncode == 0
    assert "2 passed" in found.stdout
    assert "skipped" not in found.stdout
    (tmp_path / "absent.json").write_text('["test_part.py::test_b[2]", "test_part.py::test_gone"]')
    lost = run("--absent-from=absent.json")
    assert lost.returncode == 1
    assert "not run, or skipped again: test_part.py::test_gone" in lost.stdout
