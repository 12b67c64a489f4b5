"""The Python of the README and of docs/python.md runs as it stands, in an empty folder."""

import re
from pathlib import Path

import pytest
from PIL import Image

import mmjax

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_examples_run(page, run_of, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/RUN").symlink_to(run_of("clip"))
    for name, colour in (("dog.jpg", "brown"), ("cat.jpg", "grey")):
        Image.new("RGB", (60, 40), colour).save(name)
    # The Hub has the same model.
    monkeypatch.setattr("mmjax.weights.hub._download", lambda *given: Path("runs/RUN"))
    # Those of ```py need models of other terms, and are held by the tests of `generate`.
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["images"].shape == names["texts"].shape == (2, 20)
    if page == "README.md":
        assert capsys.readouterr().out.splitlines()[-1] in ("['dog']", "['cat']")
        assert len(blocks[0].splitlines()) <= 7
    else:
        assert names["clip"].modalities == ("image", "text")
        assert names["labels"][0] in ("dog", "cat")
        assert isinstance(names["model"], mmjax.Model)
