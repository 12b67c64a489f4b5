"""When a run ends for its bad rows: the share in all, in a window, and of one batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.data import BadExample
from mmjax.data.limits import LEAST, WINDOW, Limit, TooManyBadRows, causes, check_listed, rows_of
from mmjax.data.sources import MemorySource


def verdict(limit, batches):
    """The number of batches up to the verdict, and what it says; all of them if there is none."""
    for number, (rows, bad) in enumerate(batches, start=1):
        if said := limit.add(rows, bad):
            return number, said
    return len(batches), None


FRACTION = st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.99])


@given(st.data(), FRACTION, st.integers(1, 3 * LEAST), st.sampled_from([1, 16, 300, WINDOW + 1]))
def test_the_first_batch_that_makes_the_shares_too_large(data, fraction, examples, rows):
    bad = data.draw(st.lists(st.integers(0, rows), min_size=1, max_size=30))
    number, said = verdict(Limit(fraction, examples), [(rows, each) for each in bad])

    total = window = window_rows = 0
    for k, each in enumerate(bad, start=1):
        if window_rows >= WINDOW:
            window = window_rows = 0
        total, window, window_rows = total + each, window + each, window_rows + rows
        too_many = total > fraction * max(k * rows, min(LEAST, examples))
        late = window > fraction * max(window_rows, WINDOW)
        if each == rows or too_many or late:
            assert number == k
            start = f"{total if too_many else window:,} of the"
            assert said.startswith("none of" if each == rows else start)
            return
    assert said is None


@given(st.data(), st.integers(1, 20))
def test_a_resumed_count_is_that_of_an_undisturbed_one(data, stop):
    batches = [(64, data.draw(st.integers(0, 20))) for _ in range(20)]
    whole = Limit(0.1, 10**6)
    expected = verdict(whole, batches)
    first = Limit(0.1, 10**6)
    number, said = verdict(first, batches[:stop])
    if said is None:
        second = Limit(0.1, 10**6, dict(first.state))
        more, said = verdict(second, batches[stop:])
        number += more
        assert second.state == whole.state
    assert (number, said) == expected


@pytest.mark.parametrize(
    ("examples", "size", "bad", "ends"),
    [
        (80, 16, [16], True),  # all unreadable: at once
        (10**9, 4096, [150] * 50, False),  # a web-scale table with a few percent of dead files
        (10**9, 65536, [3000] * 50, False),  # in large batches
        (80, 16, [1, 0, 0, 0, 0] * 20, False),  # one broken image of 80
        (80, 16, [8, 8], True),  # half of 80
        (10**6, 8, [1], False),  # a trial of one small batch
        (10**6, 4096, [0] * 1000 + [600] * 5, True),  # a disk that fails late
        (10**6, 4096, [0] * 1000 + [400] * 3, False),
    ],
)
def test_data_sets_of_life(examples, size, bad, ends):
    said = verdict(Limit(0.1, examples), [(size, each) for each in bad])[1]
    assert (said is not None) == ends


def test_what_breaks_late_is_seen_in_the_window_alone():
    limit = Limit(0.1, 10**6)
    assert verdict(limit, [(100, 0)] * 1000)[1] is None
    number, said = verdict(limit, [(100, 60)] * 100)
    assert number == 17
    assert said.startswith("1,020 of the last 1,700 rows cannot be used, more than data.max_bad_f")


def test_rows_of_errors():
    errors = [BadExample(*each, "bad") for each in (("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"))]
    assert rows_of(errors) == 3
    assert rows_of([]) == 0


def test_causes_are_counted_by_reason_and_first_examples_named():
    errors = [
        BadExample(f"row {n}", "image", f"the file /a/{n}.png does not exist") for n in "1234"
    ]
    errors += [BadExample("row 9", "text", "the caption is empty")] * 2
    assert causes(errors) == (
        "4 x image: the file … does not exist; 2 x text: the caption is empty; the first are "
        "row 1, row 2, row 3"
    )
    many = causes([BadExample("k", "f", chr(97 + n) * 300) for n in range(20)])
    assert "16 x other reasons" in many
    assert len(many) < 700


@pytest.mark.parametrize(("bad", "ends"), [(0, False), (10, False), (11, True), (90, True)])
def test_rows_that_a_source_left_out(bad, ends):
    source = MemorySource(data={"text": ["a"] * (100 - bad)})
    source.bad = [BadExample(f"row {n}", "text", "the caption is empty") for n in range(bad)]
    if not ends:
        check_listed("data.source", source, 0.1)
        return
    said = (
        rf"^data\.source: {bad} of 100 rows .* allows \({bad} x text: the caption is empty; the f"
    )
    with pytest.raises(TooManyBadRows, match=said):
        check_listed("data.source", source, 0.1)


def test_a_reason_that_all_rows_share_keeps_its_numbers():
    same = [BadExample(f"row {i}", "x", "it has 6 channels, and the view 3") for i in range(2)]
    assert "2 x x: it has 6 channels, and the view 3; the first" in causes(same)
    other = BadExample("row 2", "x", "it has 5 channels, and the view 3")
    assert "3 x x: it has … channels, and the view …; the first" in causes([*same, other])
