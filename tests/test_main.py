"""The main job from the command line, whole: what is shown and which files it leaves."""

import json
import math
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from mmjax import main
from mmjax import recipe as recipe_lib
from mmjax.errors import ConfigError
from mmjax.report.results import SPEED


@pytest.mark.smoke
def test_a_run_says_what_it_is_and_ends_with_a_table(finished_run):
    _, _, folder, said = finished_run
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert "clip_uniform:small" in lines["recipe"]
    assert re.fullmatch(r"clip_uniform-\d{8}-\d{6}", folder.name)
    assert f"runs/{folder.name}" in lines["folder"]
    assert "8 x cpu in 1 process(es), mesh data 8 x fsdp 1 x tensor 1" in lines["devices"]
    assert "towers in float32" in lines["devices"]
    assert re.search(r"parameters  [\d,]+: image [\d,]+, text [\d,]+, objectives 0$", said, re.M)
    assert "12 steps of 64" in lines["training"]
    assert f"ln(64) = {math.log(64):.3f}" in lines["chance"]
    assert re.search(r"step 12/12  loss \S+  lr \S+  examples/s \d+  data wait \d+%", said)
    for term in ("clip", "uniformity", "alignment", "cross_uniformity"):  # a sum says little
        assert re.search(rf"step 12/12 .*  {term} -?\d\.\d{{3}}", said), term
    assert "R@1" in said
    assert "report.html" in said
    assert "imported: set()" in said  # neither TensorFlow nor PyTorch
    assert (folder / "log.txt").read_text().count("step 12/12") == 1


def test_its_metrics_are_written_as_lines_and_for_tensorboard(finished_run):
    folder = finished_run[2]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    train = [row for row in rows if "train/loss" in row]
    assert [row["step"] for row in train] == [4, 8, 12]
    for name in (
        "loss",
        "clip/loss",
        "uniformity/loss",
        "cross_uniformity/loss",
        "alignment/loss",
        "learning_rate",
        "examples_per_second",
        "gradient_norm/image",
    ):
        assert all(np.isfinite(row[f"train/{name}"]) for row in train), name
    evaluation = [row for row in rows if "train/loss" not in row]
    assert [row["step"] for row in evaluation] == [12]

    board = {}
    (file,) = folder.glob("events.out.tfevents.*")
    for event in events(file.read_bytes()):
        for value in event.summary.value:
            board[value.tag, event.step] = value.simple_value
    written = {(name, row["step"]): v for row in rows for name, v in row.items() if name != "step"}
    assert board.keys() == written.keys()
    for key, value in written.items():
        np.testing.assert_allclose(board[key], value, rtol=1e-6)


def events(data):
    """The records of a TFRecord file: length, its checksum, data, its checksum."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def test_its_summary_holds_every_final_metric_by_name(finished_run):
    folder = finished_run[2]
    summary = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    trained, evaluated = rows[-2:]
    assert trained["step"] == evaluated["step"] == summary["step"] == 12
    speed = {f"train/{name}" for name in SPEED}
    expected = {name: value for name, value in trained.items() if name not in speed} | evaluated
    assert summary == {**expected, "seconds": summary["seconds"]}
    assert 0 < summary["seconds"] < 600
    for name in (
        "retrieval/new_concepts/image_to_text/R@1",
        "retrieval/new_concepts/text_to_image/R@10",
        "retrieval/new_concepts/image_to_text/median_rank",
        "retrieval/new_concepts/image_to_text/mAP",
        "zero_shot/group/top_1",
        "zero_shot/group/top_5",
        "geometry/new_concepts/centroid_distance",
        "geometry/new_concepts/linear_separability",
        "geometry/new_concepts/effective_rank/image",
    ):
        assert math.isfinite(summary[name]), name
    assert summary["retrieval/new_concepts/image_to_text/gallery"] > 100


def test_its_report_is_one_page_that_needs_nothing_else(finished_run):
    page = (finished_run[2] / "report.html").read_text(encoding="utf-8")
    assert "retrieval/new_concepts" in page or "new_concepts" in page
    assert page.count("data:image/") > 10  # thumbnails of the gallery
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", page)


def test_its_folder_holds_the_whole_config_and_a_checkpoint(finished_run):
    recipe, overrides, folder, _ = finished_run
    stored = (folder / "config.json").read_text(encoding="utf-8")
    assert stored == recipe_lib.dump(recipe_lib.load(recipe, overrides))
    assert [p.name for p in (folder / "checkpoints").iterdir() if p.name.isdigit()] == ["12"]


def test_another_config_in_its_folder_is_refused_with_the_keys(finished_run, set_flags):
    recipe, overrides, folder, _ = finished_run
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    set_flags(workdir=folder)
    with pytest.raises(ConfigError) as error:
        main.main(recipe, [*overrides, "seed=1", "optimizer.learning_rate=0.01"])
    assert str(error.value).startswith(f"{folder} holds a run of another config (")
    assert "(optimizer.learning_rate: 0.001 -> 0.01; seed: 0 -> 1)" in str(error.value)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_flags_that_need_another(set_flags):
    set_flags()
    with pytest.raises(ConfigError, match=r"^no recipe given: --config="):
        main.main(None, [])
    set_flags(memory_gb=16)
    with pytest.raises(ConfigError, match=r"^--memory_gb needs --dry_run$"):
        main.main(str(Path(__file__).parents[1] / "configs" / "clip.py"), [])


def test_another_checkpoint_to_resume_at_is_refused(set_flags):
    set_flags(checkpoint="best")
    with pytest.raises(ConfigError, match="--checkpoint=best: give latest or previous"):
        main.main("clip_uniform", [])
