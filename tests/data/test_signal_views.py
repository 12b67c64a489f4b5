"""Views of signals: rates, leads, units, gaps, augmentation, and what is refused."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from mmjax.data import BadExample, TrainData
from mmjax.data.formats.packing import pack, unpack
from mmjax.data.formats.signal import LEADS, Signal, resample, without_baseline
from mmjax.data.sources import MemorySource
from mmjax.data.views import EcgView, SignalView, VectorView
from mmjax.data.views.ecg import lead_name
from mmjax.data.views.signal_augmentation import SignalAugmentation, rotation
from mmjax.report.thumbnails import thumbnail


def tones(rate, seconds=4.0, channels=12, seed=0):
    """Sines of 1 to 8 Hz, f32[T, channels], the same at any rate."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    frequency, phase = rng.uniform(1, 8, channels), rng.uniform(0, 6, channels)
    return np.sin(2 * np.pi * frequency * t[:, None] + phase).astype(np.float32)


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.smoke
@pytest.mark.parametrize("rate", [100, 250, 360, 500, 1000, 257.5])
def test_any_rate_becomes_the_views(rate):
    view = EcgView(length=400, rate=100.0)
    x = view(Signal(tones(rate), float(rate), LEADS, ("mV",) * 12), None, False)
    assert x.shape == view.shape == (12, 400)
    # Away from the ends, where a filter lacks a side.
    np.testing.assert_allclose(x[:, 40:-40], tones(100)[40:-40].T, atol=0.02)


def test_resampling_filters_what_the_rate_cannot_hold():
    t = np.arange(4000) / 1000
    hum = np.sin(2 * np.pi * 60 * t).astype(np.float32)[:, None]
    assert np.abs(resample(hum, 1000, 100)[20:-20]).max() < 0.01
    step = resample(np.full((100, 1), 3.0, np.float32), 50, 100)
    np.testing.assert_allclose(step, 3, rtol=1e-3)  # a constant does not ring at its ends


def test_leads_come_in_the_views_order_by_any_name_and_unit():
    x = tones(100)
    order = np.random.default_rng(1).permutation(12)
    names = [
        f"Lead {LEADS[i]} (of a device)" if i % 2 else f"MDC_ECG_LEAD_{LEADS[i].upper()}"
        for i in order
    ]
    view = EcgView(length=400, rate=100.0)
    plain = view(Signal(x, 100.0), None, False)
    np.testing.assert_array_equal(plain, x.T)
    units = ["uV" if i % 3 else "mV" for i in order]
    scale = np.float32([1000 if i % 3 else 1 for i in order])
    shuffled = Signal(x[:, order] * scale, 100.0, tuple(names), tuple(units))
    np.testing.assert_allclose(view(shuffled, None, False), x.T, rtol=1e-5, atol=1e-6)
    assert [lead_name(n) for n in ("aVR", "AVF", "v3", "chest")] == ["aVR", "aVF", "V3", "chest"]


def test_limb_leads_follow_from_two_of_them():
    x = tones(100, channels=8)
    names = ("V1", "V2", "II", "V3", "V4", "V5", "V6", "I")
    y = EcgView(length=400, rate=100.0)(Signal(x, 100.0, names, ("mV",) * 8), None, False)
    one, two = np.float64(x[:, 7]), np.float64(x[:, 2])
    lead = dict(zip(LEADS, np.float64(y), strict=True))
    for name, expected in (
        ("I", one),
        ("II", two),
        ("III", two - one),
        ("aVR", -(one + two) / 2),
        ("aVL", one - two / 2),
        ("aVF", two - one / 2),
        ("V3", x[:, 3]),
    ):
        np.testing.assert_allclose(lead[name], expected, atol=1e-6)
    part = Signal(np.delete(x, 2, axis=1), 100.0, names[:2] + names[3:], ("mV",) * 7)
    with pytest.raises(BadExample, match="lacks the leads II, III, aVR, aVL, aVF; it has V1, V2"):
        EcgView(length=400, rate=100.0)(part, None, False)


def test_missing_leads_and_padding_are_nan_and_the_rest_is_untouched():
    x = tones(100, seconds=3)
    x[:, 4], x[::2, 7] = 0, np.nan
    view = EcgView(length=400, rate=100.0, max_missing=2)
    y = view(Signal(x, 100.0), None, False)
    assert np.isnan(y[[4, 7]]).all()
    assert np.isnan(y[:, 300:]).all()
    rest = [i for i in range(12) if i not in (4, 7)]
    np.testing.assert_array_equal(y[rest, :300], x[:, rest].T)


