"""Names of recipes: a path, a recipe here, or one that comes with the package."""

import pytest

from mmjax.errors import ConfigError
from mmjax.recipe.find import find, packaged, recipes


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["clip", "clip.py", "configs/clip.py", "configs/clip"])
@pytest.mark.parametrize("variant", ["", "paper"])
def test_from_an_empty_folder_a_recipe_is_that_of_the_package(here, name, variant):
    found = find(f"{name}:{variant}" if variant else name)
    assert found == (str(packaged() / "clip.py"), variant)


def test_what_is_here_comes_first(here):
    (here / "configs").mkdir()
    for file in ("configs/clip.py", "configs/mine.py", "other.py"):
        (here / file).write_text("")
    assert find("configs/clip.py") == ("configs/clip.py", "")
    assert find("clip:small") == ("configs/clip.py", "small")
    assert find("mine") == ("configs/mine.py", "")
    assert find("other.py:x") == ("other.py", "x")
    assert find(f"{here}/other.py") == (f"{here}/other.py", "")
    assert find("siglip") == (str(packaged() / "siglip.py"), "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clpi", r"no config file clpi; did you mean clip\?"),
        ("configs/clip_unifrom.py", r"clip_unifrom\.py; did you mean clip_uniform\?"),
        ("zzzz", "zzzz; `mmjax recipes` lists"),
        ("", "there is no config file $"),
        ("..", r"there is no config file \.\.$"),
        ("clip.txt", r"there is no config file clip\.txt$"),
        ("elsewhere/clip.py", r"there is no config file elsewhere/clip\.py$"),
    ],
)
def test_a_name_of_nothing_is_answered_with_the_nearest(here, name, said):
    with pytest.raises(ConfigError, match=said):
        find(name)


def test_a_file_beside_it_is_nearer_than_the_package(here):
    (here / "mine.py").write_text("")
    with pytest.raises(ConfigError, match=r"mien\.py; did you mean mine\.py\?"):
        find("mien.py")


def test_what_recipes_share_is_no_recipe(here):
    for file in ("base.py", "__init__.py", "_own.py", "b.py", "a.py", "notes.txt"):
        (here / file).write_text("")
    (here / "common").mkdir()
    (here / "common" / "towers.py").write_text("")
    assert [file.name for file in recipes(here)] == ["a.py", "b.py"]
    assert {"clip", "siglip"} <= {file.stem for file in recipes(packaged())}
