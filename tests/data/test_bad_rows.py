"""The report of bad rows: counts, one line each, through restarts and full disks."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.data import BadExample, BadRows, SourceError
from mmjax.data.sources import MemorySource


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def bad(number, reason="it is bad"):
    return BadExample(f"row {number}", "image", reason)


def test_a_line_is_written_at_the_first_meeting_and_counts_at_the_end(tmp_path):
    path = tmp_path / "run" / "bad_rows.jsonl"
    report = BadRows(path)
    assert report.summary() == "No bad examples."
    report.close()
    assert not path.exists()
    for number in (1, 2, 1):
        report.add(bad(number))
    assert [row["count"] for row in lines(path)] == [1, 1]
    report.close()
    assert lines(path)[0] == {"key": "row 1", "field": "image", "reason": "it is bad", "count": 2}
    assert len(report) == 2
    assert report.summary().startswith("2 bad examples, skipped 3 times")
    assert "row 1: image: it is bad (2 times)" in report.summary()


def test_a_resumed_run_goes_on_with_the_list_and_repairs_its_torn_end(tmp_path):
    path = tmp_path / "bad_rows.jsonl"
    first = BadRows(path)
    first.note([bad(1), bad(2), bad(1)])
    first.add(bad(3))
    path.write_text(path.read_text() + '{"key": "row 4", "fie')
    second = BadRows(path)
    second.note([bad(1), bad(2)])  # known from the start: not met once more
    second.add(bad(3))
    second.add(bad(4))
    assert [row["key"] for row in lines(path)] == [f"row {n}" for n in (1, 2, 3, 4)]
    second.close()
    assert [row["count"] for row in lines(path)] == [1, 1, 2, 1]


def test_a_resumed_run_has_the_list_of_its_checkpoint(tmp_path):
    path = tmp_path / "bad_rows.jsonl"
    first = BadRows(path)
    first.note([bad(1)])
    first.add(bad(2), bad(2))
    state = first.state()
    first.add(bad(1), bad(3))
    second = BadRows(path, state)
    assert [(row["key"], row["count"]) for row in lines(path)] == [("row 1", 1), ("row 2", 2)]
    second.note([bad(1)])
    second.add(bad(3), bad(2))
    second.close()
    assert [row["count"] for row in lines(path)] == [1, 3, 1]
    assert len(BadRows(path, [])) == 0
    assert not path.exists()


def test_lines_that_are_not_those_of_the_checkpoint_are_said(tmp_path, logged):
    path = tmp_path / "bad_rows.jsonl"
    first = BadRows(path)
    first.add(bad(1), bad(2), bad(3), bad(3))
    state = first.state()
    whole = path.read_bytes()
    second = BadRows(path, state)
    assert second.state() == state
    assert len(BadRows(path, state["counts"])) == 3  # as checkpoints of earlier versions have it
    assert logged == []

    @given(st.integers(0, 8 * len(whole) - 1))
    def check(bit):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        logged.clear()
        counts = BadRows(path, state).counts
        same = counts == first.counts  # where it is a count of the file that is another
        assert same or f"{path} is not as the run wrote it: of the 3 rows" in logged[-1]

    check()
    path.unlink()
    logged.clear()
    assert len(BadRows(path, state)) == 0
    assert "removed" in logged[-1]


def test_many_threads_lose_no_count(tmp_path):
    report = BadRows(tmp_path / "bad_rows.jsonl")

    def work():
        for number in range(50):
            report.add(bad(number))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report.close()
    assert [row["count"] for row in lines(report.path)] == [8] * 50


def test_what_cannot_be_written_ends_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    report = BadRows(tmp_path / "file" / "bad_rows.jsonl")
    report.note([bad(n, "\ud800 שלום") for n in range(7)])
    report.close()
    assert report.state() is None  # the lines are not all there
    assert "and 2 more\n" in report.summary()
    assert "could not be written" in report.summary()
    assert len(report) == 7


def test_memory_checks_its_columns():
    source = MemorySource(data={"text": ["a", None]}, labels={"kind": ["x", "y"]}, name="mine")
    assert source.may_lack == ("text",)
    assert [dict(record) for record in source] == [
        {"id": 0, "key": "mine row 0", "text": "a", "kind": "x"},
        {"id": 1, "key": "mine row 1", "kind": "y"},
    ]
    for options, message in (
        ({"data": {}}, "no examples"),
        ({"data": {"text": []}}, "no examples"),
        ({"data": {"text": ["a"], "image": []}}, "no examples"),
        ({"data": {"text": ["a"], "image": [1, 2]}}, "differ in length"),
    ):
        with pytest.raises(SourceError, match=message):
            MemorySource(**options)