def test_single_missing_values_are_filled_by_lines():
    x = np.stack([np.arange(50.0), 2 * np.arange(50.0)], axis=1)
    gaps = x.copy()
    gaps[7:9, 0], gaps[20, 1] = np.nan, np.inf
    view = SignalView(channels=2, length=50, max_nan=0.05)
    np.testing.assert_allclose(view(gaps, None, False), x, rtol=1e-6)
    with pytest.raises(
        BadExample, match=r"channel 0 is NaN or infinite in 4\.0% of its samples, and"
    ):
        SignalView(channels=2, length=50)(gaps, None, False)


ECG = EcgView(length=400, rate=100.0)
IMU = SignalView(channels=3, length=50, rate=50.0, source_rate=50.0, min_length=5)
WHOLE = tones(100)


@pytest.mark.parametrize(
    ("view", "value", "says"),
    [
        (ECG, Signal(WHOLE), "it has no sampling rate: set source_rate in the view"),
        (ECG, WHOLE, "it has no sampling rate"),
        (ECG, Signal(WHOLE, 0.0), "its sampling rate is 0.0 Hz"),
        (ECG, Signal(WHOLE, float("nan")), "its sampling rate is nan Hz"),
        (ECG, Signal(WHOLE, 1e12), "cannot become 100 Hz"),
        (ECG, Signal(WHOLE, 1e-6), "cannot become 100 Hz"),
        (ECG, Signal(WHOLE[:, :11], 100.0), "it has 11 channels, and the view 12"),
        (ECG, Signal(WHOLE.T[:, :200], 100.0), "it has 200 channels.*samples come first, so trans"),
        (ECG, Signal(WHOLE, 100.0, ("I",) * 12, ("mV",) * 12), "it has the lead I twice"),
        (ECG, Signal(WHOLE, 100.0, LEADS, ("mmHg",) * 12), "its units are mmHg, .* no voltages"),
        (ECG, Signal(WHOLE, 100.0, LEADS, ("mV",)), "its units are mV"),
        (ECG, Signal(WHOLE * 1000, 100.0), "largest value is 1000 mV, which no heart makes"),
        (ECG, Signal(WHOLE * 0, 100.0), "channel I is flat, 0 throughout, and II, III, aVR"),
        (ECG, Signal(WHOLE * np.nan, 100.0), "channel I is NaN or infinite in 100.0%"),
        (ECG, Signal(WHOLE[:40], 100.0), r"40 samples \(0.4 s\), fewer than min_length=100"),
        (ECG, Signal(WHOLE[:, 0], 100.0), r"its shape is \[400\], but a signal is \[samples, ch"),
        (ECG, Signal(WHOLE[:0], 100.0), r"its shape is \[0, 12\]"),
        (IMU, "a text", "it is no array of numbers: its values are of type"),
        (IMU, {"x": 1}, "it is a dict of x, no signal"),
        (IMU, {"samples": None}, "it is no array of numbers"),
        (IMU, np.zeros((9, 3), complex), "its values are of type complex128"),
        (IMU, [[1, 2], [3]], "it is no array of numbers|its shape is"),
        (
            IMU,
            b"",
            "the 0 bytes, starting with b'', are no .npy array, no CSV of numbers and no DICOM",
        ),
        (IMU, npy(np.zeros((9, 3)))[:200], "are no .npy array, no CSV of numbers and no DICOM"),
        (IMU, npy(np.array([{}], object)), "are no .npy array, no CSV of numbers and no DICOM"),
        (IMU, np.ones((4, 3)), r"it has 4 samples \(0.08 s\), fewer than min_length=5"),
        (IMU, [], "the list of alternatives is empty"),
    ],
)
def test_what_is_wrong_is_one_sentence(view, value, says):
    with pytest.raises(BadExample, match=says) as caught:
        view(value, np.random.default_rng(0), True)
    assert "\n" not in caught.value.reason
    assert not caught.value.reason.endswith(".")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SignalView(channels=1, length=5, crop=(0.9, 0.5)), "crop=.* two rising shares"),
        (lambda: SignalView(channels=2, length=5, max_missing=2), "max_missing=2 must be below"),
        (lambda: EcgView(length=5, rate=9.0, leads=("I", "V9")), "leads=.*should be different"),
        (lambda: EcgView(length=5, rate=9.0, leads=("I", "Lead I")), "leads="),
        (
            lambda: EcgView(length=5, rate=100.0, augment=SignalAugmentation(powerline=0.1)),
            "a rate of 100 Hz cannot hold the mains' 50 Hz",
        ),
        (
            lambda: SignalView(channels=4, length=5, augment=SignalAugmentation(rotate=5.0)),
            "turns channels by three, x, y and z, but there are 4",
        ),
        (
            lambda: SignalView(channels=4, length=5, augment=SignalAugmentation(wander=0.1)),
            "need the view's rate",
        ),
        (lambda: SignalAugmentation(scale=(1.0, 0.5)), "two rising numbers"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_training_takes_windows_and_evaluation_the_start():
    x = np.stack([np.arange(100.0), -np.arange(100.0)], axis=1)
    view = pickle.loads(pickle.dumps(SignalView(channels=2, length=40)))
    np.testing.assert_array_equal(view(x, None, False), x[:40])
    starts = set()
    for seed in range(60):
        y = view(npy(x), np.random.default_rng(seed), True)
        starts.add(y[0, 0])
        np.testing.assert_array_equal(y, x[int(y[0, 0]) :][:40])
    assert min(starts) < 8
    assert max(starts) > 52
    part = SignalView(channels=2, length=40, crop=(0.5, 0.75))
    for seed in range(20):
        there = ~np.isnan(part(x, np.random.default_rng(seed), True)[:, 0])
        assert 20 <= there.sum() <= 30
        assert there[: there.sum()].all()


def test_a_signal_survives_a_shard():
    """What `mmjax.data.convert` writes and reads again gives the same view."""
    signal = Signal(tones(250), 250.0, LEADS, ("uV",) * 12)
    record = unpack(pack({"id": 3, "ecg": signal}))
    view = EcgView(length=400, rate=100.0)
    np.testing.assert_array_equal(view(record["ecg"], None, False), view(signal, None, False))


def test_normalisations():
    x = tones(50, channels=3) * [1, 5, 0] + [0, 2, 7]
    z = SignalView(channels=3, length=300, normalize="zscore", scale=2.0)(x, None, False)[:200]
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), [2, 2, 0], rtol=1e-5)
    m = SignalView(channels=3, length=300, normalize="minmax")(x, None, False)[:200]
    np.testing.assert_allclose([m.min(0), m.max(0)], [[-1, -1, 0], [1, 1, 0]], atol=1e-6)


