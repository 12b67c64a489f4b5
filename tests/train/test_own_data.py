"""A newcomer's images: the commands and the script of docs/own_data.md, and data with faults."""

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import own_data_files
import pytest
from third_party import needs

from mmjax import recipe as recipe_lib
from mmjax.configs import own_data
from mmjax.data import BadExample, SourceError, inputs
from mmjax.errors import ConfigError
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import trainer
from mmjax.train.evaluation import Evaluation

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "configs" / "own_data.py"
GUIDE = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8")
NUMBER = 80
SMALL = (
    "data.batch_size=16",
    "data.views.image.size=16",
    "steps=9",
    "log_every=1",
    "evaluate_every=0",
    "data.source.val_fraction=0.3",
    "optimizer.warmup_steps=0",
    "model.towers.image.encoder.blocks=(1,)",
    "model.towers.image.encoder.widths=(16,)",
    "model.towers.image.encoder.image_size=(16, 16)",
    "model.towers.image.head.dim=16",
    "model.towers.text.encoder.width=16",
    "model.towers.text.encoder.depth=1",
    "model.towers.text.encoder.heads=2",
    "model.towers.text.head.dim=16",
)


def config(path, *overrides, variant="small"):
    return recipe_lib.load(f"{RECIPE}:{variant}", (*SMALL, f"data.source.path={path}", *overrides))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the guide's script makes, with fewer images."""
    script, *_ = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    monkeypatch.chdir(tmp_path)
    exec(script.replace("NUMBER = 600", f"NUMBER = {NUMBER}"), {})
    return tmp_path / "images"


