"""A recipe's file that is missing, damaged or wrong ends in one sentence that says where."""

import pytest

from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", r"recipe\.py, line 1: '\(' was never closed"),
        ("\n  import json\n", r"recipe\.py, line 2: unexpected indent"),
        (
            "import os\nimport nothing_of_this_name\n",
            r"recipe\.py, line 2: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        (
            "def get_config(variant):\n    return undefined\n",
            r"recipe\.py, line 2: NameError: name 'undefined' is not defined",
        ),
        (
            "import mmjax.configs.common as c\ndef get_config(v):\n    c.vit(16, size='giant')\n",
            r"recipe\.py, line 3: KeyError: 'giant' \(raised in .*towers\.py, line \d+\)",
        ),
        (
            "def get_config(variant):\n    raise RuntimeError\n",
            r"recipe\.py, line 2: RuntimeError$",
        ),
        ("def get_config(variant):\n    return 3\n", r"should return a ConfigDict"),
        ("", r"recipe\.py has no function get_config"),
        (b"\0\1\2\xff", r"recipe\.py(, line \d+: | is no recipe in Python: )"),
    ],
)
def test_an_error_in_a_recipe_is_a_sentence_with_its_line(tmp_path, text, said):
    file = tmp_path / "recipe.py"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=said) as error:
        recipe_lib.load(str(file))
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_no_python_is_named_with_the_nearest(tmp_path):
    (tmp_path / "clip.py").write_text("")
    (tmp_path / "clip.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"no config file .*clipp\.py; did you mean .*clip\.py"):
        recipe_lib.load(str(tmp_path / "clipp.py"))
    with pytest.raises(ConfigError, match="no config file"):
        recipe_lib.load(str(tmp_path))
    with pytest.raises(ConfigError, match=r"clip\.json is no recipe: a recipe is a Python file"):
        recipe_lib.load(str(tmp_path / "clip.json"))
