"""The view `audio`: formats, rates, channels, cuts, and every kind of bad sound."""

import io
import pickle
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mutations import damage
from third_party import needs

from mmjax.data import VIEWS, BadExample, TrainData
from mmjax.data.formats.sounds import resample
from mmjax.data.sources import MemorySource
from mmjax.data.views import AudioView
from mmjax.errors import ConfigError

soundfile = needs("soundfile")

VIEW = AudioView(rate=8000, length=4000)


def tone(rate, seconds=0.4, channels=1, hertz=440.0):
    x = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return np.stack([x] * channels, axis=1).astype(np.float32)


def encode(x, rate, kind, subtype=None):
    content = io.BytesIO()
    soundfile.write(content, x, rate, subtype, format=kind)
    return content.getvalue()


def refused(value, view=VIEW):
    with pytest.raises(BadExample) as caught:
        view(value, np.random.default_rng(0), True)
    assert "\n" not in caught.value.reason
    return caught.value.reason


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("kind", "subtype", "rate", "channels", "tolerance"),
    [
        ("WAV", "PCM_16", 8000, 1, 1e-4),
        ("WAV", "FLOAT", 44_100, 2, 2e-3),
        ("WAV", "PCM_24", 16_000, 6, 2e-3),
        ("FLAC", None, 22_050, 1, 2e-3),
        ("OGG", None, 16_000, 1, 0.05),
        ("MP3", None, 44_100, 2, 0.05),
    ],
)
def test_every_format_is_the_same_sound(kind, subtype, rate, channels, tolerance):
    x = VIEW(encode(tone(rate, channels=channels), rate, kind, subtype), None, False)
    assert x.shape == VIEW.shape == (4000,)
    assert x.dtype == np.float32
    expected = tone(8000)[:, 0]
    middle = slice(400, 2800)  # MP3 begins late, and filters ring at the ends
    best = max(np.dot(np.roll(x, -s)[middle], expected[middle]) for s in range(20))
    norms = np.linalg.norm(x[middle]) * np.linalg.norm(expected[middle])
    assert best / norms > 1 - tolerance
    if kind != "MP3":
        np.testing.assert_allclose(x[middle], expected[middle], atol=5 * tolerance)
        assert not x[3200:].any()


