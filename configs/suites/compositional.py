"""Right captions against nearly right ones: SugarCrepe and Winoground, as they are downloaded.

    mmjax evaluate --model=weights/clip --suite=configs/suites/compositional.py --sets=sets

    sets/sugarcrepe/data/add_att.json, ...    github.com/RAIVNLab/sugar-crepe
    sets/sugarcrepe/val2017/000000085329.jpg  images of COCO's validation split of 2017
    sets/winoground/examples.jsonl            facebook/winoground on the Hugging Face Hub
    sets/winoground/images/ex_0_img_0.png

SugarCrepe (Hsieh et al. 2023, arXiv 2306.14610) is told by the share of images that are nearer to
their own caption, Winoground (Thrush et al. 2022, arXiv 2204.03162) by its group score, whose
chance is 1/6. `aro.py` is another suite of this kind.
"""

import json
from pathlib import Path

METRICS = {"winoground": "group"}


def get_suite(root: str) -> dict:
    """The evaluators of the sets under `root`."""
    sets = {}
    for file in sorted(Path(root, "sugarcrepe", "data").glob("*.json")):
        rows = json.loads(file.read_text(encoding="utf-8")).values()
        columns = {
            "image": [str(Path(root, "sugarcrepe", "val2017", row["filename"])) for row in rows],
            "text": [row["caption"] for row in rows],
            "text@wrong": [row["negative_caption"] for row in rows],
        }
        source = dict(type="memory", data=columns, files=("image",), name=file.name)
        sets[f"sugarcrepe-{file.stem}"] = dict(source=source, wrong=("text@wrong",))
    pairs = Path(root, "winoground", "examples.jsonl")
    if pairs.is_file():
        rows = list(map(json.loads, pairs.read_text(encoding="utf-8").splitlines()))
        images = pairs.parent / "images"
        columns = {
            "image": [str(images / f"{row['image_0']}.png") for row in rows],
            "text": [row["caption_0"] for row in rows],
            "image@other": [str(images / f"{row['image_1']}.png") for row in rows],
            "text@other": [row["caption_1"] for row in rows],
        }
        files = ("image", "image@other")
        source = dict(type="memory", data=columns, files=files, name=pairs.name)
        sets["winoground"] = dict(source=source, wrong=("text@other",), counterpart="image@other")
    return {"choice": sets}
