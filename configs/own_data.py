"""CLIP trained from scratch on your own data: images, sounds, signals and their captions.

    mmjax train own_data --config.data.source.path=images             # images and captions
    mmjax train own_data:table --config.data.source.path=captions.csv
    mmjax train own_data:classes --config.data.source.path=classes    # a sub-folder for each class
    mmjax train own_data:sounds --config.data.source.path=sounds      # also video, points, series
    mmjax train own_data:ecg --config.data.source.path=records.csv    # WFDB records and reports
    mmjax train own_data:pairs --config.data.source.path=pairs.csv    # two images a row
    mmjax train own_data:texts --config.data.source.path=texts.csv    # two texts a row
    mmjax train own_data:columns --config.data.source.path=shop.csv   # image, title, description

A folder contains a `captions.csv` or `.jsonl`, or a `.txt` file next to each image or sound, or
subfolders whose names are the captions. `docs/own_data.md` explains this, other layouts such as tar
shards, and what happens to files and rows that cannot be used.

A tenth of the examples, chosen by a hash of their names, is held out for evaluation. A run takes a
few minutes on two CPU cores. `c.joint` puts other modalities side by side, in your own recipe.
"""

from mmjax.configs import clip
from mmjax.configs import common as c

FOLDER = dict(type="folder", path="pictures", split="train")
TABLE = dict(type="manifest", path="captions.csv", split="train")
# On the held-out images.
EVALUATORS = [c.retrieval("held_out", "val", alternatives="all"), c.geometry("held_out", "val")]


def small() -> dict:
    """A folder, with the small towers of the emoji recipes, trained from scratch."""
    # Captions are longer than names.
    config = c.emoji(clip.PAPER, clip.objectives(), length=32)
    data = {"source": FOLDER, "batch_size": 64, "views": {"image": {"rotate": 0.0}}}
    return c.changed(config, steps=600, data=data, evaluators=EVALUATORS, evaluate_every=200)


def table() -> dict:
    """The same from a table of file names and captions."""
    return c.changed(small(), data={"source": TABLE})


def classes() -> dict:
    """A sub-folder for each class: its images and its name are positives of each other (SupCon)."""
    config = c.joint(FOLDER, {"image": c.small_image(), "text": c.small_text(16)}, batch_size=64)
    evaluators = [
        c.zero_shot("class", "val", labels="group"),
        c.evaluator("knn", "class", "val", train="train", labels="group"),
    ]
    return c.changed(
        config,
        data={"views": {"label": c.LABEL}},
        objectives={"clip": None, "sup_con": dict(type="sup_con", views=("image", "text"))},
        evaluators=evaluators,
    )


def captioned(modality: str, part: tuple[dict, dict]) -> dict:
    """A folder of files of a modality and captions."""
    return c.joint({**FOLDER, "modality": modality}, {modality: part, "text": c.small_text()})


def sounds() -> dict:
    """A folder of sounds; needs the extra `audio`."""
    return captioned("audio", c.small_audio())


def video() -> dict:
    """A folder of clips; needs the extra `video`, but not for animated images."""
    return captioned("video", c.small_video())


def series() -> dict:
    """A folder of recordings of sensors, .csv or .npy of [samples, 3 channels]."""
    return captioned("series", c.small_series())


def points() -> dict:
    """A folder of point clouds or meshes."""
    return captioned("points", c.small_points())


def ecg() -> dict:
    """A table of WFDB records and their reports; needs the extra `ecg`."""
    source = dict(type="wfdb", path="records.csv", split="train")
    return c.joint(source, {"ecg": c.small_ecg(), "text": c.small_text(112)})


def pairs() -> dict:
    """A table with two images a row, which go through one tower."""
    columns = {"image": "image", "image@second": "second"}
    parts = dict.fromkeys(columns, c.small_image())
    return c.joint({**TABLE, "columns": columns}, parts)


def texts() -> dict:
    """A table with two texts a row, which go through one tower."""
    columns = {"text": "question", "text@second": "answer"}
    parts = dict.fromkeys(columns, c.small_text())
    return c.joint({**TABLE, "columns": columns}, parts)


def columns() -> dict:
    """A table with an image, a title and a description a row, each with its own tower."""
    named = {"image": "image", "text": "title", "text_long": "description"}
    parts = {"image": c.small_image(), "text": c.small_text(), "text_long": c.small_text(64)}
    return c.joint({**TABLE, "columns": named}, parts)


def paper() -> dict:
    """CLIP's ViT-B/32 and hyperparameters, for millions of images on accelerators."""
    return c.changed(clip.paper(), data={"source": FOLDER}, evaluators=EVALUATORS)


LAYOUTS = (small, table, classes, sounds, video, series, points, ecg, pairs, texts, columns)
get_config = c.variants("own_data", *LAYOUTS, paper)