def test_resampling_keeps_what_fits_and_removes_what_does_not():
    """Against the sinusoid itself; a tone above half of the new rate vanishes."""
    for rate in (11_025, 44_100, 6000, 48_000):
        x = resample(tone(rate)[:, 0], rate, 8000)
        assert len(x) == -(-len(tone(rate)) * 8000 // rate)
        expected = tone(8000, 0.5)[: len(x), 0]
        np.testing.assert_allclose(x[300:-300], expected[300:-300], atol=3e-3)
    above = resample(tone(44_100, hertz=7000.0)[:, 0], 44_100, 8000)
    assert np.abs(above[300:-300]).max() < 5e-3


def test_paths_and_arrays(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encode(tone(8000), 8000, "WAV"))
    x = VIEW(str(path), None, False)
    np.testing.assert_array_equal(x, VIEW(path, None, False))
    np.testing.assert_array_equal(x, VIEW(path.read_bytes(), None, False))
    sixteen = np.round(tone(8000)[:, 0] * 32767).astype(np.int16)
    np.testing.assert_allclose(VIEW(sixteen, None, False), x, atol=1e-4)
    np.testing.assert_allclose(VIEW(tone(8000, channels=2), None, False), x, atol=1e-4)


def test_cuts_are_random_in_training_only():
    x = np.arange(1, 9001, dtype=np.float32) / 9000
    np.testing.assert_array_equal(VIEW(x, None, False), x[:4000])
    first = {float(VIEW(x, np.random.default_rng(i), True)[0]) for i in range(20)}
    assert len(first) == 20
    view = AudioView(rate=8000, length=4000, random_crop=False, normalize=True)
    cut = view(0.5 * x, np.random.default_rng(0), True)
    np.testing.assert_allclose(cut, x[:4000], rtol=1e-6)


def test_decoded_sounds_are_kept_and_pickled_views_begin_anew():
    view = AudioView(rate=8000, length=4000, cache_decoded=True)
    content = encode(tone(44_100), 44_100, "OGG")
    first = view(content, None, False)
    assert content in view._cache
    np.testing.assert_array_equal(view(content, None, False), first)
    assert not pickle.loads(pickle.dumps(view))._cache


def test_bad_sounds_are_one_sentence(tmp_path):
    wav, ogg = encode(tone(8000), 8000, "WAV"), encode(tone(8000), 8000, "OGG")
    flac = encode(tone(8000), 8000, "FLAC")
    assert refused(ogg[: len(ogg) // 2]) == "the sound is cut off: it has no last page"
    assert refused(wav[:2000]).startswith("the sound is cut off: 1956 of 6400 bytes are there")
    assert "damaged or cut off" in refused(flac[: len(flac) // 2]) or "read" in refused(
        flac[: len(flac) // 2]
    )
    assert refused(encode(np.zeros((0, 1)), 8000, "WAV")) == "the sound has no samples"
    assert refused(encode(np.full(9, np.nan), 8000, "WAV", "FLOAT")).startswith("it holds NaN")
    assert refused(np.array([0.1, np.inf])).startswith("it holds NaN")
    assert refused(np.zeros(50)) == "it is silent: every sample is 0"
    assert refused(np.full(50, 1e9)).startswith("it has a sample of 1e+09")
    assert "are no sound that can be read" in refused(b"")
    assert "starting with b'not a so'" in refused(b"not a sound at all")
    assert refused(17) == "a sound should be bytes, a path or an array, not a int"
    assert refused(np.arange(9)).endswith("not int64")
    assert refused(np.zeros((2, 3, 4))).endswith("not [2, 3, 4]")
    assert refused(str(tmp_path / "none.wav")).endswith("none.wav does not exist")
    short = AudioView(rate=8000, length=4000, max_seconds=0.1)
    assert "more than max_seconds=0.1" in refused(wav, short)
    slow = bytearray(wav)
    struct.pack_into("<I", slow, 24, 3)
    assert "its rate is 3 Hz" in refused(bytes(slow))


def test_a_rate_that_no_sound_has_is_refused():
    for options in ({"type": "audio", "length": 5}, {"type": "log_mel"}):
        with pytest.raises(
            ConfigError, match=r"\.rate' should be at least 1000 and at most 768000"
        ):
            VIEWS.spec(**options, rate=10)


def test_a_batch_names_the_bad_rows_and_marks_them_absent():
    good, bad = encode(tone(8000), 8000, "OGG"), encode(tone(8000), 8000, "OGG")[:-200]
    source = MemorySource(data={"audio": [good, bad, good, b"x"]}, name="mine")
    data = TrainData(source, {"audio": VIEW}, batch_size=4, seed=0)
    batch = data[0]
    order = np.argsort(batch["id"])
    np.testing.assert_array_equal(batch["audio_present"][order], [True, False, True, False])
    assert batch["audio"][order][0].any()
    assert not batch["audio"][order][[1, 3]].any()
    assert sorted(data.check().counts) == [
        ("mine row 1", "audio", "the sound is cut off: it has no last page"),
        ("mine row 3", "audio", next(r for k, _, r in data.check().counts if k == "mine row 3")),
    ]


FILES = {
    "wav": encode(tone(8000, 0.1), 8000, "WAV"),
    "float": encode(tone(16_000, 0.05, 2), 16_000, "WAV", "FLOAT"),
    "flac": encode(tone(22_050, 0.05), 22_050, "FLAC"),
    "ogg": encode(tone(8000, 0.1), 8000, "OGG"),
    "mp3": encode(tone(16_000, 0.1), 16_000, "MP3"),
}


@settings(max_examples=500)
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_damaged_sounds_give_a_view_or_a_bad_example(data, name):
    content = damage(data.draw, FILES[name])
    begin, x, reason = time.monotonic(), None, None
    try:
        x = VIEW(content, np.random.default_rng(0), True)
    except BadExample as error:
        reason = error.reason
    if x is None:
        assert reason
        assert "\n" not in reason
    else:
        assert x.shape == VIEW.shape
        assert np.isfinite(x).all()
        assert x.any()
    assert time.monotonic() - begin < 5
