"""A source, views and a model small enough to know every answer by hand."""

from collections import Counter

import numpy as np
import pytest

from mmjax.data.records import BadExample, Source

DIM = 16


class FakeSource(Source):
    """Records of concepts: images are arrays [concept, noise], texts name the concept."""

    modalities = ("image", "text")

    def __init__(self, records):
        self.records = records
        self.reads = Counter()

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        self.reads[index] += 1
        record = self.records[index]
        if isinstance(record, BadExample):
            raise record
        return record

    def describe(self):
        return f"{len(self)} concepts"

    def labels(self, field, language="en"):
        names = {"en": ["even", "odd", "none"], "de": ["gerade", "ungerade", "keine"]}
        if field != "group":
            raise ValueError(f"Unknown label field {field!r}; known is group.")
        return names[language]


def image_view(value, rng, train):
    assert rng is None
    assert not train
    if isinstance(value, str):
        raise BadExample("?", "image", f"the file {value} is cut short")
    return np.asarray(value, np.float32)


def text_view(value, rng, train):
    assert rng is None
    assert not train
    if not value:
        raise BadExample("?", "text", "the caption is empty")
    codes = np.frombuffer(value.encode(), np.uint8).astype(np.int32)
    return np.pad(codes, (0, 24 - len(codes)))


class FakeModel:
    """Embeds an item as the one-hot vector of the number in it, plus the image's noise."""

    modalities = ("image", "text")

    def __init__(self, image_noise=0.0):
        self.image_noise = image_noise
        self.shapes = Counter()
        self.texts = []

    def embed(self, modality, array):
        self.shapes[modality, array.shape] += 1
        if modality == "image":
            number = array[:, 0].astype(int)
        else:
            texts = [bytes(row[row > 0].astype(np.uint8)).decode() for row in array]
            self.texts += texts
            number = np.array([self.number(text) for text in texts])
        vectors = np.eye(DIM)[number % DIM]
        if modality == "image":
            vectors = vectors + self.image_noise * np.eye(DIM)[(number + 1) % DIM]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def number(self, text):
        return int("".join(c for c in text if c.isdigit()) or {"even": 0, "odd": 1}.get(text, 9))


@pytest.fixture
def views():
    return {"image": image_view, "text": text_view}


@pytest.fixture
def make_source():
    def make(count=10, **changes):
        records = [
            {
                "id": n,
                "key": f"row {n}",
                "image": [[n, 0.5], [n, 0.7]],
                "text": [f"item {n}", f"thing {n}"],
                "group": "odd" if n % 2 else "even",
            }
            for n in range(count)
        ]
        return FakeSource(records)

    return make


@pytest.fixture
def fake_model():
    return FakeModel


@pytest.fixture
def fake_source():
    return FakeSource
