"""Turns of embedding spaces between the stages of a run, against turns that are known."""

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.errors import ConfigError
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.rotation import Rotation

NAMES = ("image", "text")


class Turned:
    """A model that embeds a unit vector turned by a map of its modality's."""

    modalities = NAMES

    def __init__(self, **maps):
        self.maps = maps

    def embed(self, modality, array, layer="unit"):
        return (array @ self.maps.get(modality, np.eye(array.shape[1]))).astype(np.float32)


def data(count=60, lacking=()):
    rng = np.random.default_rng(0)
    fields = {}
    for name in NAMES:
        x = rng.normal(size=(count, 6))
        fields[name] = list((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32))
    for name, row in lacking:
        fields[name][row] = None

    def view(value, rng, train):
        return np.asarray(value, np.float32)

    return EvalData(Columns("test", "test", fields, NAMES), dict.fromkeys(NAMES, view), 16)


def turn(degrees, *plane):
    """A turn of 6 dimensions in one plane of coordinates."""
    map_, (i, j) = np.eye(6), plane
    angle = np.radians(degrees)
    map_[i, i] = map_[j, j] = np.cos(angle)
    map_[i, j], map_[j, i] = np.sin(angle), -np.sin(angle)
    return map_


def angles(x, y):
    """Mean angle of rows in degrees, by the arc cosine."""
    return np.degrees(np.arccos(np.clip((x * y).sum(1), -1, 1))).mean()


def evaluated(model, folder, stages, own, name="first"):
    evaluator = Rotation(reference="pretrain")
    evaluator.of_run(folder, name, stages)
    return evaluator(model, own)


def test_turns_are_found_and_their_difference(tmp_path):
    own = data()
    start = evaluated(Turned(), tmp_path, ["pretrain"], own)
    assert start == pytest.approx(dict.fromkeys(start, 0.0) | {"pairs": 60.0}, abs=1e-4)
    a, b = turn(40, 0, 3), turn(25, 0, 3) @ turn(10, 1, 2)
    # Rows that a later state lacks are left out of the comparison.
    later = data(lacking=[("image", 4), ("text", 9)])
    model = Turned(image=a, text=b)
    found = evaluated(model, tmp_path, ["pretrain", "phase1"], later)
    x = {
        m: np.delete(np.array(own.source.fields[m], np.float64), row, axis=0)
        for m, row in (("image", 4), ("text", 9))
    }
    expected = {
        "moved/image": angles(x["image"], x["image"] @ a),
        "moved/text": angles(x["text"], x["text"] @ b),
        "rotation/image": angles(x["image"], x["image"] @ a),
        "rotation/text": angles(x["text"], x["text"] @ b),
        "deviation": angles(x["image"] @ a, x["image"] @ b),
        "pairs": 59.0,
    }
    assert found == pytest.approx(expected, abs=1e-3)
    alike = evaluated(Turned(image=a, text=a), tmp_path, ["pretrain", "phase1"], own)
    assert alike["deviation"] == pytest.approx(0, abs=1e-3)
    assert alike["rotation/text"] > 15


def test_what_is_no_turn_is_moved_but_not_rotated():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 6))
    x = np.concatenate([x, -x])  # noise that has no direction
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = x + 0.3 * rng.normal(size=x.shape)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    found = Rotation(reference="pretrain").measure((x, x), (y, x))
    assert found["moved/image"] == pytest.approx(angles(x, y))
    assert found["moved/image"] > 10 * found["rotation/image"]
    assert found["rotation/text"] == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_compared_is_refused(tmp_path):
    evaluator = Rotation(reference="pretrain")
    with pytest.raises(ConfigError, match="compares states of one run"):
        evaluator(Turned(), data())
    with pytest.raises(ConfigError, match=r"rotation\.x\.reference' is 'pretrain', .*: 'phase1';"):
        evaluator.of_run(tmp_path, "x", ["phase1"])
    with pytest.raises(ConfigError, match="no stage up to this one: there is none"):
        evaluator.of_run(tmp_path, "x", [None])
    with pytest.raises(ConfigError, match=r"x\.npz is not there"):
        evaluated(Turned(), tmp_path, ["pretrain", "phase1"], data(), "x")
    with pytest.raises(ValueError, match="5 rows of 'image' do not determine"):
        evaluated(Turned(), tmp_path, ["pretrain"], data(5))
    with pytest.raises(ValueError, match="two different modalities"):
        Rotation(reference="pretrain", pair=("image", "image"))
