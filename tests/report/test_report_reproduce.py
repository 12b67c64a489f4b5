import json
import shlex
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax import cli
from mmjax import recipe as recipe_lib
from mmjax.claims import find
from mmjax.recipe.load import set_key
from mmjax.report import reproduce
from mmjax.schema.values import plain

SHIPPED = Path(recipe_lib.__file__).resolve().parents[2] / "configs" / "clip_uniform.py"


def as_stored(overrides):
    config = recipe_lib.load(str(SHIPPED), overrides)
    return json.loads(recipe_lib.dump(config))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["seed=3", "optimizer.learning_rate=0.002", "data.batch_size=64"],
        ["objectives.alignment=None"],
        ["objectives={'only':{'type':'info_nce','temperature':0.05}}"],
        ["model.ema=0.99", "data.on_error=fail"],
        ["data.source={'type':'gaussian_latent','dim':8}"],
        ["paper='it is # \"quoted\"'"],
    ],
)
def test_the_command_gives_the_same_config(overrides, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = as_stored(overrides)
    recipe = reproduce.recipe_of(stored)
    assert recipe.trouble == ""
    assert len(recipe.changes) <= 5
    words = shlex.split(reproduce.command(stored, recipe))
    assert words[:3] == ["python", "-m", "mmjax.main"]
    _, path, again = cli.split_config(words[3:])
    assert path == "configs/clip_uniform.py:small"
    assert as_stored(again) == stored


def test_a_run_of_an_experiment_is_the_small_variant_with_its_changes(tmp_path, monkeypatch):
    arm = find.find("clip_uniform:claim_emoji", SHIPPED.parent).recipe_of("clip", 1, {})
    monkeypatch.chdir(tmp_path)
    stored = json.loads(recipe_lib.dump(arm))
    recipe = reproduce.recipe_of(stored)
    assert recipe.trouble == ""
    words = shlex.split(reproduce.command(stored, recipe))
    _, path, again = cli.split_config(words[3:])
    assert path == "configs/clip_uniform.py:small"
    assert "variant=claim_emoji" in again
    assert as_stored(again) == stored


def test_changes_are_the_keys_that_were_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recipe = reproduce.recipe_of(as_stored(["seed=3", "pairwise.schedule=ring"]))
    assert recipe.changes == [
        reproduce.Change("pairwise.schedule", "auto", "ring"),
        reproduce.Change("seed", 0, 3),
    ]


def test_the_recipe_of_the_working_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    shutil.copy(SHIPPED, tmp_path / "configs" / "clip_uniform.py")
    stored = as_stored([])
    assert reproduce.recipe_of(stored).changes == []
    (tmp_path / "configs" / "clip_uniform.py").write_text("raise RuntimeError('broken recipe')")
    recipe = reproduce.recipe_of(stored)
    assert recipe.changes is None
    assert "cannot be read any more (configs/clip_uniform.py, line 1: Runtime" in recipe.trouble
    assert "broken recipe" in recipe.trouble


@pytest.mark.parametrize("name", ["none_of_these", "../../etc/passwd", "", 3])
def test_an_unknown_recipe_is_said(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = reproduce.recipe_of({"recipe": name, "variant": "small"})
    assert recipe.changes is None
    assert recipe.trouble


@pytest.mark.parametrize(
    "value",
    [
        "ring",
        "3",
        "None",
        "none",
        "a b",
        "[x",
        3,
        0.1,
        True,
        None,
        [1, "b"],
        {"type": "x", "y": [1.5]},
    ],
)
def test_a_literal_is_read_back_as_it_was(value):
    tree = {}
    recipe_lib.set_key(tree, f"key={reproduce.literal(value)}", "file")
    expected = tuple(value) if isinstance(value, list) else plain(value)
    assert tree["key"] == expected
    assert type(tree["key"]) is type(expected)


@given(
    variant=st.text(min_size=1),
    value=st.text() | st.text("a 'x$`\"\\\n\x1b;&|"),
    key=st.sampled_from(["paper", "data.source.path"]),
)
def test_no_text_of_a_config_gets_out_of_its_word(variant, value, key):
    recipe = reproduce.Origin(
        "configs/x.py", variant, [reproduce.Change(key, None, value)], trouble=""
    )
    shown = reproduce.command({}, recipe)
    # A shell joins a line that ends in a backslash with the next; shlex gives the line feed.
    words = [word for word in shlex.split(shown) if word != "\n"]
    assert words[:3] == ["python", "-m", "mmjax.main"]
    assert words[3] == f"--config=configs/x.py:{variant}"
    tree = {}
    (override,) = cli.split_config(words[4:])[2]
    set_key(tree, override, "x.py")
    for part in key.split("."):
        tree = tree[part]
    assert tree == value
    assert "\x1b" not in shown.rpartition(" \\\n")[2]


@pytest.mark.parametrize("variant", ["a b", "x\x1b[2J", "'; rm", ""])
def test_a_variant_that_is_no_name_is_not_shown_in_the_command(variant):
    stored = {"recipe": "clip", "variant": variant}
    recipe = reproduce.recipe_of(stored)
    assert recipe.changes is None
    assert repr(str(variant)) in recipe.trouble or recipe.trouble
    assert recipe.variant == "small"
