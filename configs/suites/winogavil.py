"""WinoGAViL: which of several images are associated with a cue, as the Hugging Face Hub has it.

    mmjax evaluate --model=weights/clip --suite=configs/suites/winogavil.py --sets=sets

    sets/winogavil/winogavil_dataset.csv   nlphuji/winogavil on the Hugging Face Hub
    sets/winogavil/winogavil_images/*.jpg  its winogavil_images.zip, unpacked

Bitton et al. 2022 (arXiv 2207.12576): as many images as are right are chosen by their cosines with
the cue, and a cue is told by the Jaccard index. The set's value is the mean over all cues, and the
prompt is "A <cue>" or "An <cue>", both as in DataComp's evaluation (Gadre et al. 2023, arXiv
2304.14108); `scores.json` has the means of cues with 5, 6, 10 and 12 images, too.
"""

import csv
import json
from pathlib import Path


def get_suite(root: str) -> dict:
    """The evaluator of the set, where its table is there."""
    table = Path(root, "winogavil", "winogavil_dataset.csv")
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    candidates = [json.loads(row["candidates"]) for row in rows]
    right = [
        [name in json.loads(row["associations"]) for name in names]
        for row, names in zip(rows, candidates, strict=True)
    ]
    images = table.parent / "winogavil_images"
    columns = {
        "image": [[str(images / f"{name}.jpg") for name in names] for names in candidates],
        "text": [prompt(row["cue"]) for row in rows],
    }
    source = dict(
        type="memory", data=columns, labels={"right": right}, files=("image",), name=table.name
    )
    return {"selection": {"winogavil": dict(source=source)}}


def prompt(cue: str) -> str:
    """A cue with its article."""
    return f"{'An' if cue[:1].lower() in set('aeiou') else 'A'} {cue.lower()}"
