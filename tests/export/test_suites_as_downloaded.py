"""Suites of single sets, on files in the layout of their release, by the commands of the page."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from ecg_files import CODES, ptb_xl
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import jaccard_score, roc_auc_score
from third_party import needs

import mmjax
from mmjax import evaluate
from mmjax import recipe as recipe_lib
from mmjax.commands import suite as suite_lib
from mmjax.data.formats.signal import Signal
from mmjax.train import trainer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")
SUPERCLASSES = ({"NORM"}, {"MI"}, {"STTC", "HYP"}, {"CD"}, {"HYP"}, set())  # of ecg_files.CODES


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with configs, and the folders weights and sets."""
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    Path("weights").mkdir()
    Path("sets").mkdir()
    return tmp_path


def measured(suite):
    """What the page's command for a suite finds, by set."""
    commands = re.findall(r"^    mmjax evaluate (.*)$", PAGE, re.MULTILINE)
    (command,) = (each for each in commands if f"suites/{suite}.py" in each)
    with flagsaver.flagsaver():
        flags.FLAGS(["evaluate", *shlex.split(command)])
        evaluate.main(None, [])
    return json.loads(Path(f"{suite}.json").read_text())["sets"]


def noise(seed, size=(40, 30)):
    return np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)


def test_aro_is_of_boxes_and_told_by_the_mean_over_groups(home, run_of):
    shutil.copytree(run_of("clip"), "weights/clip")
    images = home / "sets/aro/images"
    images.mkdir(parents=True)
    rng, rows, pairs = np.random.default_rng(0), [], []
    for n in range(6):
        Image.fromarray(noise(n)).save(images / f"{n}.png")
    for n in range(80):
        x, y = (int(each) for each in rng.integers(0, 10, 2))
        row = {"image_id": str(n), "image_path": f"{n % 6}.png",
               "bbox_x": x, "bbox_y": y, "bbox_w": 30 - x, "bbox_h": 20 - y}  # fmt: skip
        first, second = f"dog {n % 7}", f"cat {n % 5}"
        name = ("on", "next to", "holding")[n % 3]
        captions = ("true_caption", "false_caption")
        exchanged = (f"{first} is {name} {second}", f"{second} is {name} {first}")
        rows.append({**row, "relation_name": name, **dict(zip(captions, exchanged, strict=True))})
        two = ["red", "old"] if n < 26 else ["blue", "wet"] if n < 52 else ["tall", f"kind{n % 9}"]
        exchanged = (f"{two[0]} {first} and {second}", f"{two[1]} {first} and {second}")
        pairs.append({**row, "attributes": two, **dict(zip(captions, exchanged, strict=True))})
    Path("sets/aro/visual_genome_relation.json").write_text(json.dumps(rows))
    Path("sets/aro/visual_genome_attribution.json").write_text(json.dumps(pairs))
    found = measured("aro")
    assert {name: (each["metric"], each["examples"]) for name, each in found.items()} == {
        "aro-relation": ("macro", 53),  # without those that are next to each other
        "aro-attribution": ("macro", 80),
    }
    model = mmjax.load("weights/clip")
    for name, listed in (("relation", rows), ("attribution", pairs)):
        groups = {}
        for row in listed:
            x, y, w, h = (row[f"bbox_{key}"] for key in "xywh")
            pixels = np.asarray(Image.open(images / row["image_path"]))[y : y + h, x : x + w]
            v = model.encode(image=[pixels])[0]
            right, wrong = model.encode(text=[row["true_caption"], row["false_caption"]])
            group = row.get("relation_name") or "_".join(row["attributes"])
            groups.setdefault(group, []).append(float(v @ right > v @ wrong))
        groups.pop("next to", None)
        if name == "attribution":
            groups = {group: hits for group, hits in groups.items() if len(hits) >= 25}
        assert len(groups) == 2
        metrics = found[f"aro-{name}"]["metrics"]
        shares = {group: np.mean(hits) for group, hits in groups.items()}
        assert {group: metrics[f"{group}/accuracy"] for group in groups} == pytest.approx(shares)
        assert found[f"aro-{name}"]["value"] == pytest.approx(np.mean(list(shares.values())))
        assert sum("/accuracy" in metric for metric in metrics) == 2


