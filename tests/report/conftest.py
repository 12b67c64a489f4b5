"""A run's folder as a finished run leaves it, with nothing trained."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from mmjax.data import Source
from mmjax.evaluators.data import EvalData
from mmjax.report import gather

WORDS = ["red", "green", "blue", "قطة", "猫", "<script>alert(1)</script>", "a & b", "שלום"]


def png(number):
    out = io.BytesIO()
    Image.new("RGBA", (200, 100), (number % 256, 40, 90, 200)).save(out, "PNG")
    return out.getvalue()


class Items(Source):
    """Records of images and words; the number of a record is in both."""

    def __init__(self, count=30, modalities=("image", "text")):
        self.count, self.modalities = count, modalities

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        record = {"id": index, "key": f"row {index} <of> many"}
        if "image" in self.modalities:
            record["image"] = png(index)
        if "text" in self.modalities:
            record["text"] = f"{WORDS[index % len(WORDS)]} {index}"
        for vector in set(self.modalities) - {"image", "text"}:
            record[vector] = np.array([index], np.float32)
        return record

    def describe(self):
        return f"{self.count} items"


def number_of(value, rng, train):
    """A view: whatever the item is, its number."""
    if isinstance(value, bytes):
        return np.array([Image.open(io.BytesIO(value)).getpixel((0, 0))[0]], np.float32)
    if isinstance(value, str):
        return np.array([int(value.rsplit(" ", 1)[1])], np.float32)
    return np.asarray(value, np.float32)


class Model:
    """Embeds number n as a random direction of its own, the modalities some noise apart."""

    def __init__(self, modalities=("image", "text"), noise=0.0, seed=0):
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=(256, 16))
        self.modalities = modalities
        self.table = {m: shared + noise * rng.normal(size=shared.shape) for m in modalities}

    def embed(self, modality, array):
        vectors = self.table[modality][array[:, 0].astype(int)]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def make_data():
    def make(count=30, modalities=("image", "text")):
        return EvalData(Items(count, modalities), dict.fromkeys(modalities, number_of), 16)

    return make


@pytest.fixture
def make_model():
    return Model


SUMMARY = {
    "retrieval/new_style/image_to_text/R@1": 0.413,
    "retrieval/new_style/image_to_text/R@5": 0.702,
    "retrieval/new_style/image_to_text/median_rank": 2.0,
    "retrieval/new_style/image_to_text/mAP": 0.52,
    "retrieval/new_style/image_to_text/gallery": 1833.0,
    "retrieval/new_style/image_to_text/chance_R@1": 1 / 1833,
    "retrieval/new_style/text_to_image/R@1": 0.391,
    "retrieval/new_style/text_to_image/R@5": 0.688,
    "retrieval/new_style/text_to_image/median_rank": 2.5,
    "retrieval/new_style/text_to_image/mAP": 0.5,
    "retrieval/new_style/text_to_image/gallery": 1833.0,
    "retrieval/new_style/text_to_image/chance_R@1": 1 / 1833,
    "retrieval/new_style/unreadable": 3.0,
    "zero_shot/group/top_1": 0.62,
    "zero_shot/group/top_5": 0.95,
    "zero_shot/group/mean_per_class": 0.6,
    "zero_shot/group/en/top_1": 0.7,
    "zero_shot/group/en/top_5": 0.97,
    "zero_shot/group/en/mean_per_class": 0.66,
    "zero_shot/group/th/top_1": 0.54,
    "zero_shot/group/th/top_5": 0.93,
    "zero_shot/group/th/mean_per_class": 0.54,
    "zero_shot/group/chance": 1 / 9,
    "zero_shot/group/classes": 9.0,
    "geometry/new_style/centroid_distance": 0.312,
    "geometry/new_style/linear_separability": 0.983,
    "geometry/new_style/positive_cosine": 0.52,
    "geometry/new_style/effective_rank/image": 68.8,
    "geometry/new_style/effective_rank/text": 68.9,
    "seconds": 247.3,
    "step": 600,
}


@pytest.fixture
def summary():
    return dict(SUMMARY)


@pytest.fixture
def run_folder(tmp_path, make_data, make_model):
    """A folder with every file of a run."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    config = {
        "recipe": "no_such_recipe",
        "variant": "small",
        "paper": "Someone <b>et al.</b> 2024",
        "steps": 600,
        "seed": 7,
        "data": {"source": {"type": "emoji", "split": "train"}, "batch_size": 128},
        "model": {
            "towers": {
                "image": {
                    "encoder": {"type": "vit", "width": 64, "depth": 4},
                    "head": {"type": "linear", "dim": 32},
                }
            }
        },
        "objectives": {"clip": {"type": "info_nce", "weight": 1.0, "temperature": 0.07}},
        "optimizer": {"type": "adamw", "learning_rate": 1e-3},
        "claim": {"statement": "the gap closes", "paper_numbers": "0.661 and 0.082"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    with open(folder / "metrics.jsonl", "w") as file:
        for step in range(10, 610, 10):
            loss = 4.85 * math.exp(-step / 200) + 0.3
            row = {
                "loss": loss,
                "clip/loss": loss,
                "clip/chance": math.log(128),
                "clip/scale": 14 + step / 100,
                "learning_rate": 1e-3,
                "gradient_norm": 1.0,
                "gradient_norm/image": 0.7,
                "examples_per_second": 3000.0,
                "data_wait_share": 0.25,
            }
            file.write(json.dumps({"step": step} | {f"train/{k}": v for k, v in row.items()}))
            file.write("\n")
            if step % 200 == 0:
                file.write(json.dumps({"step": step, **SUMMARY}) + "\n")
        file.write('{"step": 61')  # as a killed run leaves it
    bad = [
        {"key": "row 17 (<i>dog</i>.jpg)", "field": "image", "reason": "cut short", "count": 3},
        {"key": "row 99", "field": "text", "reason": "the caption is empty", "count": 5},
    ]
    (folder / "bad_rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bad))
    (folder / "log.txt").write_text("recipe <no_such_recipe>\n")
    gather.gather(make_model(noise=1.0), make_data(), folder, name="new_style")
    return folder
