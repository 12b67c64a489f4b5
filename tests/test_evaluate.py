"""A saved run, evaluated again."""

import json
import shutil

import pytest

from mmjax import evaluate
from mmjax.checkpoints.store import CheckpointError
from mmjax.errors import ConfigError


@pytest.fixture(scope="module")
def folder(finished_run, tmp_path_factory):
    return shutil.copytree(finished_run[2], tmp_path_factory.mktemp("copy") / "run")


def test_a_saved_run_has_the_metrics_of_its_end(folder, set_flags, capsys):
    (folder / "report.html").unlink()
    set_flags(workdir=folder)
    evaluate.main(None, [])
    found = json.loads((folder / "evaluation-12.json").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    assert found.pop("step") == summary.pop("step") == 12
    of_the_run = [name for name in summary if name == "seconds" or name.startswith("train/")]
    for name in of_the_run:
        del summary[name]
    assert found.keys() == summary.keys()
    assert found == pytest.approx(summary, rel=1e-5, abs=1e-5)
    assert (folder / "report.html").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "R@1" in said
    assert "report.html" in said


@pytest.mark.parametrize(
    ("flags", "arguments", "kind", "message"),
    [
        ({}, (None, []), ConfigError, r"^which run\? Give --workdir=runs/\.\.\.$"),
        ({"workdir": "{}/.."}, (None, []), ConfigError, r"holds no run: there is no config\.json"),
        ({"workdir": "{}"}, ("c.py", []), ConfigError, r"there is no config file c\.py"),
        ({"workdir": "{}"}, (None, ["seed=1"]), ConfigError, r"of which nothing is changed"),
        (
            {"workdir": "{}", "checkpoint": "7"},
            (None, []),
            CheckpointError,
            r"no checkpoint of step 7; it has \[12\]",
        ),
        (
            {"workdir": "{}", "checkpoint": "best"},
            (None, []),
            ConfigError,
            r"no best checkpoint: checkpoints\.metric is not set",
        ),
        (
            {"workdir": "{}", "checkpoint": "last"},
            (None, []),
            ConfigError,
            r"^--checkpoint=last: give latest, previous, best or a step$",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_said(folder, set_flags, flags, arguments, kind, message):
    set_flags(**{name: value.format(folder) for name, value in flags.items()})
    with pytest.raises(kind, match=message):
        evaluate.main(*arguments)
