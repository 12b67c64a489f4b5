"""Windows of series: units, statistics as text, splits in time, and tables that cannot be read."""

import numpy as np
import pytest

from mmjax.data import SOURCES
from mmjax.data.formats.series import statistics, top_lags, window
from mmjax.data.records import SourceError
from mmjax.data.synthetic.statistic_series import WORDS


def test_the_future_is_in_units_of_the_past():
    values = np.random.default_rng(0).normal(3, 5, size=60)
    row = window(values, 48, 2)
    known = values[:48]
    spread = np.sqrt(((known - known.mean()) ** 2).mean() + 1e-5)
    assert row["series"].shape == (48, 1)
    assert row["future"].shape == (12,)
    np.testing.assert_allclose(row["series"][:, 0], (known - known.mean()) / spread, rtol=1e-5)
    np.testing.assert_allclose(row["future"], (values[48:] - known.mean()) / spread, rtol=1e-5)
    assert row["last"] == row["series"][-1, 0]
    assert row["spread"] == pytest.approx(spread)


def test_statistics_as_text():
    x = np.array([0.04, 2.0, -1.26, 0.5, -0.04, 1.0, 1.0, 0.0, 0.3, -2.0])
    assert statistics(x, 1).startswith("min -2.0 max 2.0 median 0.2 trend downward lags ")
    assert statistics(-x, 0).startswith("min -2 max 2 median 0 trend upward lags ")


def test_lags_are_those_of_the_period():
    """Against the sums of the circular autocorrelation; lag 0 and the mirror half are left out."""
    rng = np.random.default_rng(1)
    x = np.sin(2 * np.pi * np.arange(120) / 12) + 0.3 * rng.normal(size=120)
    sums = [(x * np.roll(x, -lag)).sum() for lag in range(1, 61)]
    assert top_lags(x) == (1 + np.argsort(sums)[::-1][:5]).tolist()
    assert set(top_lags(x)) == {12, 24, 36, 48, 60}


def test_generated_series_have_their_periods_and_all_words():
    source = SOURCES["statistic_series"](split="test", examples=300)
    assert source.modalities == ("series", "text")
    assert source.label_fields == ("future", "last", "spread")
    words = {word for text in source.fields["text"] for word in text.split()}
    assert words <= set(WORDS)
    x = np.stack(source.fields["series"])[..., 0]
    np.testing.assert_allclose(x.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(1), 1, atol=1e-4)
    power = np.abs(np.fft.rfft(x)[:, 1:]) ** 2
    band = slice(512 // 48 - 1, 512 // 8 + 1)
    assert (power[:, band].sum(1) / power.sum(1)).mean() > 0.6
    quiet = SOURCES["statistic_series"](noise=0.0, examples=300)
    rough, smooth = (np.square(np.diff(np.stack(s.fields["series"])[..., 0])).mean()
                     for s in (source, quiet))  # fmt: skip
    assert rough > 1.3 * smooth
    with pytest.raises(ValueError, match="past=513 should be from 10 to 512"):
        SOURCES["statistic_series"](past=513)


def table(path, rows=100, cell=lambda i: str(i * 0.5)):
    lines = [f"2020-{i},{cell(i)},{(i * 7) % 11}" for i in range(rows)]
    path.write_text("\n".join(["date,OT,HUFL", *lines]))
    return str(path)


def test_windows_of_a_table_are_split_in_time(tmp_path):
    path = table(tmp_path / "ett.csv")
    train, val, test, every = (
        SOURCES["series"](path=path, split=s, past=12, future=4)
        for s in ("train", "val", "test", "all")
    )
    assert train.columns == ("OT", "HUFL")
    # Windows whose future ends by row 70; whose future lies in rows 70 to 79, and 80 to 99.
    assert [len(s) for s in (train, val, test, every)] == [2 * n for n in (55, 7, 17, 85)]
    values = np.array([(i * 7) % 11 for i in range(100)], float)
    scaled = (values - values[:70].mean()) / values[:70].std()
    row = test[5]
    assert (row["id"], row["channel"]) == (5, "HUFL")
    assert row["key"] == "ett.csv HUFL from row 70"
    own = window(scaled[70:86], 12, 3)
    np.testing.assert_allclose(row["series"], own["series"], atol=1e-5)
    np.testing.assert_allclose(row["future"], own["future"], atol=1e-5)
    assert row["text"] == own["text"]
    assert row["spread"] == own["spread"]
    wide = SOURCES["series"](
        path=path, columns=("HUFL",), past=12, future=4, stride=10, ends=(40, 60, 100), split="test"
    )
    assert len(wide) == 1 + (100 - 48 - 16) // 10
    assert [wide[i]["key"] for i in (0, 1)] == [f"ett.csv HUFL from row {r}" for r in (48, 58)]


def test_tables_that_hold_no_series(tmp_path):
    def read(path, **options):
        return SOURCES["series"](**{"path": path, "past": 12, "future": 4, **options})

    path = table(tmp_path / "a.csv")
    with pytest.raises(SourceError, match="has no column 'Q', only 'date', 'OT', 'HUFL'"):
        read(path, columns=("Q",))
    with pytest.raises(SourceError, match="row 2: 'date' is '2020-0', which is no number"):
        read(path, columns=("date",))
    with pytest.raises(SourceError, match=r"ends=\(50, 40, 100\) should rise"):
        read(path, ends=(50, 40, 100))
    with pytest.raises(SourceError, match="past=90 and future=4 fits into 'train', rows 0 to 70"):
        read(path, past=90)
    for cell in ("", "nan", "x"):
        bad = table(tmp_path / "b.csv", cell=lambda i, cell=cell: cell if i == 7 else "1")
        with pytest.raises(SourceError, match=rf"row 9: 'OT' is '{cell}', which is no number"):
            read(bad)
