"""The page of all words of a recipe."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("vocabulary", ROOT / "tools" / "vocabulary.py")
vocabulary = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vocabulary)


def test_the_page_is_that_of_the_registries():
    old = vocabulary.PAGE.read_text(encoding="utf-8")
    assert old == vocabulary.page(), "docs/vocabulary.md is old: python tools/vocabulary.py"


def test_a_word_links_to_its_code_and_shows_its_options():
    from mmjax.objectives import TERMS

    link, meaning, options = vocabulary.row("sigmoid", TERMS["sigmoid"])
    assert link == "[`sigmoid`](../mmjax/objectives/contrastive.py)"
    assert meaning.startswith("Sigmoid loss")
    assert "`bias=-10.0`" in options


def test_a_word_without_a_docstring_is_an_error():
    with pytest.raises(ValueError, match=r"'bare', has no docstring"):
        vocabulary.row("bare", test_the_page_is_that_of_the_registries)