def rows(folder):
    with open(folder / "captions.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(folder, table):
    with open(folder / "captions.csv", "w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture
def faulty(folder):
    """The same with five faults: the names of the images by fault."""
    table = [{**row, "id": i} for i, row in enumerate(rows(folder))]
    source = config(folder).data.source.build()
    trained = {source[i]["key"].split()[3] for i in range(len(source))}
    names = [row["image"] for row in table if f"({row['image']})" in trained]
    of = {row["image"]: row for row in table}
    of[names[0]]["caption"] = " "
    (folder / names[1]).unlink()
    of[names[3]]["id"] = of[names[2]]["id"]
    (folder / names[4]).write_bytes((folder / names[4]).read_bytes()[:150])
    (folder / names[5]).write_text("no image")
    write(folder, table)
    return dict(zip(("caption", "missing", "first", "twice", "cut", "text"), names, strict=False))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the data, and the recipe, that the guide's commands name."""
    home = tmp_path_factory.mktemp("home")
    own_data_files.make(home)
    script = next(
        block for block in re.findall(r"```python\n(.*?)```", GUIDE, re.S) if "films" in block
    )
    (home / "films.py").write_text(script)
    return home


COMMANDS = list(dict.fromkeys(re.findall(r"^    mmjax train (.*)$", GUIDE, re.M)))
# What the data of a variant need beside the package.
PACKAGES = {"ecg": "wfdb", "sounds": "soundfile", "films.py": "soundfile"}
# Whose training is not left to the slow tests.
TRAINED = ("own_data:pairs", "own_data:classes")
LITTLE = {"resnet": {"blocks": (1,), "widths": (8,)}, "cnn14": {"widths": (8,)}}
for transformer in ("text_transformer", "frame_transformer"):
    LITTLE[transformer] = {"width": 16, "depth": 1, "heads": 2}


def given(command, *more):
    """The recipe of a command of the guide, with a few steps and data enough."""
    path, *flags = shlex.split(command)
    if package := PACKAGES.get(path.partition(":")[2] or path):
        needs(package)
    assert all(flag.startswith("--config.") for flag in flags)
    overrides = [flag.removeprefix("--config.") for flag in flags]
    held_out = "data.source.val_fraction=0.4"  # of few files
    if any("val_fraction" in each or each == "data.source.type=series" for each in overrides):
        held_out = "log_every=1"
    return recipe_lib.load(path, [held_out, *overrides, "data.batch_size=16", "steps=2", *more])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_data_of_every_command_of_the_guide_can_be_used(command, home, monkeypatch):
    monkeypatch.chdir(home)
    config, mesh = given(command), mesh_lib.make_mesh()
    data = inputs.train_data(config.data, None, mesh, seed=0)
    assert not len(data.report)
    batch = data[0]
    for name, own in batch.items():
        assert own.all() if name.endswith("_present") else len(own) == 16
    for view in config.data.views:  # of different rows, different things
        assert len(np.unique(batch[view], axis=0)) > (1 if view == "label" else 3)
    assert config.evaluators
    Evaluation(config, mesh)  # which checks every evaluator on its data


def train(command, folder):
    little = {
        f"model.towers.{name}.encoder.{key}={value}"
        for name, tower in given(command).model.towers.items()
        for key, value in LITTLE.get(tower.encoder.type, {}).items()
        if command.startswith("own_data")  # other recipes are small, and name these sizes again
    }
    summary = trainer.train(given(command, *little), folder, quiet=False)
    assert summary["step"] == 2
    assert np.isfinite(summary["train/loss"])
    assert (folder / "report.html").stat().st_size > 20_000
    return summary


@pytest.mark.long
@pytest.mark.parametrize("variant", TRAINED)
def test_a_command_of_the_guide_trains_and_reports(variant, home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    summary = train(next(each for each in COMMANDS if each.startswith(variant)), tmp_path / "run")
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "warm-up  0 steps: optimizer.warmup_steps=50 would fill the run" in log
    if variant == "own_data:pairs":
        assert summary["retrieval/held_out/image_to_image@second/queries"] > 10
    if variant == "own_data:classes":
        assert summary["zero_shot/class/classes"] == summary["knn/class/classes"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_trains(command, home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    train(command, tmp_path / "run")


def test_options_and_variants_of_the_guide_are_there(home):
    options = re.findall(r"`--config\.(\S+=\S+?)`", GUIDE)
    assert len(options) >= 5
    recipe_lib.load(str(RECIPE), [o for o in options if "id_co" not in o and "ecg" not in o])
    named = set(re.findall(r"own_data:(\w+)", GUIDE))
    assert named == set(own_data.get_config.variants) - {"small"}  # which own_data means


def test_faults_are_skipped_counted_and_named_to_the_page(faulty, folder):
    run = folder.parent / "run"
    path = folder / "captions.csv"
    summary = trainer.train(config(path, "data.source.id_column=id", variant="table"), run)
    held_out = summary["retrieval/held_out/image_to_text/queries"]
    assert 10 <= held_out < NUMBER / 2
    assert summary["step"] == 9
    found = [json.loads(line) for line in (run / "bad_rows.jsonl").read_text().splitlines()]
    named = {re.search(r"\((.*)\)", row["key"])[1]: (row["field"], row["reason"]) for row in found}
    # Listed at once; the damaged ones are met when their turn comes: 9 x 16 are three passes.
    assert named[faulty["caption"]] == ("text", "the caption is empty")
    assert "does not exist" in named[faulty["missing"]][1]
    assert named[faulty["twice"]][0] == "id"
    assert "damaged or cut off" in named[faulty["cut"]][1]
    assert named[faulty["text"]][0] == "image"
    assert len(found) == 5
    log = (run / "log.txt").read_text()
    assert "5 bad examples" in log
    page = (run / "report.html").read_text()
    for row in found:
        assert row["key"] in page


def test_faults_end_the_run_where_the_config_says_so(faulty, folder):
    mesh = mesh_lib.make_mesh()
    fatal = config(folder, "data.on_error=fail")
    with pytest.raises(SourceError, match=r"data\.source: 2 of .*caption is empty.*not exist"):
        inputs.train_data(fatal.data, None, mesh, seed=fatal.seed)

    table = rows(folder)
    gone = (faulty["caption"], faulty["missing"])
    write(folder, [row for row in table if row["image"] not in gone])
    data = inputs.train_data(fatal.data, None, mesh, seed=fatal.seed)
    with pytest.raises(BadExample, match=f"{faulty['cut']}|{faulty['text']}"):
        list(map(data.__getitem__, range(8)))


def test_text_files_and_a_table_elsewhere_are_the_same_examples(folder):
    expected = config(folder).data.source.build()
    table = rows(folder)
    (folder / "captions.csv").unlink()
    lines = [
        json.dumps({"file_name": f"images/{r['image']}", "caption": [r["caption"]]}) for r in table
    ]
    (folder.parent / "all.jsonl").write_text("\n".join(lines))
    jsonl = config(folder.parent / "all.jsonl", variant="table").data.source
    for row in table:
        (folder / row["image"]).with_suffix(".txt").write_text(row["caption"] + "\n")
    sidecar = config(folder).data.source

    def pairs(source):
        return {(r["image"], r["text"]) for r in map(source.__getitem__, range(len(source)))}

    beside = sidecar.build()
    assert pairs(beside) == pairs(expected)
    assert "the .txt file beside each image" in beside.describe()
    whole = jsonl.changed(split="all").build()
    assert len(whole) == NUMBER
    assert pairs(beside) < pairs(whole)

    (folder / "000.txt").write_text("\n")
    (folder / "001.txt").unlink()
    bad = {error.key: error.reason for error in sidecar.build().bad}
    assert bad.keys() == {"000.png", "001.png"}
    assert bad["000.png"] == "000.txt holds no caption"


def test_too_few_held_out_pictures_are_known_before_training(folder, tmp_path):
    few = config(folder, "data.source.val_fraction=0.05")
    with pytest.raises(ConfigError, match=r"geometry\.held_out\.source' has \d examples, and geom"):
        trainer.train(few, tmp_path / "run", quiet=True)
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))
