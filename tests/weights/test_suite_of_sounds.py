"""The suite of sounds measures a CLAP on sets in the layouts of their releases."""

import json
import re
import shlex
import wave
from pathlib import Path

import numpy as np
import pytest
import weights_folders as folders
from absl import flags
from absl.testing import flagsaver

import mmjax
from mmjax import evaluate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "suites.md").read_text(encoding="utf-8")


def sound(file, seed):
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 2000, 0, "NONE", ""))  # mono, 16 bits, 2 kHz
        noise = np.random.default_rng(seed).normal(size=1000 + 200 * seed)
        out.writeframes((3000 * noise).astype("<i2").tobytes())
    return file.read_bytes()


@pytest.fixture
def sets(tmp_path, monkeypatch):
    """Sounds of ESC-50, Clotho and AudioCaps, of which one clip is gone."""
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    folders.whole_folder("clap", tmp_path / "weights" / "clap")
    root = tmp_path / "sets"
    for folder in ("ESC-50/meta", "ESC-50/audio", "clotho/evaluation", "audiocaps/test"):
        (root / folder).mkdir(parents=True)
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    names = ("dog", "chirping_birds", "rain", "dog", "rain", "chirping_birds")
    for i, name in enumerate(names):
        sound(root / f"ESC-50/audio/{i}.wav", i)
        rows.append(f"{i}.wav,1,{i % 3},{name},False,1,A")
    (root / "ESC-50/meta/esc50.csv").write_text("\n".join(rows) + "\n")
    rows = ["file_name," + ",".join(f"caption_{n}" for n in range(1, 6))]
    for i in range(4):
        sound(root / f"clotho/evaluation/{i}.wav", 10 + i)
        rows.append(f"{i}.wav," + ",".join(f"thing {i} {n}" for n in range(5)))
    (root / "clotho/clotho_captions_evaluation.csv").write_text("\n".join(rows) + "\n")
    rows = ["audiocap_id,youtube_id,start_time,caption"]
    for i in range(4):
        if i != 2:
            sound(root / f"audiocaps/test/y{i}.wav", 20 + i)
        rows += [f"{2 * i},y{i},0,first {i}", f"{2 * i + 1},y{i},0,second {i}"]
    (root / "audiocaps/test.csv").write_text("\n".join(rows) + "\n")
    return root


def test_by_the_command_of_the_page(sets, capsys):
    (command,) = re.findall(r"^    mmjax evaluate (.*suites/sounds\.py.*)$", PAGE, re.MULTILINE)
    with flagsaver.flagsaver():
        flags.FLAGS(["evaluate", *shlex.split(command)])
        evaluate.main(None, [])
    said = capsys.readouterr().out
    found = json.loads(Path("sounds.json").read_text())["sets"]
    assert {"esc50", "clotho", "audiocaps"} <= {name.split("/")[-1] for name in found}

    model = mmjax.load("weights/clap")
    kinds = ["chirping_birds", "dog", "rain"]
    prompts = [f"This is a sound of {name.replace('_', ' ')}." for name in kinds]
    files = [(sets / f"ESC-50/audio/{i}.wav").read_bytes() for i in range(6)]
    best = (model.encode(audio=files) @ model.encode(text=prompts).T).argmax(1)
    right = [kinds.index(n) for n in ("dog", "chirping_birds", "rain", "dog", "rain")] + [0]
    assert found["esc50"]["value"] == pytest.approx(np.mean(best == right))

    heard = model.encode(
        audio=[(sets / f"clotho/evaluation/{i}.wav").read_bytes() for i in range(4)]
    )
    texts = model.encode(text=[f"thing {i} {n}" for i in range(4) for n in range(5)])
    nearest = (heard @ texts.T).argmax(1) // 5
    assert found["clotho"]["value"] == pytest.approx(np.mean(nearest == np.arange(4)))
    assert re.search(r"^audiocaps +retrieval R@1 .* 4 ", said, re.MULTILINE)
    found = found["audiocaps"]["metrics"]
    assert (found["audio_to_text/queries"], found["audio_to_text/gallery"]) == (3, 6)
    assert found["unreadable"] > 0
