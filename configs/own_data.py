"""CLIP trained from scratch on your own images and captions.

    python -m mmjax.main --config=configs/own_data.py --config.data.source.path=images
    python -m mmjax.main --config=configs/own_data.py:table --config.data.source.path=captions.csv

The first command takes a folder that contains a `captions.csv` or `.jsonl`, or a `.txt` file next
to each image, or subfolders whose names are the captions. The second takes a table anywhere, with
columns of image files and captions. `docs/own_data.md` explains both, and what happens to images
and rows that cannot be used.

A tenth of the images, chosen by a hash of their names, is held out for evaluation. A run takes
about three minutes on two CPU cores, most of them for 38,400 images seen.
"""

from mmjax.configs import clip
from mmjax.configs import common as c

FOLDER = dict(type="folder", path="pictures", split="train")
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
    return c.changed(
        small(), data={"source": dict(type="manifest", path="captions.csv", split="train")}
    )


def paper() -> dict:
    """CLIP's ViT-B/32 and hyperparameters, for millions of images on accelerators."""
    return c.changed(clip.paper(), data={"source": FOLDER}, evaluators=EVALUATORS)


get_config = c.variants("own_data", small, table, paper)
