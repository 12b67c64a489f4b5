"""Phrase grounding on maps that are computed one token at a time."""

import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.grounding import Grounding

ROWS, TOKENS, DIM = 9, 6, 4


class Tokens:
    """Embeds what it is given: a row, or with layer='tokens' its tokens side by side."""

    modalities = ("image", "text")

    def embed(self, modality, values, layer="unit"):
        assert layer == ("tokens" if modality == "image" else "unit")
        return (
            values / np.linalg.norm(values, axis=-1, keepdims=True) if layer == "unit" else values
        )


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    region = rng.random((ROWS, TOKENS)) < 0.5
    region[:, 0], region[:, 1] = True, False
    fields = {
        "image": list(unit(rng.normal(size=(ROWS, TOKENS, DIM))).reshape(ROWS, -1)),
        "text": list(rng.normal(size=(ROWS, DIM))),
        "region": list(region.reshape(ROWS, 2, 3)),
    }

    def view(value, rng, train):
        return value.astype(np.float32)

    names = ("image", "text")
    return EvalData(Columns("test", "test", fields, names), dict.fromkeys(names, view), 4)


def by_hand(fields, smooth=lambda own: own):
    cnr, pointing, overlap = [], [], []
    for image, text, region in zip(*(fields[n] for n in ("image", "text", "region")), strict=True):
        own = smooth(image.reshape(TOKENS, DIM) @ unit(text))
        inside = [s for s, there in zip(own, region.reshape(-1), strict=True) if there]
        outside = [s for s, there in zip(own, region.reshape(-1), strict=True) if not there]
        noise = np.sqrt(np.var(inside) + np.var(outside))
        cnr.append((np.mean(inside) - np.mean(outside)) / noise)
        pointing.append(max(inside) > max(outside))
        scaled = (own - own.min()) / (own.max() - own.min())
        for threshold in (0.1, 0.2, 0.3, 0.4, 0.5):
            chosen, right = {*np.flatnonzero(scaled >= threshold)}, {*np.flatnonzero(region)}
            overlap.append(len(chosen & right) / len(chosen | right))
    return {
        "cnr": np.mean(cnr),
        "cnr_absolute": np.mean(np.abs(cnr)),
        "pointing": np.mean(pointing),
        "chance_pointing": np.mean(fields["region"]),
        "mIoU": np.mean(overlap),
        "examples": ROWS,
    }


def test_measures_are_those_of_each_map(data):
    found = Grounding()(Tokens(), data)
    assert found == pytest.approx(by_hand(data.source.fields), abs=1e-5)


def test_smoothing_is_over_the_grid(data):
    weights = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 0.7**2))
    weights /= weights.sum()

    def along(line):
        padded = np.pad(line, 3, mode="symmetric") if len(line) > 2 else np.tile(
            [*line, *line[::-1]], 4)[8 - 3 : 8 + len(line) + 3]  # fmt: skip
        return np.convolve(padded, weights, mode="valid")

    def smooth(own):
        grid = np.apply_along_axis(along, 1, own.reshape(2, 3))
        return np.apply_along_axis(along, 0, grid).reshape(-1)

    found = Grounding(grid=(2, 3), smooth=0.7)(Tokens(), data)
    assert found == pytest.approx(by_hand(data.source.fields, smooth), abs=1e-4)


class Mixed(Tokens):
    """Of two sets of tokens: the items' own, another view's, and those of a further head."""

    modalities = ("image", "other", "text", "look")

    def embed(self, modality, values, layer="unit"):
        if layer == "unit":
            return unit(values)
        return -values if layer == "mask.tokens" else values


@pytest.mark.parametrize("how", ["parts", "heads"])
def test_prompts_are_mixed_by_adding_their_maps(data, how):
    """The sum, and only of records that have both."""
    fields, rng = dict(data.source.fields), np.random.default_rng(4)
    fields["other"] = list(unit(rng.normal(size=(ROWS, TOKENS, DIM))).reshape(ROWS, -1))
    fields["look"] = list(rng.normal(size=(ROWS, DIM)))
    fields["look"][2] = None
    names = ("image", "other", "text", "look")
    mixed = EvalData(
        Columns("test", "test", fields, names), dict.fromkeys(names, data.views["image"]), 4
    )
    own = {"parts": {"look": "other"}} if how == "parts" else {"heads": {"look": "mask"}}
    found = Grounding(also=("look",), **own)(Mixed(), mixed)
    hits = []
    for row in [r for r in range(ROWS) if r != 2]:
        second = fields["other"][row] if how == "parts" else -fields["image"][row]
        scores = fields["image"][row].reshape(TOKENS, DIM) @ unit(fields["text"][row])
        scores = scores + second.reshape(TOKENS, DIM) @ unit(fields["look"][row])
        hits.append(fields["region"][row].reshape(-1)[scores.argmax()])
    assert found["examples"] == ROWS - 1
    assert found["pointing"] == pytest.approx(np.mean(hits))
    alone = Grounding(text="look", **own)(Mixed(), mixed)
    assert alone["cnr"] != pytest.approx(found["cnr"])


def test_what_does_not_fit_is_named(data):
    with pytest.raises(ValueError, match=r"heads=\{'look': 'x'\} names others than \('text',\)"):
        Grounding(heads={"look": "x"})

    with pytest.raises(ValueError, match="needs the 'grid'"):
        Grounding(smooth=1.0)
    with pytest.raises(EvaluationError, match=r"grid=\(2, 2\) is not of the 6 tokens"):
        Grounding(grid=(2, 2), smooth=1.0)(Tokens(), data)
    data.source.fields["region"][3][:] = False
    with pytest.raises(EvaluationError, match="row 3 has 0 of 6 tokens"):
        Grounding()(Tokens(), data)
