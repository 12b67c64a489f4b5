"""`mmjax compare`: settings, numbers and curves of runs, as text and as a page."""

import json
from html.parser import HTMLParser

import pytest

from mmjax.commands import compare as command
from mmjax.errors import ConfigError
from mmjax.report import compare


def make(folder, rate=1e-3, loss=(3.0, 2.0, 1.0), recall=0.5, extra=()):
    """The folder of a run, with nothing trained."""
    folder.mkdir(parents=True)
    config = {
        "recipe": "tiny",
        "variant": "small",
        "seed": 0,
        "objectives": {"clip": {"type": "info_nce", "temperature": 0.07}, **dict(extra)},
        "optimizer": {"type": "adamw", "learning_rate": rate, "betas": [0.9, 0.98]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        {"step": 10 * n, "train/loss": v, "retrieval/new/a_to_b/R@1": recall * n, "size": 7}
        for n, v in enumerate(loss, 1)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    summary = {"retrieval/new/a_to_b/R@1": recall, "train/loss": loss[-1], "size": 7, "step": 30}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def two(tmp_path):
    spread = {"spread": {"type": "uniformity", "weight": 0.5}}
    return (
        make(tmp_path / "runs" / "one"),
        make(tmp_path / "runs" / "two", rate=3e-3, recall=0.25, extra=spread.items()),
    )


class Page(HTMLParser):
    """The words of a page, and how often each element begins."""

    def __init__(self, text):
        super().__init__()
        self.text, self.begun, self.open = "", {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.begun[tag] = self.begun.get(tag, 0) + 1
        if tag not in ("meta", "line", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_what_differs_is_told_and_what_does_not_is_left_out(two):
    runs = compare.read(two)
    assert runs.names == ["one", "two"]
    assert runs.settings == [
        ("objectives.spread", ["-", "uniformity"]),
        ("optimizer.learning_rate", ["0.001", "0.003"]),
    ]
    assert runs.numbers == [("retrieval/new/a_to_b/R@1", [0.5, 0.25])]
    assert runs.same == 3
    said = "\n".join(compare.lines(runs))
    assert "  retrieval/new/a_to_b/R@1  0.5000  0.2500" in said
    assert "(3 numbers are the same in all runs)" in said


def test_the_command_writes_a_page_with_every_curve(two, tmp_path, capsys):
    out = tmp_path / "pages" / "both.html"
    assert command.main([*map(str, two), f"--out={out}"]) == 0
    assert f"the curves: {out}" in capsys.readouterr().out
    text = out.read_text()
    page = Page(text)
    assert page.open == []
    assert page.begun["figure"] == 2  # the size of a gallery is no curve
    assert "retrieval / new / a to b / R@1" in page.text
    assert page.text.count("two") >= 5  # runs, both tables, both legends
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/", "")
    # A run has its colour in every figure.
    assert text.count("var(--series-1)") >= 3
    assert "var(--series-2)" not in text.partition("<main")[2]


def test_a_run_that_goes_on_shows_its_last_numbers(two, tmp_path):
    (two[0] / "summary.json").unlink()
    runs = compare.read(two)
    assert dict(runs.numbers)["retrieval/new/a_to_b/R@1"] == [1.5, 0.25]
    assert any(note.startswith("one: The run has not finished") for note in runs.notes)


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = compare.read([make(tmp_path / "a" / "run"), make(tmp_path / "b" / "run")])
    assert runs.names == ["a/run", "b/run"]
    assert runs.settings == []
    assert "The settings of the runs are the same." in compare.lines(runs)


def test_names_are_text_on_the_page(tmp_path):
    runs = compare.read([make(tmp_path / "<b>bold"), make(tmp_path / "plain")])
    text = compare.write(runs, tmp_path / "page.html").read_text()
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text


def test_what_cannot_be_compared_is_one_sentence(two, tmp_path):
    with pytest.raises(ConfigError, match="give two runs or more"):
        compare.read(two[:1])
    with pytest.raises(ConfigError, match="none is left out: it is no run"):
        compare.read([two[0], tmp_path / "none"])
    with pytest.raises(ConfigError, match="duplicate run"):
        compare.read([two[0], two[0]])
    with pytest.raises(ConfigError, match="a chart tells 6 apart"):
        compare.read([two[0]] * 7)


def test_what_is_no_run_is_left_out_in_a_line(two, tmp_path):
    odd = tmp_path / "notes"
    odd.mkdir()
    (odd / "config.json").mkdir()
    runs = compare.read([odd, *two, tmp_path / "file"])
    assert runs.names == compare.read(two).names
    assert [note.partition(" is left out")[0] for note in runs.notes[:2]] == [
        str(odd), str(tmp_path / "file"),
    ]  # fmt: skip
