import functools
import json
import operator
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmjax import digests
from mmjax.report import files, gather, page

VOID = {"meta", "img", "br", "link", "input", "hr", "use", "line"}


class Parsed(HTMLParser):
    """The page as a browser sees it: tags with attributes, text, and whether tags are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open, self.wrong = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def parsed(folder, summary=None):
    path = page.write(folder, summary)
    assert path == folder / "report.html"
    return Parsed(path.read_text(encoding="utf-8"))


def test_the_page_shows_all_parts(run_folder):
    seen = parsed(run_folder)
    for words in (
        "41.3 %",
        "39.1 %",
        "chance 0.055 %",
        "62.0 %",
        "0.312",
        "98.3 %",  # results
        "group in 2 languages",
        "the gap closes.",
        "no_such_recipe (small)",
        "vit (width 64, depth 4) → linear (dim 32)",
        "Dashed: chance, 4.852.",
        "3,000 examples a second (median) and waited for data 25.0 % of the time",
        "try more data.workers",
        "Similarity within a batch",
        "Both modalities in a plane",
        "Pairs against non-pairs",
        "First answer right",
        "First answer wrong",
        "✓ right",
        "2 training examples could not be read; they were skipped 8 times",
        "retrieval/new style: 3 items of the evaluation",
        "python -m mmjax.main",
        "--config=configs/no_such_recipe.py:small",
        "قطة",
        "שלום",
    ):
        assert words in seen.text, words
    # One element for each curve and the three images of embeddings.
    assert sum(tag == "svg" and "aria-label" in attrs for tag, attrs in seen.tags) >= 8


def test_the_page_is_one_file_without_scripts(run_folder):
    seen = parsed(run_folder)
    for tag, attrs in seen.tags:
        assert tag not in ("script", "link", "iframe", "object", "base"), tag
        for name in ("src", "srcset", "poster", "data"):
            assert attrs.get(name, "data:").startswith("data:"), attrs
        for name in ("href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:")), attrs
        assert not any(name.startswith("on") for name in attrs), attrs
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in text
    assert re.findall(r"url\(['\"]?(?!#)[^)]*", text) == []
    (policy,) = [a["content"] for t, a in seen.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")


def test_the_page_is_well_formed_and_ids_are_unique(run_folder):
    seen = parsed(run_folder)
    assert seen.wrong == []
    assert seen.open == []
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in seen.tags:
        for name in ("href", "xlink:href", "clip-path"):
            target = re.search(r"#([^)]+)", attrs.get(name) or "")
            assert target is None or target[1] in ids, attrs


def test_what_is_seen_is_also_said(run_folder):
    seen = parsed(run_folder)
    assert all(attrs.get("alt") for tag, attrs in seen.tags if tag == "img")
    drawings = [attrs for tag, attrs in seen.tags if tag == "svg"]
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in drawings)
    labels = " ".join(attrs.get("aria-label", "") for attrs in drawings)
    assert "Loss: Loss" not in labels
    assert "at step 10" in labels
    assert sum(t == "table" for t, _ in seen.tags) == sum(t == "caption" for t, _ in seen.tags)


def test_captions_are_text_and_never_markup(run_folder):
    seen = parsed(run_folder)
    raw = (run_folder / "report.html").read_text(encoding="utf-8")
    for markup in ("<script", "<i>dog", "<b>et al", "<no_such_recipe>", "<of>"):
        assert markup not in raw, markup
    assert "row 17 (<i>dog</i>.jpg)" in seen.text
    assert "Someone <b>et al.</b> 2024" in seen.text


def test_the_page_can_be_written_again_and_is_the_same(run_folder, summary):
    first = page.write(run_folder, summary).read_bytes()
    assert page.write(run_folder).read_bytes() == first
    assert not list(run_folder.glob("*.part"))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "The folder holds no config"),
        ("summary.json", "The run has not finished"),
        ("metrics.jsonl", "Nothing was measured while the run trained"),
        ("bad_rows.jsonl", "All training examples could be read."),
        ("log.txt", "The whole config"),
        (gather.FILE, "no heat map, no image of the embeddings and no gallery"),
    ],
)
def test_a_missing_file_costs_its_part_only(run_folder, missing, words):
    (run_folder / missing).unlink()
    seen = parsed(run_folder)
    assert words in seen.text
    assert "41.3 %" in seen.text  # without a summary, from the last evaluation
    assert seen.wrong == []


@pytest.mark.parametrize("damaged", ["config.json", "summary.json", gather.FILE])
def test_a_damaged_file_is_named_and_costs_its_part_only(run_folder, damaged):
    (run_folder / damaged).write_bytes(b"\x00 not what it was")
    seen = parsed(run_folder)
    assert re.search(rf"{damaged} is damaged", seen.text)
    assert "41.3 %" in seen.text


@pytest.mark.parametrize("name", ["config.json", "summary.json", "metrics.jsonl", "bad_rows.jsonl"])
def test_a_file_that_is_not_what_the_run_wrote_is_named(run_folder, name):
    digests.write(run_folder)
    assert files.read(run_folder).notes == ()
    text = (run_folder / name).read_text()
    place = re.search(r"\d", text).start()
    digit = int(text[place]) ^ 1  # a bit
    (run_folder / name).write_text(f"{text[:place]}{digit}{text[place + 1 :]}")
    notes = files.read(run_folder).notes
    assert f"{name} is not the file that sha256.json was written for" in notes[0]
    (run_folder / digests.NAME).write_text("[]")
    assert "sha256.json is damaged" in files.read(run_folder).notes[0]


def test_lines_that_cannot_be_read_are_counted_but_for_the_last(run_folder):
    assert files.read(run_folder).notes == ()
    with open(run_folder / "metrics.jsonl", "a") as file:
        file.write('\n{"step": 700, "train/loss": 1.0}\n')
    (note,) = files.read(run_folder).notes
    assert note.startswith("1 of the 65 lines of metrics.jsonl")


def test_a_run_with_other_evaluators_alone_shows_them(tmp_path):
    (tmp_path / "summary.json").write_text('{"probe": {"test": {"accuracy": 0.931}}}')
    seen = parsed(tmp_path)
    assert "No evaluation results" not in seen.text
    assert "Other measures" in seen.text
    assert "0.931" in seen.text


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path):
    seen = parsed(tmp_path)
    assert "No evaluation results" in seen.text
    assert "There is no config.json in the folder." in seen.text


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder does not exist"):
        page.write(tmp_path / "none")


def test_numbers_that_are_none_do_not_stop_the_page(run_folder, summary):
    summary = dict.fromkeys(summary, float("nan")) | {"geometry/x/uniformity/a": float("inf")}
    summary["step"] = 3
    with open(run_folder / "metrics.jsonl", "a") as file:
        row = {"step": 700, "train/loss": float("nan"), "train/data_wait_share": float("nan")}
        file.write("\n" + json.dumps(row) + "\n")
    assert parsed(run_folder, summary).wrong == []


def test_vectors_are_said_to_have_no_picture(tmp_path, make_data, make_model):
    gather.gather(make_model(("a", "b")), make_data(12, ("a", "b")), tmp_path)
    seen = parsed(tmp_path)
    assert "a and b are neither text nor images" in seen.text
    assert "row 3 <of> many" in seen.text
    assert not any(tag == "img" for tag, _ in seen.tags)


def test_a_set_without_pairs_says_why_there_is_no_picture(tmp_path, make_data, make_model):
    gather.gather(make_model(("text",)), make_data(), tmp_path, name="test")
    seen = parsed(tmp_path)
    assert "an image of pairs needs two modalities" in seen.text
    assert "There is no gallery" in seen.text


def test_half_a_surrogate_pair_can_be_written(run_folder):
    row = {"key": "\ud83d", "field": "text", "reason": "strange", "count": 1}
    (run_folder / "bad_rows.jsonl").write_text(json.dumps(row) + "\n")
    assert "strange" in parsed(run_folder).text


def test_a_long_run_makes_no_long_page(run_folder):
    with open(run_folder / "metrics.jsonl", "w") as file:
        for step in range(20_000):
            file.write(json.dumps({"step": step, "train/loss": step % 7}) + "\n")
    (run_folder / "log.txt").write_text("line\n" * 100_000)
    seen = parsed(run_folder)
    assert "over a band from the least to the greatest value" in seen.text
    assert "characters left out" in seen.text
    assert (run_folder / "report.html").stat().st_size < 1_500_000


def test_the_command_line_writes_the_page(run_folder):
    command = [sys.executable, "-m", "mmjax.report", f"--workdir={run_folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(run_folder / "report.html")
    assert (run_folder / "report.html").is_file()


ODD = [None, [], {}, 0, -1.5, True, "x", "\ud800", "\x1b", "<i>", [None], {"a": None}, float("nan")]


def nodes(tree, path=()):
    yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from nodes(tree[key], (*path, key))


@pytest.mark.long
@given(data=st.data(), name=st.sampled_from(["config.json", "summary.json"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_may_stand_in_any_place(run_folder, data, name):
    whole = (run_folder / name).read_text()
    tree = json.loads(whole)
    *path, last = data.draw(st.sampled_from(list(nodes(tree))[1:]))
    place = functools.reduce(operator.getitem, path, tree)
    place[last] = data.draw(st.sampled_from(ODD))
    (run_folder / name).write_text(json.dumps(tree))
    try:
        assert "<i>" not in page.render(files.read(run_folder))
    finally:
        (run_folder / name).write_text(whole)