def test_winogavil_is_the_mean_jaccard_index_of_cues(home, run_of):
    shutil.copytree(run_of("clip"), "weights/clip")
    images = home / "sets/winogavil/winogavil_images"
    images.mkdir(parents=True)
    names = [f"thing {n}" for n in range(14)]
    for n, name in enumerate(names):
        Image.fromarray(noise(n)).save(images / f"{name}.jpg")
    lines, rows = ["candidates,cue,associations,num_associations,ID"], []
    rng = np.random.default_rng(1)
    for n, cue in enumerate(("Orange", "pogonophile", "ice cream", "moon", "hum")):
        candidates = [names[i] for i in rng.permutation(14)[: (5, 6, 10, 12, 5)[n]]]
        right = candidates[1 : 3 + n % 2]
        rows.append((cue, candidates, right))
        cells = [json.dumps(each).replace('"', '""') for each in (candidates, right)]
        lines.append(f'"{cells[0]}",{cue},"{cells[1]}",{len(right)},{n}')
    Path("sets/winogavil/winogavil_dataset.csv").write_text("\n".join(lines))
    found = measured("winogavil")["winogavil"]
    assert (found["metric"], found["examples"]) == ("jaccard", 5)
    model, scores = mmjax.load("weights/clip"), []
    for cue, candidates, right in rows:
        article = "An" if cue[0] in "Oi" else "A"
        text = model.encode(text=[f"{article} {cue.lower()}"])[0]
        files = [(images / f"{name}.jpg").read_bytes() for name in candidates]
        order = np.argsort(model.encode(image=files) @ text)[-len(right) :]
        taken = np.isin(np.arange(len(candidates)), order)
        scores.append(jaccard_score(np.isin(candidates, right), taken))
    assert found["value"] == pytest.approx(np.mean(scores))
    assert found["metrics"]["5/jaccard"] == pytest.approx((scores[0] + scores[4]) / 2)


@pytest.fixture(scope="module")
def ecg_run(tmp_path_factory):
    """A run of two steps on synthetic ECGs, whose view takes a second of a record."""
    ecg = dict(type="signal_resnet", channels=12, channels_first=True, stem="patch", patch=4)
    ecg |= dict(blocks=(1, 1), widths=(8, 16))
    text = dict(type="text_transformer", vocab_size=8000, length=16, width=16, depth=1, heads=2)
    head = dict(type="linear", dim=12)
    tree = dict(
        recipe="tiny", variant="small", paper="none", steps=2, evaluators={},
        data=dict(
            source=dict(type="ecg_reports", examples=16), batch_size=8,
            views=dict(
                ecg=dict(type="ecg", length=100, rate=100.0), text=dict(type="text", length=16)
            ),
            tokenizer=dict(type="sentencepiece", path="emoji_8k"),
        ),
        model=dict(towers=dict(ecg=dict(encoder=ecg, head=head),
                               text=dict(encoder=text, head=head))),
        objectives=dict(loss=dict(type="info_nce", pairs=(("ecg", "text"),))),
        optimizer=dict(learning_rate=1e-2),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "ecg"
    trainer.train(recipe_lib.complete(tree, "tiny"), folder, quiet=True)
    return folder


def test_ptb_xl_is_told_by_auroc_zero_shot_and_by_a_probe(home, ecg_run):
    wfdb = needs("wfdb")
    shutil.copytree(ecg_run, "weights/ecg")
    ptb_xl(home / "sets/ptb-xl", rows=120)
    found = measured("ptb_xl")
    assert {name: (each["metric"], each["examples"]) for name, each in found.items()} == {
        "ptb-xl-zero-shot": ("AUROC", 10),
        "ptb-xl-probe": ("AUROC", 10),
    }
    suite = suite_lib.load("configs/suites/ptb_xl.py", "sets")
    prompts = suite.evaluators["multilabel"]["ptb-xl-zero-shot"].evaluator.options["prompts"]
    model, names = mmjax.load("weights/ecg"), sorted(prompts)
    signals, folds, truth = [], [], []
    for number in range(1, 121):
        classes = SUPERCLASSES[number % len(CODES)]
        if classes:
            record = wfdb.rdrecord(f"sets/ptb-xl/records500/00000/{number:05}_hr")
            signals.append(Signal(record.p_signal.astype(np.float32), 500.0))
            folds.append((number - 1) // 6 % 10 + 1)
            truth.append([name in classes for name in names])
    folds, truth = np.array(folds), np.array(truth)
    unit = model.encode(ecg=signals)
    texts = model.encode(text=[prompts[name][0] for name in names])
    expected = roc_auc_score(truth[folds == 10], (unit @ texts.T)[folds == 10])
    assert found["ptb-xl-zero-shot"]["value"] == pytest.approx(expected)

    x = np.asarray(model.embed("ecg", model.prepare("ecg", signals), "encoder"), np.float64)
    train = folds < 9
    x = (x - x[train].mean(0)) / (x[train].std(0) + 1e-6)

    def area(c, fold):
        scores = [
            LogisticRegression(C=c, tol=1e-8, max_iter=2000).fit(x[train], y).decision_function(x)
            for y in truth[train].T
        ]
        return roc_auc_score(truth[folds == fold], np.transpose(scores)[folds == fold])

    probe = found["ptb-xl-probe"]
    penalties = suite.evaluators["probe"]["ptb-xl-probe"].evaluator.options["c"]
    assert probe["metrics"]["c"] == max(penalties, key=lambda c: area(c, 9))
    assert probe["value"] == pytest.approx(area(probe["metrics"]["c"], 10), abs=0.02)
