"""Packages that only some tests need, which are skipped without them, and found again.

    pytest --absent-to=FILE      # adds which tests were skipped for want of a package
    pytest --absent-from=FILE    # where all of them are installed: runs those tests, skips none

A pytest plugin, which `conftest.py` loads.
"""

import importlib
import importlib.util
import json
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
ABSENT = "needs the package"


def needs(name):
    """A module of a package that need not be installed; the test is skipped where it is not.

    Whatever else keeps the module from being imported is an error, unlike in `pytest.importorskip`.

    Args:
      name: of the module, such as `rdkit.Chem`.
    """
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        reason = f"{ABSENT} {package}: pip install {brought_by(package)}"
        pytest.skip(reason, allow_module_level=True)
    return importlib.import_module(name)


def brought_by(package):
    """What to install for a package: an extra of this project, where one brings it."""
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, requirements in extras.items():
        brought = [requirement.replace("-", "_") for requirement in requirements]
        if extra != "test" and any(each.startswith(package) for each in brought):
            return f"'mmjax[{extra}]'"
    return package


def pytest_addoption(parser):
    group = parser.getgroup("packages that are not installed")
    group.addoption("--absent-to", metavar="FILE", help="list the tests that lack a package")
    group.addoption("--absent-from", metavar="FILE", help="run those tests alone, skipping none")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--absent-from") is not None:
        listed = _read(config)
        left_out = [item for item in items if not _listed(item.nodeid, listed)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _listed(item.nodeid, listed)]


def pytest_sessionfinish(session):
    config = session.config
    if hasattr(config, "workerinput"):  # the process that started the workers hears of all
        return
    terminal = config.pluginmanager.getplugin("terminalreporter")
    kinds = terminal.stats.values()  # what was left out, and warnings, are no reports
    reports = [each for kind in kinds for each in kind if hasattr(each, "longrepr")]
    absent = {each.nodeid for each in reports if f"Skipped: {ABSENT}" in str(each.longrepr)}
    if config.getoption("--absent-to") is not None:
        path = Path(config.getoption("--absent-to"))
        before = json.loads(path.read_text("utf-8")) if path.is_file() else []
        path.write_text(json.dumps(sorted({*before, *absent})), "utf-8")
    if config.getoption("--absent-from") is not None:
        found = {_listed(each.nodeid, _read(config)) for each in reports}
        failed = absent | (set(_read(config)) - found)
        if failed:
            terminal.write_line(f"not run, or skipped again: {', '.join(sorted(failed))}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _read(config):
    return json.loads(Path(config.getoption("--absent-from")).read_text("utf-8"))


def _listed(test, listed):
    """A test, or its file where that is skipped as a whole, as it is listed; or None."""
    return next((name for name in (test, test.partition("::")[0]) if name in listed), None)
