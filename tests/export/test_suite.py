"""`mmjax evaluate --suite`: one table of many sets, by the page of the docs."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver
from own_data_files import shard
from PIL import Image

from mmjax import evaluate
from mmjax.commands import suite as suite_lib
from mmjax.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


@pytest.fixture
def home(run_of, tmp_path, monkeypatch):
    """A folder with weights/clip, configs, and sets of 30 shards, of captions and of birds."""
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    shutil.copytree(run_of("clip"), "weights/clip")
    Path("configs").symlink_to(ROOT / "configs")
    for name, colour in COLOURS.items():
        folder = Path("sets/birds") / name
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (20, 20 + i), colour).save(folder / f"{i}.png")
    for name in ("wds_colours", "wds_pairs", "vtab-pets"):
        (Path("sets") / name / "test").mkdir(parents=True)
    images = {n: Path(f"sets/birds/{n}/0.png").read_bytes() for n in COLOURS}
    for number in range(30):
        rows, pairs = {}, {}
        for i, (name, image) in enumerate(images.items()):
            rows |= {f"{number}-{i}.png": image, f"{number}-{i}.cls": str(i).encode()}
            pairs |= {
                f"{number}-{i}.png": image,
                f"{number}-{i}.txt": f"{name}\na {name} {i}".encode(),
            }
        shard(Path(f"sets/wds_colours/test/{number}.tar"), rows)
        shard(Path(f"sets/wds_pairs/test/{number}.tar"), pairs)
    Path("sets/wds_colours/classnames.txt").write_text("\n".join(COLOURS))
    Path("sets/captions.csv").write_text(
        "image,text\n" + "\n".join(f"birds/{name}/0.png,a {name} bird" for name in COLOURS)
    )
    return tmp_path


def run(*words):
    with flagsaver.flagsaver():
        flags.FLAGS(["evaluate", *words])
        evaluate.main(None, [])


def test_the_command_of_the_page(home, capsys):
    (command,) = re.findall(r"^    mmjax evaluate (.*)$", PAGE, re.MULTILINE)
    run(*shlex.split(command))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["set", "metric", "value", "chance", "examples", "examples/s"]
    found = json.loads(Path("scores.json").read_text())["sets"]
    assert set(found) == {"wds_colours", "wds_pairs"}
    assert found["wds_colours"]["metric"] == "top_1"
    assert found["wds_colours"]["metrics"]["classes"] == 3
    assert found["wds_colours"]["examples"] == 90
    both = found["wds_pairs"]["metrics"]
    recalls = [both["image_to_text/R@1"], both["text_to_image/R@1"]]
    assert found["wds_pairs"]["value"] == pytest.approx(sum(recalls) / 2)
    assert "mean" in lines[-1]


def test_a_suite_of_ones_own(home, capsys):
    code = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "my_suite" in b)
    Path("my_suite.py").write_text(code)
    run("--model=weights/clip", "--suite=my_suite.py", "--sets=sets")
    out = capsys.readouterr().out
    assert re.search(r"^birds +zero_shot mean_per_class +[\d.]+ +0\.3333 +9 ", out, re.MULTILINE)
    assert re.search(r"^captions +retrieval R@1 ", out, re.MULTILINE)
    Path("my_suite.py").write_text(code.replace("mean_per_class", "nothing"))
    with pytest.raises(ConfigError, match=r"METRICS names 'nothing' of birds, which has .*top_1"):
        run("--model=weights/clip", "--suite=my_suite.py", "--sets=sets")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "no function get_suite"),
        ("def get_suite(root): return {}", "finds no set under sets"),
        ("def get_suite(root): return {'zero_shoot': {}}", "did you mean 'zero_shot'"),
        ("def get_suite(root): return {}[root]", "my_suite.py, line 1: KeyError"),
        (
            "def get_suite(root): return {'retrieval': {'a': {'source': {'type': 'emoj'}}}}",
            "did you mean 'emoji'",
        ),
    ],
)
def test_what_is_no_suite(tmp_path, monkeypatch, code, said):
    monkeypatch.chdir(tmp_path)
    Path("my_suite.py").write_text(code)
    with pytest.raises(ConfigError, match=said):
        suite_lib.load("my_suite.py", "sets")


def test_options_that_do_not_go_together():
    with pytest.raises(ConfigError, match="takes neither --config nor --workdir"):
        run("--suite=a.py", "--model=b", "--workdir=c")
    with pytest.raises(ConfigError, match="--model needs --suite"):
        run("--model=b")
