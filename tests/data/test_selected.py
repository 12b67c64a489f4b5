"""The rows that a model scores best, and only these, under their own ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.data import SOURCES, SourceError
from mmjax.data.sources import MemorySource


def inner(count=8):
    return MemorySource(data={"x": [np.full(2, i, np.float32) for i in range(count)]})


def scores(file, score, row=None, rows=None, id=None):
    score = np.array(score, np.float32)
    row = np.arange(len(score)) if row is None else np.array(row)
    np.savez(
        file,
        row=row,
        id=row if id is None else id,
        score=score,
        rows=np.int64(len(score) if rows is None else rows),
    )
    return str(file)


def selected(path, source=None, **options):
    return SOURCES.get("selected")(source=source or inner(), scores=path, **options)


NUMBERS = st.one_of(st.just(float("nan")), st.integers(-3, 3).map(lambda i: i / 4))


@given(st.lists(NUMBERS, min_size=8, max_size=8), st.integers(1, 10))
def test_the_best_share_in_the_order_of_the_source(tmp_path_factory, score, tenths):
    path = scores(tmp_path_factory.mktemp("s") / "s.npz", score)
    known = [i for i in range(8) if score[i] == score[i]]
    count = round(tenths / 10 * len(known))
    best = sorted(known, key=lambda i: (-score[i], i))[:count]
    if not best:
        with pytest.raises(SourceError, match=r"no row of .* is left"):
            selected(path, top=tenths / 10)
        return
    source = selected(path, top=tenths / 10)
    assert [int(source[i]["x"][0]) for i in range(len(source))] == sorted(best)
    assert [source.id_of(i) for i in range(len(source))] == sorted(best)
    assert [source[i]["id"] for i in range(len(source))] == sorted(best)


def test_a_limit_and_parts(tmp_path):
    whole = [0.1, 0.9, np.nan, 0.3, 0.3, 0.8, -0.5, 0.3]
    for number, stretch in enumerate((slice(0, 3), slice(3, 8))):
        file = tmp_path / f"s-0000{number}-of-00002.npz"
        scores(file, whole[stretch], np.arange(8)[stretch], rows=8)
        if not number:
            with pytest.raises(SourceError, match="finds 1 files, of 2 parts: make the others"):
                selected(str(tmp_path / "s-*.npz"), least=0.3)
    source = selected(str(tmp_path / "s-*.npz"), least=np.float32(0.3).item())
    assert [source.id_of(i) for i in range(len(source))] == [1, 3, 4, 5, 7]
    assert source.describe().endswith("the best 5, scored 0.300 or more")


@pytest.mark.parametrize(
    ("options", "told", "message"),
    [
        ({}, {}, "give either 'top'"),
        ({"top": 0.5, "least": 0.1}, {}, "give either 'top'"),
        ({"least": 2.0}, {}, "no row of .*s.npz is left; the highest of 8 scores is 0.700"),
        ({"top": 0.5}, {"rows": 9}, "of other data: those have 9 rows, and the source has 8"),
        ({"top": 0.5}, {"id": np.arange(1, 9)}, "its row 4 has the id 5, and that of the source 4"),
        ({"top": 0.5}, {"row": np.arange(8) // 2}, "rows twice, or rows that the source lacks"),
        ({"top": 0.5}, {"row": np.arange(8) + 1}, "rows twice, or rows that the source lacks"),
    ],
)
def test_what_does_not_fit_is_a_sentence(tmp_path, options, told, message):
    path = scores(tmp_path / "s.npz", np.arange(8) / 10, **told)
    with pytest.raises(SourceError, match=message):
        selected(path, **options)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(SourceError, match=r"text\.npz is damaged"):
        selected(str(tmp_path / "text.npz"), top=0.5)
    np.savez(tmp_path / "e.npz", embedding=np.zeros(3))
    with pytest.raises(SourceError, match="should hold the arrays row, id, score, rows"):
        selected(str(tmp_path / "e.npz"), top=0.5)
    with pytest.raises(SourceError, match="there is no file of scores"):
        selected(str(tmp_path / "none.npz"), top=0.5)
