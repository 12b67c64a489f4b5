"""`mmjax recipes` and `mmjax words`: what there is, and the nearest name for what is not."""

import pytest

from mmjax.commands import recipes, words
from mmjax.commands.words import kinds
from mmjax.errors import ConfigError
from mmjax.recipe.find import packaged

RECIPE = '''"""A recipe of {name}."""

def get_config(variant="small"):
    return {{
        "paper": "Nobody 2026, {name}",
        "model": {{"towers": {{"{modality}": {{"encoder": {{"type": "{encoder}"}}}}}}}},
    }}

get_config.variants = ("small", "paper", "claim")
'''


@pytest.fixture
def folder(tmp_path):
    for name, modality, encoder in (("hum", "audio", "mlp"), ("see", "image", "vit")):
        text = RECIPE.format(name=name, modality=modality, encoder=encoder)
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "base.py").write_text("raise ZeroDivisionError")
    return tmp_path


def test_a_table_of_recipes(folder, capsys):
    assert recipes.main([f"--folder={folder}"]) == 0
    said = capsys.readouterr().out
    for text in ("hum", "see", "audio", "image", "small, paper, claim", "Nobody 2026, hum"):
        assert text in said
    assert "2 of 2 recipes" in said


@pytest.mark.parametrize("word", ["hum", "audio", "mlp", "HUM", "nobody"])
def test_words_choose_recipes(folder, capsys, word):
    assert recipes.main([f"--folder={folder}", word]) == 0
    said = capsys.readouterr().out
    assert "Nobody 2026, hum" in said
    assert ("Nobody 2026, see" in said) == (word == "nobody")


def test_all_words_are_needed_and_the_nearest_is_told(folder, capsys):
    assert recipes.main([f"--folder={folder}", "hum", "image"]) == 1
    assert "no recipe has hum and image" in capsys.readouterr().out
    assert recipes.main([f"--folder={folder}", "audoi"]) == 1
    assert "did you mean: mmjax recipes audio" in capsys.readouterr().out


def test_a_recipe_that_is_broken_is_named_and_the_others_are_shown(folder, capsys):
    (folder / "broken.py").write_text("import no_such_module")
    assert recipes.main([f"--folder={folder}"]) == 0
    said = capsys.readouterr().out
    assert "broken.py is no recipe: ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "2 of 2 recipes" in said


def test_the_recipes_of_the_package(capsys):
    found, trouble = recipes.every(packaged())
    assert trouble == []
    named = {each.name: each for each in found}
    assert {"clip", "clip_uniform", "audio_text"} <= set(named)
    assert not {"base", "common", "claims", "__init__"} & set(named)
    assert named["clip"].modalities == ("image", "text")
    assert {"small", "paper"} <= set(named["clip"].variants)
    assert "info_nce" in named["clip"].words
    assert named["clip_uniform"].claim


def test_a_word_with_its_options(capsys):
    assert words.main(["info_nce"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("info_nce: a term, in a recipe: objectives.NAME\n\nSymmetric InfoNCE")
    assert "temperature        0.07 by default (a float (at least 1e-15 and at" in said
    assert "one of 'negative', 'mask'" in said
    assert "contrastive.py:" in said
    assert "clip_uniform" in said.partition("`info_nce` in recipes:")[2]


def test_a_word_of_several_kinds_is_told_of_all(capsys):
    assert words.main(["mlp"]) == 0
    said = capsys.readouterr().out
    assert "mlp: an encoder" in said
    assert "mlp: a head" in said
    assert "has to be given (an int (at least 1 and at most 16777216))" in said
    assert "rngs  " not in said  # not a recipe's to say


def test_all_words_by_kind(capsys):
    assert words.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for kind in kinds():
        assert f"{kind.name}: {len(kind.words)} words for `{kind.place}`" in lines
        assert all(any(line.startswith(f"  {word} ") for line in lines) for word in kind.words)
    assert words.main(["encoders"]) == 0
    assert "info_nce" not in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted({word for kind in kinds() for word in kind.words}))
def test_every_word_can_be_told(name):
    for kind in kinds():
        if name in kind.words:
            assert "Source: " in words.entry(name, kind, 80)[-1]


def test_an_unknown_word_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no word 'infonce'; did you mean 'info_nce'"):
        words.main(["infonce"])
    with pytest.raises(ConfigError, match="no word 'encodr'; did you mean 'encoder'"):
        words.main(["encodr"])
