"""The benchmark of the input pipeline runs and its numbers belong together."""

import json

import numpy as np
import pytest

from mmjax.bench import __main__ as bench
from mmjax.bench import input as input_bench
from mmjax.bench.decoders import decoders


def test_every_part_is_measured_and_saved(tmp_path, capsys):
    path = tmp_path / "input.json"
    arguments = ["input", "--examples", "24", "--photos", "2", "--repeats", "2"]
    assert bench.main([*arguments, "--output", str(path)]) == 0
    saved = json.loads(path.read_text())
    assert saved["about"]["examples"] == 24
    rows = {row["part"]: row for row in saved["rows"]}
    assert len(rows) == 11 + 2 * len(decoders())
    for row in rows.values():
        assert row["low"] <= row["per second"] <= row["high"]
        assert row["per second"] * row["us each"] == pytest.approx(1e6, rel=0.05)
    printed = capsys.readouterr().out
    assert all(part in printed for part in rows)
    # What does more takes longer, whatever the machine.
    assert rows["emoji: whole"]["us each"] > rows["emoji: tokenize"]["us each"]
    assert rows["photo: decode, resize to 224"]["us each"] > rows["photo: decode"]["us each"]


def test_more_emoji_than_there_are_is_refused(capsys):
    with pytest.raises(SystemExit):
        input_bench.parse(["--examples", "99999"])
    assert "so many emoji there are" in capsys.readouterr().err


def test_the_photo_weighs_what_photographs_do():
    assert 40_000 < len(input_bench.photo()) < 70_000


def test_all_decoders_give_the_same_pixels():
    content = input_bench.photo(60, 44)
    whole, half = (decoders()["Pillow"](content, shrink) for shrink in (1, 2))
    assert whole.shape == (44, 60, 3)
    assert half.shape == (22, 30, 3)
    for name, decode in decoders().items():
        assert np.abs(decode(content, 1).astype(int) - whole).max() <= 2, name
        assert decode(content, 2).shape == half.shape, name
