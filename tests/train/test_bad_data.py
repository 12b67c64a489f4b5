"""Data that cannot be read do not train: the run ends, in a sentence, at the same step always."""

import json
import re
from pathlib import Path

import pytest
from test_resume import train_interrupted

from mmjax import recipe as recipe_lib
from mmjax.data import limits
from mmjax.data.limits import TooManyBadRows
from mmjax.train import trainer

RECIPE = Path(__file__).with_name("unreadable.py")


def config(percent, *overrides):
    own = ("steps=24", "checkpoints.every=0", "log_every=4", "evaluators={}")
    return recipe_lib.load(f"{RECIPE}:latent", (*own, f"data.source.percent={percent}", *overrides))


def failure(config, folder):
    """What a run says that ends for its data."""
    with pytest.raises(TooManyBadRows) as error:
        trainer.train(config, folder, quiet=True)
    assert not (folder / "summary.json").exists()
    assert (folder / "bad_rows.jsonl").read_text()
    return str(error.value)


def test_nothing_that_can_be_read(tmp_path):
    said = failure(config(100), tmp_path)
    assert re.match(
        r"step 1: none of the 64 rows of a batch can be used \(\d+ x a: the file … does not exist; "
        r"the first are row \d+, row \d+, row \d+\): mend them, and the same command resumes",
        said,
    )
    assert "\n" not in said


def test_half_of_the_rows_with_and_without_workers(tmp_path):
    said = failure(config(50), tmp_path / "threads")
    assert re.match(
        r"step 2: \d+ of the 128 rows so far cannot be used, more than data\.max_b", said
    )
    assert failure(config(50, "data.workers=2"), tmp_path / "workers") == said


def test_a_few_rows_are_counted_and_left_out(tmp_path):
    summary = trainer.train(config(5), tmp_path, quiet=True)
    assert summary["step"] == 24
    rows = [json.loads(line) for line in (tmp_path / "bad_rows.jsonl").read_text().splitlines()]
    assert 40 < sum(row["count"] for row in rows) < 120


def test_a_limit_of_nothing_ends_at_the_first_bad_row(tmp_path):
    said = failure(config(1, "data.max_bad_fraction=0.0"), tmp_path)
    assert re.match(r"step \d: \d of the \d+ rows so far", said)


def test_a_resumed_run_ends_at_the_step_of_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "LEAST", 1200)
    bad = config(15)
    said = failure(bad, tmp_path / "whole").partition(" (")[0]
    step = int(re.match(r"step (\d+): 1[23]\d of the", said)[1])
    assert 8 < step < 24
    for stop in (3, 7):
        train_interrupted(bad, tmp_path / "parts", stop, monkeypatch)
    assert failure(bad, tmp_path / "parts").partition(" (")[0] == said
    # As the sentence says, the same run goes on with a higher limit.
    more = config(15, "data.max_bad_fraction=0.5")
    assert trainer.train(more, tmp_path / "parts", quiet=True)["step"] == 24