def test_a_baseline_goes_and_beats_stay():
    t = np.arange(1000) / 100
    beats = np.exp(-(((t % 0.8 - 0.4) / 0.02) ** 2))[:, None]
    slow = 0.5 * np.sin(2 * np.pi * 0.2 * t)[:, None]
    clean = without_baseline(np.float32(beats + slow + 3), 100.0)
    assert np.abs(clean - beats)[100:-100].max() < 0.12


def changed(x, rate=500.0, seed=0, **options):
    return SignalAugmentation(**options)(x, rate, np.random.default_rng(seed))


def test_augmentation_changes_what_it_says():
    x = tones(500, channels=6)
    np.testing.assert_array_equal(changed(x), x)
    y = changed(x, scale=(2.0, 2.0))
    np.testing.assert_allclose(y, 2 * x, rtol=1e-6)
    ratio = changed(x, scale_channels=0.2) / x
    np.testing.assert_allclose(ratio, np.broadcast_to(np.median(ratio, 0), x.shape), rtol=1e-3)
    assert np.ptp(np.median(ratio, 0)) > 0.1
    noise = changed(x, noise=0.3) - x
    assert noise.std() == pytest.approx(0.3, rel=0.05)
    for options, low, high in (({"wander": 0.5}, 0.05, 0.5), ({"powerline": 0.5}, 50, 50)):
        added = changed(x, **options) - x
        spectrum = np.abs(np.fft.rfft(added * np.hanning(len(x))[:, None], 40_000, axis=0))
        top = np.fft.rfftfreq(40_000, 1 / 500)[spectrum.max(1).argmax()]
        assert low - 0.3 <= top <= high + 0.3
        assert 0.01 < np.abs(added).max() <= 0.5 + 1e-5
    dropped = np.isnan(np.stack([changed(x, seed=s, drop_channels=0.5) for s in range(200)]))
    assert (dropped.any(1) == dropped.all(1)).all()
    assert 0.35 < dropped[:, 0].mean() < 0.5  # one is always left
    assert not dropped.all(2).any()
    assert np.isnan(changed(x, drop_channels=1.0)).all(0).sum() == 5


def test_a_channel_that_is_there_is_left():
    x = tones(100)
    x[:, 1:] = 0  # flat: these leads are missing
    view = EcgView(length=400, rate=100.0, max_missing=11, augment={"drop_channels": 1.0})
    for seed in range(5):
        y = view(Signal(x, 100.0), np.random.default_rng(seed), True)
        np.testing.assert_array_equal(y[0], x[:, 0])
        assert np.isnan(y[1:]).all()


