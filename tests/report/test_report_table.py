import itertools
import re

from mmjax.report import table


def test_the_table_answers_what_a_person_asks(summary, run_folder):
    text = table.summary_table(summary, run_folder)
    lines = text.splitlines()
    (there,) = [line for line in lines if "image -> text" in line]
    assert there.split() == [
        "new",
        "style",
        "image",
        "->",
        "text",
        "41.3",
        "%",
        "0.055",
        "%",
        "70.2",
        "%",
        "2",
        "1,833",
    ]
    assert any("text -> image" in line and "39.1 %" in line for line in lines)
    (zero,) = [line for line in lines if line.startswith("  group  ")]
    assert zero.split() == ["group", "62.0", "%", "11.1", "%", "95.0", "%", "9"]
    assert "best en 70.0 %, worst th 54.0 %" in text
    assert any("centroid distance" in line and "0.312" in line for line in lines)
    assert any("linearly separable" in line and "98.3 %" in line for line in lines)
    assert "600 steps, 4 min 7 s in all." in text
    assert str(run_folder / "checkpoints") in text
    assert str(run_folder / "summary.json") in text
    assert str(run_folder / "report.html") not in text  # it has not been written


def test_columns_are_aligned_and_lines_fit_a_terminal(summary):
    lines = table.summary_table(summary).splitlines()
    assert max(map(len, lines)) <= 100
    rules = [n for n, line in enumerate(lines) if set(line.strip()) == {"-"}]
    assert len(rules) == 3
    for rule in rules:
        rows = [lines[rule - 1], *itertools.takewhile(str.strip, lines[rule + 1 :])]
        numeric = [row for row in rows if " is the mean of " not in row]
        assert {len(row) for row in numeric} == {len(lines[rule])}


def test_many_languages_are_one_line(summary):
    for number in range(40):
        summary[f"zero_shot/group/l{number}/top_1"] = 0.1 + number / 100
    text = table.summary_table(summary)
    assert "mean of 42 languages: best en 70.0 %, worst l0 10.0 %" in text
    assert len(text.splitlines()) < 25


def test_other_evaluators_have_a_table_that_ends():
    many = {f"knn/s{i:02}/accuracy": i / 100 for i in range(table.OTHERS + 4)}
    text = table.summary_table(many)
    assert "No evaluators were configured" not in text
    assert re.search(r"knn +s05 +accuracy +0\.050", text)
    assert "and 4 more, on the page" in text
    assert f"s{table.OTHERS}" not in text


def test_what_is_missing_is_left_out_or_said(tmp_path):
    assert "No evaluators were configured" in table.summary_table({})
    assert str(tmp_path) in table.summary_table({}, tmp_path)
    only = table.summary_table({"retrieval/x/a_to_b/R@1": 0.5})
    assert "Zero-shot" not in only
    assert only.splitlines()[-1].split() == ["x", "a", "->", "b", "50.0", "%", "-", "-", "-"]
