"""Weights of terms over the training."""

import numpy as np
import pytest

from mmjax.errors import ConfigError
from mmjax.schema.schedule import Schedule


def at(spec, *progress):
    return [float(Schedule.of(spec, "w")(p)) for p in progress]


def test_a_harmonic_weight_is_divided_by_the_number_of_the_epoch():
    spec = {"type": "harmonic", "start": 0.3, "end": 0.0, "periods": 3}
    np.testing.assert_allclose(at(spec, 0.0, 0.3, 0.34, 0.67, 0.99), [0.3, 0.3, 0.15, 0.1, 0.1])
    upwards = {"type": "harmonic", "start": 0.0, "end": 1.0, "periods": 2}
    np.testing.assert_allclose(at(upwards, 0.1, 0.6), [0.0, 0.5])


def test_steps_lines_and_cosines():
    step = {"type": "step", "start": 1.0, "end": 0.2, "begin": 0.33}
    np.testing.assert_allclose(at(step, 0.0, 0.32, 0.34, 1.0), [1, 1, 0.2, 0.2])
    for kind in ("linear", "cosine"):
        spec = {"type": kind, "start": 0.0, "end": 2.0, "begin": 0.5, "end_at": 0.75}
        np.testing.assert_allclose(at(spec, 0.4, 0.625, 0.9), [0, 1, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "log"}, "'w.type' should be one of 'linear', 'cosine', 'step', 'harmonic'"),
        ({"periods": 3}, "'periods' is for type 'harmonic'"),
        ({"type": "harmonic", "periods": 0}, "'w.periods' should be at least 1"),
        ({"end_at": 0.0}, "0 <= begin < end_at <= 1"),
        ({"strat": 1.0}, "did you mean 'start'"),
    ],
)
def test_what_is_no_schedule_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Schedule.of({"type": "linear", "start": 0.0, "end": 1.0, **change}, "w")
