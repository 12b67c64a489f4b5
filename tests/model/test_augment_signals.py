"""Signals on the device are what signals on the host are, in distribution; and each is its own."""

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from augmenting import augmented, keys, run

from mmjax import recipe as recipe_lib
from mmjax.data.views import SignalView
from mmjax.data.views.signal_augmentation import SignalAugmentation
from mmjax.errors import ConfigError
from mmjax.model.augment_signals import DeviceSignalAugmentation

RATE = 200.0
ROWS = 400
ALL = {
    "rate": RATE,
    "warp": 0.5,
    "permute": 0.5,
    "rotate": 30.0,
    "scale": (0.5, 1.5),
    "scale_channels": 0.1,
    "wander": 0.3,
    "powerline": 0.2,
    "noise": 0.1,
    "drop_channels": 0.3,
    "crop": (0.5, 1.0),
}


def signal(steps=50, channels=3):
    return np.random.default_rng(0).normal(1, 1, (steps, channels)).astype(np.float32)


on_device = functools.partial(augmented, DeviceSignalAugmentation)


def on_host(options, x, rows=ROWS, seed=0):
    own = {k: v for k, v in options.items() if k != "rate"}
    augment, rng = SignalAugmentation(**own), np.random.default_rng(seed)
    return np.stack([augment(x, RATE, rng) for _ in range(rows)])


