"""Crossmodal-3600: images and captions in 36 languages, searched in each, both ways.

    mmjax evaluate --model=weights/siglip2 --suite=configs/suites/crossmodal_3600.py --sets=sets

    sets/xm3600/captions.jsonl, images/000411001ff7dd4f.jpg, ...  google.github.io/crossmodal-3600

Each language is a set of its own; the last line of the table is their mean (Thapliyal et al. 2022,
arXiv 2205.12522).
"""

import json
from pathlib import Path


def get_suite(root: str) -> dict:
    """The evaluators of the languages that captions.jsonl has."""
    folder = Path(root, "xm3600")
    if not (folder / "captions.jsonl").is_file():
        return {}
    lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = list(map(json.loads, lines))
    captions = {}
    for row in rows:
        image = str(folder / "images" / f"{row['image/key']}.jpg")
        for language, found in row.items():
            if isinstance(found, dict) and found.get("caption"):
                captions.setdefault(language, []).append((image, found["caption"]))
    return {
        "retrieval": {
            f"xm3600-{language}": dict(
                source=dict(
                    type="memory",
                    data={"image": [i for i, _ in pairs], "text": [t for _, t in pairs]},
                    files=("image",),
                    name=f"xm3600 {language}",
                ),
                pairs=(("image", "text"),),
                alternatives="all",
            )
            for language, pairs in sorted(captions.items())
        }
    }
