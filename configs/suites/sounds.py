"""Sounds: ESC-50 by class names, and captions of Clotho, as they are downloaded.

    mmjax evaluate --model=weights/clap --suite=configs/suites/sounds.py --sets=sets

    sets/ESC-50/meta/esc50.csv, audio/1-100032-A-0.wav, ...       github.com/karolpiczak/ESC-50
    sets/clotho/clotho_captions_evaluation.csv, evaluation/*.wav  zenodo.org/records/4783391
    sets/audiocaps/test.csv, test/*.wav

Of ESC-50 all five folds are classified, as zero-shot models are (Piczak 2015; Elizalde et al. 2023,
CLAP, arXiv 2206.04769, whose prompt it is). AudioCaps has no files of its own: name each
`<youtube_id>.wav`, beside the table of its repository (audiocap_id, youtube_id, start_time,
caption); clips that are gone are left out and counted.
"""

import csv
from pathlib import Path

BOTH_WAYS = dict(pairs=(("audio", "text"),), alternatives="all")


def get_suite(root: str) -> dict:
    """The evaluators of the sets under `root`."""
    classified, searched = {}, {}
    table = Path(root, "ESC-50", "meta", "esc50.csv")
    if table.is_file():
        source = dict(
            type="manifest",
            path=str(table),
            root=str(table.parents[1] / "audio"),
            columns={"audio": "filename"},
            labels={"label": "category"},
        )
        with table.open(encoding="utf-8", newline="") as file:
            names = sorted({row["category"] for row in csv.DictReader(file)})
        prompts = {name: (f"This is a sound of {name.replace('_', ' ')}.",) for name in names}
        classified["esc50"] = dict(source=source, labels="label", modality="audio", prompts=prompts)
    table = Path(root, "clotho", "clotho_captions_evaluation.csv")
    if table.is_file():
        source = dict(
            type="manifest",
            path=str(table),
            root=str(table.parent / "evaluation"),
            columns={"audio": "file_name", "text": [f"caption_{n}" for n in range(1, 6)]},
        )
        searched["clotho"] = dict(source=source, **BOTH_WAYS)
    table = Path(root, "audiocaps", "test.csv")
    if table.is_file():
        captions: dict[str, list[str]] = {}
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                sound = str(table.parent / "test" / f"{row['youtube_id']}.wav")
                captions.setdefault(sound, []).append(row["caption"])
        columns = {"audio": list(captions), "text": list(captions.values())}
        source = dict(type="memory", data=columns, files=("audio",), name="audiocaps")
        searched["audiocaps"] = dict(source=source, **BOTH_WAYS)
    return {"zero_shot": classified, "retrieval": searched}