def ks(a, b):
    """How far two samples' distributions are apart, over what chance allows at .001."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    apart = np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(b)
    return np.abs(apart).max() / (1.95 * np.sqrt(1 / len(a) + 1 / len(b)))


@pytest.mark.parametrize(
    "options",
    [
        {"rotate": 40.0},
        {"scale": (0.5, 1.5)},
        {"scale_channels": 0.3},
        {"wander": 0.5},
        {"powerline": 0.5, "mains": 60.0},
        {"noise": 0.3},
    ],
    ids=lambda options: next(iter(options)),
)
def test_amplitudes_are_distributed_as_on_the_host(options):
    x = signal()
    options = {"rate": RATE, **options}
    device, host = on_device(options, np.repeat(x[None], ROWS, 0)), on_host(options, x)
    assert device.shape == host.shape
    assert np.ptp(device[:, 0, 0]) > 0.1
    for of in (
        lambda y: y[:, 0, 0],
        lambda y: y[:, 31, 2],  # values
        lambda y: np.abs(y - x).max((1, 2)),  # the size of the change
        lambda y: (y - x)[:, :, 0].std(1),
        lambda y: ((y - x)[:, :, 0] * (y - x)[:, :, 1]).mean(1),  # between channels
        lambda y: ((y - x)[:, 1:] * (y - x)[:, :-1]).mean((1, 2)),  # between times
    ):
        assert ks(of(device), of(host)) < 1


@pytest.mark.parametrize(("options", "count"), [({"warp": 0.8}, 7), ({"permute": 0.7}, 24)])
@pytest.mark.parametrize("steps", [47, 3])
def test_segments_are_moved_as_on_the_host(options, count, steps):
    """Every outcome of the host is one of the device, as often."""
    x = signal(steps)
    wide = np.pad(x, ((0, 7), (0, 0)), constant_values=np.nan)
    device = on_device(options, np.repeat(wide[None], ROWS, 0))
    assert np.isnan(device[:, steps:]).all()
    host = on_host(options, x)
    found = np.unique(host.round(3), axis=0)
    if steps >= 47:
        assert len(found) == count
    near = np.abs(device[:, None, :steps] - found[None]).max((2, 3))
    assert near.min(1).max() < 2e-3
    of_device = np.bincount(near.argmin(1), minlength=len(found)) / ROWS
    near = np.abs(host[:, None] - found[None]).max((2, 3))
    of_host = np.bincount(near.argmin(1), minlength=len(found)) / ROWS
    assert np.abs(of_device - of_host).max() < 0.11


def test_windows_are_those_of_a_view():
    ramp = np.stack([np.arange(100.0), -np.arange(100.0)], axis=1).astype(np.float32)
    view = SignalView(channels=2, length=40, crop=(0.5, 0.75))
    rng = np.random.default_rng(0)
    host = np.stack([view(ramp, rng, True) for _ in range(ROWS)])
    wide = np.pad(ramp, ((0, 20), (0, 0)), constant_values=np.nan)
    augment = {"length": 40, "crop": (0.5, 0.75)}
    device = on_device(augment, np.repeat(wide[None], ROWS, 0))
    assert device.shape == host.shape
    for y in (host, device):
        there = ~np.isnan(y[..., 0])
        assert (there == (np.arange(40) < there.sum(1)[:, None])).all()
        inside = y[:, 0, :1] + np.arange(40)
        np.testing.assert_array_equal(y[..., 0][there], inside[there])
        np.testing.assert_array_equal(y[..., 1], -y[..., 0])
    for of in (lambda y: y[:, 0, 0], lambda y: (~np.isnan(y[..., 0])).sum(1)):
        assert ks(of(device), of(host)) < 1
    # The signal that is no longer than the window is where it was, and evaluation takes the first.
    short = np.where(np.arange(120)[:, None] < 30, wide, np.nan)[None]
    np.testing.assert_array_equal(on_device({"length": 40}, short), short[:, :40])
    plain = DeviceSignalAugmentation(**augment)
    np.testing.assert_array_equal(plain(jnp.asarray(wide[None])), wide[None, :40])


def test_missing_channels_stay_missing_and_one_that_is_there_is_left():
    x = np.repeat(signal(30, 4)[None], ROWS, 0)
    x[:, :, 1] = np.nan
    y = on_device({"drop_channels": 0.5}, x)
    gone = np.isnan(y).all(1)
    assert (gone == np.isnan(y).any(1)).all()
    assert gone[:, 1].all()
    assert not gone.all(1).any()
    # As on the host with the three that are there.
    host = np.isnan(on_host({"drop_channels": 0.5}, x[0][:, [0, 2, 3]])).all(1)
    np.testing.assert_allclose(gone[:, [0, 2, 3]].mean(0), host.mean(0), atol=0.1)
    assert ks(gone.sum(1) - 1, host.sum(1)) < 1
    assert np.isnan(on_device({"drop_channels": 1.0}, x)).all(1).sum(1).tolist() == [3] * ROWS
    # A gap is no sample that others may be mixed of, or become.
    z = on_device({**ALL, "drop_channels": 0.0, "crop": (1.0, 1.0), "rotate": 0.0}, x)
    assert (np.isnan(z) == np.isnan(x)).all()


@pytest.mark.smoke
def test_what_an_example_gets_is_its_own():
    x = np.repeat(signal(40, 6)[None], 8, 0)
    whole = on_device(ALL, x)
    np.testing.assert_array_equal(whole, on_device(ALL, x))
    assert len({a.tobytes() for a in whole}) == 8
    # In slices it is the same: microbatches are exact.
    part = run(DeviceSignalAugmentation, tuple(ALL.items()), jnp.asarray(x[3:5]), keys(8)[3:5])
    np.testing.assert_allclose(part, whole[3:5], atol=1e-5)
    assert not np.array_equal(on_device(ALL, x, seed=1), whole, equal_nan=True)
    first = {**ALL, "channels_first": True}
    np.testing.assert_allclose(on_device(first, x.swapaxes(1, 2)), whole.swapaxes(1, 2), atol=1e-5)
    assert on_device(ALL, x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    # A row of nothing, which stands for a modality that is absent, disturbs no other.
    for nothing in (0.0, np.nan):
        x[2] = nothing
        others = np.delete(np.arange(8), 2)
        np.testing.assert_allclose(on_device(ALL, x)[others], whole[others], atol=1e-5)
    plain = DeviceSignalAugmentation(**ALL)
    np.testing.assert_array_equal(plain(jnp.asarray(x)), x)
    np.testing.assert_array_equal(DeviceSignalAugmentation()(jnp.asarray(x), train=True), x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": (1.0, 0.5)}, "crop=.* two rising shares"),
        ({"wander": 0.1}, "need the view's rate"),
        ({"rate": 100.0, "powerline": 0.1}, "cannot hold the mains"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        DeviceSignalAugmentation(**options)


def test_signals_that_it_does_not_fit():
    with pytest.raises(ConfigError, match=r"\(2, 3\) is no f\[B, C, T\]"):
        DeviceSignalAugmentation(channels_first=True)(jnp.zeros((2, 3)))
    with pytest.raises(ConfigError, match="turns channels by three"):
        DeviceSignalAugmentation(rotate=10.0)(jnp.zeros((2, 9, 4)))


def test_the_paper_variant_of_ecg_text_names_it():
    recipe = str(Path(__file__).parents[2] / "configs" / "ecg_text.py:paper")
    config = recipe_lib.load(recipe, [])
    spec = config.model.towers["ecg"].augment
    assert spec.type == "signal"
    augment = spec.options
    assert augment["channels_first"]
    assert (augment["warp"], augment["permute"]) == (0.33, 0.33)
    assert augment["rate"] == config.data.views["ecg"].options["rate"]
    assert config.data.views["ecg"].options["augment"].warp == 0.0
    with pytest.raises(ConfigError, match=r"ecg\.augment\.wonder'; did you mean 'wander'"):
        recipe_lib.load(recipe, ["model.towers.ecg.augment.wonder=1.0"])
