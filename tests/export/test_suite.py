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

import mmjax
from mmjax import evaluate
from mmjax.commands import suite as suite_lib
from mmjax.data.records import BadExample
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
    command, *_ = re.findall(r"^    mmjax evaluate (.*)$", PAGE, re.MULTILINE)
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


def test_the_suites_of_captions_and_of_imagenets_classes(home, capsys):
    """In the layouts that they are downloaded in."""
    for name in ("val2017", "data"):
        Path("sets/sugarcrepe", name).mkdir(parents=True)
    Path("sets/winoground/images").mkdir(parents=True)
    Path("sets/xm3600/images").mkdir(parents=True)
    for number, colour in enumerate(COLOURS.values()):
        Image.new("RGB", (20, 30), colour).save(f"sets/sugarcrepe/val2017/{number}.jpg")
        Image.new("RGB", (20, 30), colour).save(f"sets/xm3600/images/{number}.jpg")
        for side in range(2):
            Image.new("RGB", (9, 9 + side), colour).save(
                f"sets/winoground/images/ex_{number}_img_{side}.png"
            )
    pair = {"caption": "a red square", "negative_caption": "a blue square"}
    rows = {str(n): {"filename": f"{n}.jpg", **pair} for n in range(3)}
    Path("sets/sugarcrepe/data/swap_att.json").write_text(json.dumps(rows))
    lines = [
        {"id": n, "image_0": f"ex_{n}_img_0", "image_1": f"ex_{n}_img_1",
         "caption_0": "red on blue", "caption_1": "blue on red"}
        for n in range(3)
    ]  # fmt: skip
    Path("sets/winoground/examples.jsonl").write_text("\n".join(map(json.dumps, lines)))
    lines = [
        {"image/key": str(n), "image/locale": "de", "de": {"caption": ["rot", f"Farbe {n}"]},
         "fil": {"caption": [f"kulay {n}"]}}
        for n in range(3)
    ]  # fmt: skip
    Path("sets/xm3600/captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Path("sets/imagenet_classes.tsv").write_text("n01\tred\nn02\tgreen\nn03\tblue\n")
    for folder, classes in (("imagenet-a", ("n01", "n03")), ("imagenetv2-x", ("0", "1", "2"))):
        for each, colour in zip(classes, COLOURS.values(), strict=False):
            Path("sets", folder, each).mkdir(parents=True)
            for n in range(2):
                Image.new("RGB", (20 + n, 30), colour).save(f"sets/{folder}/{each}/{n}.JPEG")
    found = {}
    for suite in ("compositional", "crossmodal_3600", "imagenet"):
        run("--model=weights/clip", f"--suite=configs/suites/{suite}.py", "--sets=sets",
            "--out=found.json")  # fmt: skip
        found |= json.loads(Path("found.json").read_text())["sets"]
    assert {name: (each["metric"], each["examples"]) for name, each in found.items()} == {
        "sugarcrepe-swap_att": ("accuracy", 3),
        "winoground": ("group", 3),
        "xm3600-de": ("R@1", 3),
        "xm3600-fil": ("R@1", 3),
        "imagenet-a": ("top_1", 4),
        "imagenetv2-x": ("top_1", 6),
    }
    model = mmjax.load("weights/clip")
    images = [Path(f"sets/sugarcrepe/val2017/{n}.jpg").read_bytes() for n in range(3)]
    right, wrong = model.encode(text=list(pair.values()))
    nearer = model.encode(image=images) @ (right - wrong) > 0
    assert found["sugarcrepe-swap_att"]["value"] == pytest.approx(nearer.mean())
    assert found["imagenet-a"]["metrics"]["classes"] == 2
    assert found["imagenetv2-x"]["metrics"]["classes"] == 3


def test_the_suite_of_sounds_finds_its_sets(tmp_path):
    """Of sounds that are no WAV files, since nothing reads them here."""
    for folder in ("ESC-50/meta", "ESC-50/audio", "clotho/evaluation", "audiocaps/test"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ESC-50/meta/esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-1-A-0.wav,1,0,dog,True,1,A\n1-2-A-14.wav,1,14,chirping_birds,False,2,A\n"
    )
    for name in ("1-1-A-0", "1-2-A-14"):
        (tmp_path / f"ESC-50/audio/{name}.wav").write_bytes(b"RIFF")
    captions = ",".join(f"caption_{n}" for n in range(1, 6))
    (tmp_path / "clotho/clotho_captions_evaluation.csv").write_text(
        f"file_name,{captions}\nrain on tin.wav,a,b,c,d,e\n"
    )
    (tmp_path / "clotho/evaluation/rain on tin.wav").write_bytes(b"RIFF")
    (tmp_path / "audiocaps/test.csv").write_text(
        "audiocap_id,youtube_id,start_time,caption\n1,x-y,3,a dog\n2,x-y,3,barking\n3,z,0,rain\n"
    )
    suite = suite_lib.load(str(ROOT / "configs/suites/sounds.py"), str(tmp_path))
    esc = suite.evaluators["zero_shot"]["esc50"]
    assert esc.evaluator.options["prompts"]["chirping_birds"] == (
        "This is a sound of chirping birds.",
    )
    sources = {name: each.sources["source"].build() for name, each in
               {"esc50": esc, **suite.evaluators["retrieval"]}.items()}  # fmt: skip
    assert {name: len(each) for name, each in sources.items()} == {
        "esc50": 2,
        "clotho": 1,
        "audiocaps": 2,
    }
    (tmp_path / "audiocaps/test/x-y.wav").write_bytes(b"RIFF")
    assert sources["audiocaps"][0]["audio"] == b"RIFF"
    with pytest.raises(BadExample, match=r"row 1: audio: the file .*z.wav does not exist"):
        sources["audiocaps"][1]
    assert len(sources["clotho"][0]["text"]) == 5
    assert sources["audiocaps"][0]["text"] == ("a dog", "barking")


def test_options_that_do_not_go_together():
    with pytest.raises(ConfigError, match="takes neither --config nor --workdir"):
        run("--suite=a.py", "--model=b", "--workdir=c")
    with pytest.raises(ConfigError, match="--model needs --suite"):
        run("--model=b")
