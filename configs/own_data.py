"""CLIP on pictures and captions of your own.

    python -m mmjax.main --config=configs/own_data.py --config.data.source.path=pictures
    python -m mmjax.main --config=configs/own_data.py:table --config.data.source.path=captions.csv

The first takes a folder: with a `captions.csv` or `.jsonl` in it, or a `.txt` file beside each
picture, or sub-folders whose names are the captions. The second takes a table anywhere, whose
columns name pictures and captions. `docs/own_data.md` goes through both, and through what happens
to pictures and rows that cannot be used.

A tenth of the pictures, chosen by a hash of their names, is kept from training and evaluated on.
A run takes some three minutes on two CPU cores, most of them for 38,400 pictures seen.
"""

from configs import base, clip

PATH = "pictures"


def held_out() -> dict:
    """Retrieval and geometry on the pictures that training never sees."""
    source = {"like": "data.source", "split": "val"}
    return {
        "retrieval": {"held_out": {"source": source, "alternatives": "all"}},
        "geometry": {"held_out": {"source": source}},
    }


def small() -> dict:
    """A folder, and the small towers of the emoji recipes, from scratch."""
    config = base.emoji(clip.objectives())
    data = config["data"]
    data["source"] = {"type": "folder", "path": PATH, "split": "train"}
    data["batch_size"] = 64
    # Captions are longer than names, and photographs should stay upright.
    data["views"]["text"]["length"] = 32
    data["views"]["image"]["rotate"] = 0.0
    config["model"]["towers"]["text"]["encoder"]["length"] = 32
    return {
        "paper": clip.PAPER,
        **config,
        "steps": 600,
        "evaluators": held_out(),
        "evaluate_every": 200,
    }


def table() -> dict:
    """The same from a table of file names and captions."""
    config = small()
    config["data"]["source"] = {"type": "manifest", "path": "captions.csv", "split": "train"}
    return config


def paper() -> dict:
    """CLIP's ViT-B/32 and hyperparameters, for millions of pictures on accelerators."""
    config = clip.paper()
    config["data"]["source"] = {"type": "folder", "path": PATH, "split": "train"}
    return {**config, "evaluators": held_out()}


get_config = base.variants("own_data", {"small": small, "table": table, "paper": paper})
