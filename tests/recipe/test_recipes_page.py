"""The examples of docs/recipes.md are configs."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from mmjax import recipe as recipe_lib
from mmjax.claims import find
from mmjax.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
FILE, *PARTS, CLAIM, WORDS, LOADING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^    (python -m mmjax\.main (?:.*\\\n)*.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "spread_clip.py"
    file.write_text(FILE)
    return file


def test_the_page_has_its_examples():
    assert len(PARTS) == 2
    assert len(COMMANDS) == 4


def test_the_file_is_a_recipe(recipe):
    config = recipe_lib.load(str(recipe))
    assert config.recipe == "spread_clip"
    assert config.objectives["spread"].weight["end_at"] == 0.2
    assert recipe_lib.load(f"{recipe}:digits").data.views["text"].options["length"] == 12


def test_the_claim_is_one_of_the_recipe(recipe):
    (recipe.parent / "claims").mkdir()
    (recipe.parent / "claims" / "spread_clip.py").write_text(CLAIM)
    experiment = find.find("spread_clip", recipe.parent)
    for arm in experiment.claim.arms:
        for setting in experiment.claim.arms[arm].settings():
            config = experiment.recipe_of(arm, 1, setting)
            assert ("spread" in config.objectives) is (arm in ("spread", "untrained"))
            find.check_metrics(experiment, arm, config, experiment.needed(arm))
    fixed = experiment.recipe_of("clip, fixed temperature", 1, {})
    assert fixed.objectives["clip"].term.options["learn_temperature"] is False


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_one_of_a_recipe(part, recipe):
    changes = ast.literal_eval("{" + part + "}")
    overrides = [f"{key}={value!r}" for key, value in changes.items()]
    if "image@2" in part:
        overrides.append("data.views.image@2={'type': 'image', 'size': 32}")
    config = recipe_lib.load(str(recipe), overrides)
    for key in changes:
        assert config.plain()[key]


# With a folder of weights it is run by tests/weights/test_finetune.py.
@pytest.mark.parametrize("command", [each for each in COMMANDS if "FOLDER" not in each])
def test_a_command_is_one_of_a_config(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.replace("\\\n", " "))[3:]
    file = words[0].removeprefix("--config=")
    overrides = [word.removeprefix("--config.") for word in words[1:]]
    changed = recipe_lib.load(file, overrides)
    assert changed != recipe_lib.load(file)


def test_the_mistake_ends_as_it_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError) as error:
        recipe_lib.load("configs/clip.py", ["objectives.clip.temprature=0.1"])
    said = re.search(r"^    (configs/clip\.py: .*?) \.\.\.$", PAGE, re.MULTILINE).group(1)
    assert str(error.value).startswith(said)


def test_a_recipe_brings_components_of_its_own(tmp_path, monkeypatch):
    for registry in recipe_lib.REGISTRIES.values():  # so that other tests do not find them
        monkeypatch.setattr(registry, "_words", dict(registry))
    file = tmp_path / "my_recipe.py"
    file.write_text(WORDS)
    config = recipe_lib.load(str(file))
    assert config.imports == (str(file),)
    assert config.objectives["margin"].term.options["classes"] == 4
    assert "mmjax.load" in LOADING
