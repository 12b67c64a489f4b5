"""CLIP on images and captions of your own.

    python -m mmjax.main --config=configs/own_data.py --config.data.source.path=images
    python -m mmjax.main --config=configs/own_data.py:table --config.data.source.path=captions.csv

The first takes a folder: with a `captions.csv` or `.jsonl` in it, or a `.txt` file beside each
image, or sub-folders whose names are the captions. The second takes a table anywhere, whose
columns name images and captions. `docs/own_data.md` goes through both, and through what happens to
images and rows that cannot be used.

A tenth of the images, chosen by a hash of their names, is kept from training and evaluated on. A
run takes some three minutes on two CPU cores, most of them for 38,400 images seen.
"""

from mmjax.configs import clip
from mmjax.configs import common as c

FOLDER = dict(type="folder", path="pictures", split="train")
# On the images that training never sees.
EVALUATORS = [c.retrieval("held_out", "val", alternatives="all"), c.geometry("held_out", "val")]


def small() -> dict:
    """A folder, and the small towers of the emoji recipes, from scratch."""
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
