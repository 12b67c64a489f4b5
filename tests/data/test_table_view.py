"""Rows of measurements: gaps are NaN, numbers are scaled, errors name their column."""

import io

import numpy as np
import pytest

from mmjax.data import BadExample
from mmjax.data.views import TableView

LABS = TableView(
    columns=("ph", "lactate"),
    categories={"sex": ("f", "m")},
    mean=(7.4, 1.0),
    std=(0.1, 0.5),
    log=("lactate",),
    clip=5.0,
)


def test_numbers_are_scaled_and_gaps_are_nan():
    x = LABS({"ph": "7.3", "lactate": np.e - 1, "sex": "m", "other": 3}, None, False)
    np.testing.assert_allclose(x, [-1, 0, 0, 1], atol=1e-5)
    for blank in (None, "", " ", "NA", "n/a", float("nan"), np.float32("nan"), "-"):
        x = LABS({"ph": blank, "lactate": 0, "sex": blank}, None, False)
        np.testing.assert_allclose(x, [np.nan, -2, np.nan, np.nan], atol=1e-5)
    x = LABS({"ph": 740, "lactate": 1, "sex": "f"}, None, False)
    assert x[0] == 5  # a typing error does not drown the rest
    assert x.dtype == LABS.dtype
    assert x.shape == LABS.shape


def test_rows_of_numbers_alone():
    view = TableView(columns=("a", "b", "c"))
    row = [1, None, "3"]
    np.testing.assert_array_equal(view(row, None, False), [1, np.nan, 3])
    np.testing.assert_array_equal(view(np.array([1.0, np.nan, 3]), None, False), [1, np.nan, 3])
    buffer = io.BytesIO()
    np.save(buffer, np.array([1.0, np.nan, 3]))
    np.testing.assert_array_equal(view(buffer.getvalue(), None, False), [1, np.nan, 3])
    two = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]  # alternatives
    np.testing.assert_array_equal(view(two, None, False), [1, 2, 3])


def test_training_makes_some_missing():
    view = TableView(columns=tuple("abcdefghij"), drop=0.3)
    rng = np.random.default_rng(0)
    lost = np.mean([np.isnan(view([1.0] * 10, rng, True)).mean() for _ in range(100)])
    assert 0.25 < lost < 0.35
    assert not np.isnan(view([1.0] * 10, None, False)).any()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"ph": "high", "lactate": 1, "sex": "f"}, "'ph' is 'high', which is no number"),
        ({"ph": True, "lactate": 1, "sex": "f"}, "'ph' is True, which is no number"),
        ({"ph": np.inf, "lactate": 1, "sex": "f"}, "'ph' is inf; leave it blank"),
        ({"ph": 7, "lactate": -1, "sex": "f"}, "'lactate' is below 0 and log"),
        ({"ph": 7, "lactate": 1, "sex": "x"}, "'sex' is 'x', which is none of f, m"),
        ({"ph": 7, "sex": "f"}, "the row has no column 'lactate'"),
        ([7, 1], "a row with categories should be"),
        (3, "should be"),
    ],
)
def test_a_bad_row_names_its_column(value, reason):
    with pytest.raises(BadExample, match=reason):
        LABS(value, None, False)


def test_too_few_cells_and_too_large_numbers():
    view = TableView(columns=("a", "b"))
    with pytest.raises(BadExample, match="the row has 1 cells for 2 columns"):
        view([1], None, False)
    with pytest.raises(BadExample, match="too large for 32 bits"):
        view([1, 1e300], None, False)


@pytest.mark.parametrize(
    "options",
    [
        {"columns": ()},
        {"columns": ("a", "a")},
        {"columns": ("a",), "mean": (1.0, 2.0)},
        {"columns": ("a",), "log": ("b",)},
        {"columns": ("a",), "categories": {"b": ()}},
    ],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=r"^table view: "):
        TableView(**options)