def test_a_rotation_keeps_lengths_and_turns_all_sensors_together():
    turn = rotation(np.random.default_rng(0), 90.0).astype(float)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1, abs=1e-5)
    angles = [
        np.degrees(np.arccos((np.trace(rotation(np.random.default_rng(s), 20.0)) - 1) / 2))
        for s in range(100)
    ]
    assert 15 < max(angles) <= 20.01
    x = tones(500, channels=6)
    y = changed(x, rotate=40.0)
    np.testing.assert_allclose(
        (y[:, :3] * y[:, 3:]).sum(1), (x[:, :3] * x[:, 3:]).sum(1), atol=1e-4
    )


def test_warp_and_permutation_keep_the_length_and_the_values():
    x = np.stack([np.arange(103.0), np.arange(103.0)], axis=1).astype(np.float32)
    y = changed(x, warp=1.0)
    assert y.shape == x.shape
    assert y[0, 0] == 0
    np.testing.assert_allclose(y[-1], 102, atol=1e-3)
    speed = np.diff(y[:, 0])
    assert speed.min() == pytest.approx(0.8, abs=0.02)  # 1/1.25, over the mean of the speeds, 1
    assert speed.max() == pytest.approx(1 / 0.75, abs=0.02)
    z = changed(x, permute=1.0, seed=3)
    np.testing.assert_array_equal(np.sort(z[:, 0]), x[:, 0])
    assert (z[:, 0] != x[:, 0]).any()
    assert (np.diff(z[:, 0]) != 1).sum() <= 3


def test_a_bad_record_is_named_and_left_out_of_its_batch():
    good = [Signal(tones(250, seed=s), 250.0, LEADS, ("mV",) * 12) for s in range(8)]
    bad = Signal(good[3].samples * 0, 250.0, LEADS, ("mV",) * 12)
    source = MemorySource(data={"ecg": [*good[:3], bad, *good[4:]], "text": list("abcdefgh")})
    data = TrainData(source, {"ecg": EcgView(length=300, rate=100.0)}, batch_size=8, seed=0)
    batches = data.iter_from(0)
    batch = next(batches)
    batches.close()
    assert batch["ecg"].shape == (8, 12, 300)
    assert not batch["ecg_present"][batch["id"] == 3].any()
    assert batch["ecg_present"].sum() == 7
    ((key, field, reason),) = data.report.counts
    assert (key, field) == ("memory row 3", "ecg")
    assert reason.startswith("channel I is flat")


def test_damaged_files_give_the_truth_or_one_sentence():
    rng, refused = np.random.default_rng(0), 0
    x = rng.normal(size=(50, 3)).astype(np.float32)
    content, view = npy(x), SignalView(channels=3, length=50)
    for trial in range(300):
        damaged = bytearray(content)
        place = rng.integers(140 if trial % 2 else len(damaged))  # the header is 128 bytes
        match trial % 4:
            case 0:
                del damaged[place:]
            case 1:
                damaged[place] ^= 1 << rng.integers(8)
            case 2:
                del damaged[place : place + 5]
            case 3:
                damaged[place] = rng.integers(32, 127)
        try:
            y = view(bytes(damaged), None, False)
        except BadExample as error:
            said = error.reason
            refused += 1
        else:
            said = ""
            # What can be read whole is what the file says: at most one value is another one.
            assert y.shape == (50, 3)
            if np.isfinite(y).all() and trial % 4 in (1, 3) and place >= 128:
                assert (y != x).sum() <= 1
        assert "\n" not in said
    assert refused > 150


def test_a_header_that_numpy_cannot_parse_is_a_bad_example_of_any_view():
    """NumPy's own reader ends in an error of Python's tokenizer on it."""
    damaged = bytearray(npy(np.zeros(3, np.float32)))
    damaged[damaged.index(b"(3,)")] = ord("H")
    for view in (VectorView(dim=3), SignalView(channels=1, length=3)):
        with pytest.raises(BadExample) as caught:
            view(bytes(damaged), None, False)
        assert "\n" not in caught.value.reason


def test_the_page_shows_a_signal_as_lines():
    x = tones(100)
    x[:, 0] = np.nan
    content = thumbnail(Signal(x, 100.0))
    shown = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    assert shown.shape == (96, 96)
    rows = (shown < 200).reshape(6, 16, 96).any(axis=1)
    assert rows[1:].mean() > 0.9  # every channel's line goes from side to side
    assert thumbnail(Signal(x[:1] * np.nan, 100.0)) is not None
