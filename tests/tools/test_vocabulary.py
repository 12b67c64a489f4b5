"""The page of all words of a recipe."""

import pytest
from tool_files import load_tool

vocabulary = load_tool("vocabulary")


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
