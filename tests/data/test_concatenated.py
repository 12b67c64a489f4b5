"""The source `concatenated`: what is heard when, what captions say of it, and which pairs are."""

import itertools
import pickle

import numpy as np
import pytest
from third_party import needs

from mmjax.data import SOURCES, BadExample, SourceError
from mmjax.errors import ConfigError


def rows(sounds, texts):
    return {"type": "memory", "data": {"audio": sounds, "text": texts}}


def concatenated(source=None, **options):
    if source is None:
        names = "abcdefghij"
        sounds = [np.full((3, 2), ord(name), np.float32) for name in names]
        source = rows(sounds, list(names))
    return SOURCES.spec("concatenated", source=source, **{"split": "all", **options}).build()


def heard(sound):
    """The sounds of six frames, by their names; None where both are heard."""
    return ["".join(sorted({chr(round(x)) for x in part[:, 0]})) for part in np.split(sound, 2)]


def test_captions_say_what_is_heard_when():
    source = pickle.loads(pickle.dumps(concatenated()))
    assert len(source) == 45
    for record in source:
        i, j = record["first"], record["second"]
        assert heard(record["audio"]) == [i, j]
        assert heard(record["audio_reversed"]) == [j, i]
        assert heard(record["audio_single"]) == [i, i]
        mean = (ord(i) + ord(j)) / np.sqrt(2)
        np.testing.assert_allclose(record["audio_overlaid"], np.full((6, 2), mean), rtol=1e-6)
        assert record["text"] == [f"{i} before {j}", f"{j} after {i}"]
        assert record["text_reversed"] == [f"{j} before {i}", f"{i} after {j}"]
        assert record["text_overlaid"] == [f"{i} while {j}", f"{j} while {i}"]
        assert record["text_both"] == [f"{i} and {j}", f"{j} and {i}"]
        assert record["text_single"] == i
    assert set(record) == {"id", "key", *source.modalities, *source.label_fields}
    assert source.labels("first") == source.labels("second") == list("abcdefghij")
    assert source.labels("id") is None
    assert "45 pairs of 10 sounds" in source.describe()
    other = concatenated(ordered=("{1} after {0}",))[0]
    assert other["text"] == [f"{other['second']} after {other['first']}"]


def test_splits_share_no_pair_and_rows_go_through_all_pairs():
    pairs = {}
    for split in ("train", "validation", "test", "all"):
        source = concatenated(split=split)
        pairs[split] = {frozenset((r["first"], r["second"])) for r in source}
        assert len(pairs[split]) == len(source) == len({r["id"] for r in source})
    parts = [pairs[split] for split in ("train", "validation", "test")]
    assert all(parts)
    assert not any(a & b for a, b in itertools.combinations(parts, 2))
    assert set.union(*parts) == pairs["all"]
    many = concatenated(examples=450, seed=3)
    counts = np.bincount([many.id_of(row) for row in range(450)])
    assert set(counts) == {0, 10}
    assert [many.id_of(row) for row in range(5)] == [many[row]["id"] for row in range(5)]
    assert max(counts.nonzero()[0]) < many.id_limit
    turned = np.mean([record["first"] < record["second"] for record in many])
    assert 0.4 < turned < 0.6
    assert [r["text"] for r in concatenated(examples=45, seed=4)] != [r["text"] for r in many][:45]


def test_records_of_one_text_and_alternatives_take_turns():
    sounds = [[np.full(4, 0.1), np.full(4, 0.2)], np.full(4, 0.3), np.full(2, 1.0), None]
    source = concatenated(rows(sounds, ["a", "a", ["b", "c"], "d"]), examples=60, length=3)
    assert source.names == ["a", "b"]  # d has no sound
    seen = {float(v) for r in source for v in r["audio_single"][:1] if r["first"] == "a"}
    np.testing.assert_allclose(sorted(seen), [0.1, 0.2, 0.3])
    record = next(r for r in source if r["first"] == "b")
    np.testing.assert_array_equal(record["audio"][:3], [1, 1, 0])
    assert record["audio"].shape == record["audio_overlaid"].shape == (6,)
    quiet = concatenated(rows([np.full(4, 0.1), np.full(2, 1.0)], ["a", "b"]), normalize=True)
    assert quiet[0]["audio"].tolist() == [1] * 6
    assert len(quiet[0]["audio_overlaid"]) == 8


def test_sound_files_are_brought_to_a_rate_and_may_be_kept(tmp_path):
    soundfile = needs("soundfile")

    paths = []
    for name, hertz in (("a", 200), ("b", 400)):
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(1600) / 1600)
        soundfile.write(tmp_path / f"{name}.wav", wave, 1600)
        paths.append(str(tmp_path / f"{name}.wav"))
    source = concatenated(rows(paths, ["a", "b"]), rate=3200, length=2400, cache_decoded=True)
    first = source[0]
    assert first["audio"].shape == (4800,)
    power = np.abs(np.fft.rfft(first["audio"].reshape(2, 2400)))
    tones = {"a": 150, "b": 300}  # of 2,400 samples at 3,200 Hz
    assert power.argmax(1).tolist() == [tones[first["first"]], tones[first["second"]]]
    for path in paths:
        (tmp_path / path).unlink()
    np.testing.assert_array_equal(source[0]["audio"], first["audio"])
    fresh = pickle.loads(pickle.dumps(source))
    with pytest.raises(BadExample, match="does not exist") as error:
        fresh[0]
    assert error.value.field == "audio"


def test_files_need_a_rate():
    needs("soundfile")
    source = {"type": "samples"}
    with pytest.raises(BadExample, match=r"sample .*: audio: .*16000 Hz, and no rate is set"):
        concatenated(source)[0]


def test_what_cannot_be_is_refused():
    with pytest.raises(SourceError, match="no field 'sound', but 'audio', 'text'"):
        concatenated(audio="sound")
    with pytest.raises(SourceError, match="no pair of the 1 different texts is in the split"):
        concatenated(rows([np.ones(3)] * 2, ["a", "a"]))
    for caption in ("{0} and {0}", "{0} before", "{0} {1} {2}", "{} {}"):
        with pytest.raises(SourceError, match=r"should have \{0\} and \{1\}, each once"):
            concatenated(both=(caption,))
    with pytest.raises(ConfigError, match=r"'memry' of 'concatenated.source.type'.*'memory'"):
        SOURCES.spec("concatenated", source={"type": "memry"})
