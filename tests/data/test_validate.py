"""`python -m mmjax.data.validate`: every bad example is in the report, and nothing else."""

import json

import numpy as np
import pytest

from mmjax.commands import validate
from mmjax.data.sources import MemorySource
from mmjax.data.tokenizers import BytesTokenizer
from mmjax.data.views import TextView, VectorView


def test_each_alternative_of_each_field(tmp_path):
    values = {"x": [np.ones(2), np.ones(3), None], "text": ["a", ["b", " "], "c"]}
    source = MemorySource(data=values, name="mine")
    views = {
        "x": VectorView(dim=2),
        "text": TextView(tokenizer=BytesTokenizer(), length=4),
        "other": VectorView(dim=9),
    }
    out = tmp_path / "bad.jsonl"
    out.write_text("an earlier report\n")
    report = validate.validate(source, views, out)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["key"], row["field"]) for row in found] == [
        ("mine row 1", "x"),
        ("mine row 1", "text"),
    ]
    assert "shape is [3]" in found[0]["reason"]
    assert len(report) == 2


def test_the_command(tmp_path, set_flags, capsys):
    table = tmp_path / "t.csv"
    table.write_text("image,text\na.png,red\nb.png,blue\n")
    (tmp_path / "a.png").write_bytes(b"no picture, but a file")
    out = tmp_path / "bad.jsonl"
    set_flags(data=str(table), out=str(out))
    with pytest.raises(SystemExit) as error:
        validate.main(None, [])
    assert error.value.code == 1
    assert "b.png" in capsys.readouterr().out
    assert len(out.read_text().splitlines()) == 1
    (tmp_path / "b.png").write_bytes(b"one, too")
    validate.main(None, [])
    assert "No bad examples." in capsys.readouterr().out
