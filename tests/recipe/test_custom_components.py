"""The recipe of docs/recipes.md with components of its own trains, resumes, evaluates and loads."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
LOAD = """
import sys
import numpy as np
import mmjax
model = mmjax.load(sys.argv[1])
waves = np.sin(np.arange(32, dtype=np.float32))[None] * np.ones((3, 1), np.float32)
print(model.encode(wave=waves).shape, list(model.view("wave").shape))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder of a user's own with the page's recipe in it."""
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "SineWaves" in c)
    folder = tmp_path_factory.mktemp("home")
    (folder / "my_recipe.py").write_text(code)
    return folder


def python(folder, *words, code=0):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_trains_resumes_evaluates_and_loads(home, tmp_path):
    words = ("-m", "mmjax.main", "--config=my_recipe.py", "--workdir=run")
    python(home, *words, "--config.checkpoints.every=10")
    run = home / "run"
    metrics = json.loads((run / "summary.json").read_text())
    assert metrics["neighbour/test/accuracy"] > 0.5  # chance .25
    assert json.loads((run / "config.json").read_text())["imports"] == [str(home / "my_recipe.py")]

    shutil.rmtree(run / "checkpoints" / "20")
    (run / "summary.json").unlink()
    assert "step 10" in python(home, *words, "--config.checkpoints.every=10")
    again = json.loads((run / "summary.json").read_text())
    name = "neighbour/test/accuracy"
    assert (again["step"], again[name]) == (metrics["step"], metrics[name])

    # From elsewhere, by the path that the run's config keeps.
    python(tmp_path, "-m", "mmjax.evaluate", f"--workdir={run}")
    found = json.loads((run / "evaluation-20.json").read_text())
    assert found["neighbour/test/accuracy"] == metrics["neighbour/test/accuracy"]
    assert "(3, 16) [32]" in python(tmp_path, "-c", LOAD, str(run))

    # Without its file the run cannot be read; code that lies in a run's own folder is not executed.
    shutil.move(home / "my_recipe.py", run / "my_recipe.py")
    said = python(tmp_path, "-m", "mmjax.evaluate", f"--workdir={run}", code=2)
    assert "there is no file" in said
    assert "my_recipe.py" in said
    config = json.loads((run / "config.json").read_text())
    config["imports"] = [str(run / "my_recipe.py")]
    (run / "config.json").write_text(json.dumps(config))
    (run / "sha256.json").unlink()  # whoever sends a run can write digests, too
    said = python(tmp_path, "-m", "mmjax.evaluate", f"--workdir={run}", code=2)
    assert "is inside of the folder that is read" in said
    shutil.move(run / "my_recipe.py", home / "my_recipe.py")
