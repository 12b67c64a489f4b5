"""Values that no source gives are marked in one way, and found."""

from pathlib import Path

import pytest

from mmjax.recipe.assumed import assumed

CONFIGS = Path(__file__).parents[2] / "configs"
# Recipes whose papers leave values open.
OPEN = {
    "cwcl": "steps=60_000",
    "har_hardneg": "objectives=objectives(beta=1.0, tau_plus=0.1, temperature=0.1)",
    "mv_dhel": "b1=0.9",
    "symile": "dim = 2048",
}


def written(tmp_path, text):
    file = tmp_path / "recipe.py"
    file.write_text(text, encoding="utf-8")
    return file


def test_marks_are_found_in_order_with_their_reasons(tmp_path):
    file = written(
        tmp_path,
        """
        steps = 100  # assumed
        text = "# assumed: no mark, a text"
        options = dict(
            batch_size=32,  # assumed: the paper’s is “tuned”
            width=64,  # as in the paper
        )
        """.replace("\n        ", "\n"),
    )
    assert assumed(file) == [("steps = 100", ""), ("batch_size=32", "the paper’s is “tuned”")]


@pytest.mark.parametrize(
    "text",
    [
        "a = 1  # assumed because it works\n",
        "a = 1  # Assumed: it works\n",
        "a = 1  # assumed:\n",
        "a = 1  # assumption\n",
        "# assumed: the next line\na = 1\n",
    ],
)
def test_what_looks_like_a_mark_but_is_none_is_one_sentence(tmp_path, text):
    with pytest.raises(ValueError, match=r"recipe\.py, line 1: .* should be '# assumed' or "):
        assumed(written(tmp_path, text))


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.py")), ids=lambda file: file.stem)
def test_every_recipe_marks_them_so(file):
    found = assumed(file)
    assert all(code for code, _ in found)
    if file.stem in OPEN:
        assert OPEN[file.stem] in [code for code, _ in found]
